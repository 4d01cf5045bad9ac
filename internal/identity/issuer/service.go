package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
)

// Bounds of a token's life.
const (
	MinLife     = 5 * time.Minute
	MaxLife     = 3 * time.Hour
	DefaultLife = time.Hour
)

// maxAudience bounds an audience in bytes.
const maxAudience = 1024

const (
	// look is how often a server asks whether keys are to be made or forgotten.
	look = 10 * time.Minute
	// fresh is how long a server answers from memory which keys are published: anybody may ask, and a key
	// is published long before it signs.
	fresh = 5 * time.Second
)

// Config says what a Service works with. All but Log are required.
type Config struct {
	Store  Store
	Sealer Sealer
	// URL is the issuer: the server's public root, without a slash at its end.
	URL string
	Now func() time.Time
	Log *slog.Logger
}

// Service issues tokens. Its methods are safe for concurrent use.
type Service struct {
	cfg Config

	mu     sync.Mutex
	opened map[string]jose.Signer // by key id: the one that signs

	setMu    sync.Mutex
	set      []byte    // the published keys, as Keys answered lately
	setUntil time.Time // when it is to be read again
}

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Service{cfg: cfg, opened: map[string]jose.Signer{}}
}

// Run rotates keys until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	for {
		if err := s.Rotate(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Log.WarnContext(ctx, "rotate issuer keys", "err", err)
		}
		if err := api.Pause(ctx, look); err != nil {
			return nil //nolint:nilerr // stopped
		}
	}
}

// Rotate makes the next key if it is time and forgets those that nobody needs. Any number of servers may
// do it at once, as often as they like.
func (s *Service) Rotate(ctx context.Context) error {
	_, err := s.keys(ctx)
	return err
}

// keys returns all keys that are published, after rotation.
func (s *Service) keys(ctx context.Context) ([]Key, error) {
	now := s.now()
	for {
		keys, err := s.cfg.Store.Keys(ctx)
		if err != nil {
			return nil, err
		}
		missing, signsFrom, forget := due(keys, now)
		if !missing {
			if forget > 0 {
				err = s.cfg.Store.DropKeys(ctx, forget)
			}
			return published(keys, forget), err
		}
		generation := int64(1)
		if len(keys) > 0 {
			generation = keys[len(keys)-1].Generation + 1
		}
		k, err := generate(ctx, s.cfg.Sealer, generation, now, signsFrom)
		if err != nil {
			return nil, err
		}
		if err := s.cfg.Store.AddKey(ctx, k); err != nil && !errors.Is(err, ErrTaken) {
			return nil, err
		}
		// Ours or another server's: what is stored counts.
	}
}

// published are the keys from a generation on.
func published(keys []Key, from int64) []Key {
	for len(keys) > 0 && keys[0].Generation < from {
		keys = keys[1:]
	}
	return keys
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Token is an issued token.
type Token struct {
	Raw     string
	Expires time.Time
	Issuer  string
}

// claims are a token's, beside those every JWT has.
type claims struct {
	jwt.Claims
	Audience    []string `json:"aud"` // a list even of one
	Teams       []string `json:"teams"`
	Email       string   `json:"email,omitempty"`
	RunID       string   `json:"run_id"`
	Environment string   `json:"environment,omitempty"`
	AgentName   string   `json:"agent_name,omitempty"`
	Skill       string   `json:"skill_spec,omitempty"`
	Host        string   `json:"host,omitempty"`
}

// Issue makes a token of a run for an audience. It reads the keys anew, so that servers agree.
func (s *Service) Issue(ctx context.Context, b Bearer, req api.IdentityTokenRequest) (Token, error) {
	if err := checkAudience(req.Audience); err != nil {
		return Token{}, err
	}
	life, err := lifeOf(req.RequestedDurationSeconds)
	if err != nil {
		return Token{}, err
	}
	subject, err := b.subject(req.SubjectTemplate)
	if err != nil {
		return Token{}, err
	}
	keys, err := s.keys(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("issue token: %w", err)
	}
	now := s.now()
	signer, err := s.signer(ctx, signing(keys, now))
	if err != nil {
		return Token{}, fmt.Errorf("issue token: %w", err)
	}
	issued := now.Truncate(time.Second)
	c := claims{
		Claims: jwt.Claims{
			Issuer: s.cfg.URL, Subject: subject, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(issued), NotBefore: jwt.NewNumericDate(issued), Expiry: jwt.NewNumericDate(issued.Add(life)),
		},
		Audience: []string{req.Audience}, Teams: []string{}, Email: b.email(), RunID: b.RunID, Environment: b.EnvironmentID, AgentName: b.AgentName,
		Skill: b.Skill, Host: b.Host,
	}
	if b.TeamUID != "" {
		c.Teams = append(c.Teams, b.TeamUID)
	}
	raw, err := jwt.Signed(signer).Claims(c).Serialize()
	if err != nil {
		return Token{}, fmt.Errorf("sign token: %w", err)
	}
	s.cfg.Log.InfoContext(ctx, "identity token issued", "run_id", b.RunID, "audience", req.Audience, "subject", subject, "jti", c.ID, "expires", issued.Add(life))
	return Token{Raw: raw, Expires: issued.Add(life), Issuer: s.cfg.URL}, nil
}

// signer returns a key ready to sign, opened once.
func (s *Service) signer(ctx context.Context, k Key) (jose.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if signer := s.opened[k.ID]; signer != nil {
		return signer, nil
	}
	signer, err := open(ctx, s.cfg.Sealer, k)
	if err != nil {
		return nil, err
	}
	clear(s.opened) // only one signs at a time
	s.opened[k.ID] = signer
	return signer, nil
}

// checkAudience accepts what others identify themselves by: a URL, a name, an id. Nothing of it is ever called.
func checkAudience(a string) error {
	switch {
	case a == "":
		return api.Invalid("audience", "is required")
	case len(a) > maxAudience:
		return api.Invalid("audience", "must be at most %d bytes long", maxAudience)
	}
	for _, b := range []byte(a) {
		if b <= ' ' || b >= 0x7f {
			return api.Invalid("audience", "must be printable ASCII without spaces")
		}
	}
	return nil
}

func lifeOf(seconds *int) (time.Duration, error) {
	if seconds == nil {
		return DefaultLife, nil
	}
	if s := *seconds; s < int(MinLife.Seconds()) || s > int(MaxLife.Seconds()) {
		return 0, api.Invalid("requested_duration_seconds", "must be from %d to %d, not %d", int(MinLife.Seconds()), int(MaxLife.Seconds()), s)
	}
	return time.Duration(*seconds) * time.Second, nil
}

// Document is something that relying parties read, with how long they may keep it.
type Document struct {
	JSON   []byte
	MaxAge time.Duration
}

// Keys is the set of public keys: those that sign, signed lately or will sign soon.
func (s *Service) Keys(ctx context.Context) (Document, error) {
	s.setMu.Lock()
	defer s.setMu.Unlock()
	now := s.now()
	if s.set == nil || now.After(s.setUntil) || s.setUntil.Sub(now) > fresh {
		keys, err := s.keys(ctx)
		if err != nil {
			return Document{}, err
		}
		if s.set, err = keySet(keys); err != nil {
			return Document{}, err
		}
		s.setUntil = now.Add(fresh)
	}
	return Document{JSON: s.set, MaxAge: keysAge}, nil
}

// Paths below the issuer's URL.
const (
	DiscoveryPath = "/.well-known/openid-configuration"
	KeysPath      = "/.well-known/jwks.json"
)

// Discovery describes the issuer as OpenID Connect Discovery wants it.
func (s *Service) Discovery() (Document, error) {
	b, err := json.Marshal(map[string]any{
		"issuer":                                s.cfg.URL,
		"jwks_uri":                              s.cfg.URL + KeysPath,
		"response_types_supported":              []string{"id_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{string(jose.ES256)},
		"scopes_supported":                      []string{"openid"},
		"claims_supported": []string{"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "teams", "email", "run_id",
			"environment", "agent_name", "skill_spec", "host"},
	})
	return Document{JSON: b, MaxAge: keysAge}, err
}
