package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// KeyPrefix begins every API key that Cadre generates; 64 hexadecimal digits follow.
	KeyPrefix = "wk-1."
	// minCredential and maxCredential bound a bearer credential in bytes; others are refused unread.
	minCredential = 8
	maxCredential = 1024
	// secretName names the server secret that tokens and links are signed with.
	secretName = "signing"
)

// Config sets up a Service. Store and Log are required.
type Config struct {
	Store Store
	Log   *slog.Logger
	// Now and NewID default to the clock and random UUID-like ids.
	Now   func() time.Time
	NewID func() string
	// CacheTTL is how long an API key is trusted without being read again, hence how long a revoked
	// one may still work. Default 3 s.
	CacheTTL time.Duration
	// CacheSize bounds the keys remembered. Default 10,000.
	CacheSize int
	// TouchEvery is how often the times keys were last used are stored. Default 30 s.
	TouchEvery time.Duration
}

// Service authenticates callers and mints what they authenticate with. It is safe for concurrent
// use. Run must be running for last-used times to be kept.
type Service struct {
	cfg    Config
	signer signer
	cache  *cache

	mu   sync.Mutex
	used map[string]time.Time // key uid to last use, not stored yet
}

// New loads the server's secret, creating it on the first start.
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg.Now = orDefault(cfg.Now, time.Now)
	cfg.NewID = orDefault(cfg.NewID, rand.Text)
	if cfg.CacheTTL <= 0 {
		cfg.CacheTTL = 3 * time.Second
	}
	if cfg.CacheSize <= 0 {
		cfg.CacheSize = 10_000
	}
	if cfg.TouchEvery <= 0 {
		cfg.TouchEvery = 30 * time.Second
	}
	candidate := make([]byte, 32)
	if _, err := rand.Read(candidate); err != nil {
		return nil, fmt.Errorf("make server secret: %w", err)
	}
	secret, err := cfg.Store.Secret(ctx, secretName, candidate)
	if err != nil {
		return nil, fmt.Errorf("load server secret: %w", err)
	}
	s, err := newSigner(secret)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, signer: s,
		cache: newCache(cfg.CacheTTL, cfg.CacheSize),
		used:  map[string]time.Time{},
	}, nil
}

func orDefault[T any](f, d func() T) func() T {
	if f == nil {
		return d
	}
	return f
}

// Bootstrap creates the first team, its admin and the admin's key. It returns the key when it did,
// for the one time it can be shown, and "" when any user exists already. A given key of less than 16
// characters is refused; an empty one is generated.
func (s *Service) Bootstrap(ctx context.Context, key string) (string, error) {
	if key == "" {
		key = NewKey()
	}
	if !wellFormed(key) || len(key) < 16 || strings.HasPrefix(key, RunTokenPrefix) {
		return "", api.Invalid("bootstrap key", "must be 16 to %d printable ASCII characters without spaces", maxCredential)
	}
	now := s.cfg.Now().UTC().Truncate(time.Microsecond)
	team := Team{UID: s.cfg.NewID(), Name: "Default", CreatedAt: now}
	user := User{UID: s.cfg.NewID(), Name: "Admin", Email: "admin@localhost", CreatedAt: now}
	hash := hashKey(key)
	created, err := s.cfg.Store.Bootstrap(ctx, team, user, Key{
		UID: s.cfg.NewID(), Name: "bootstrap", Hash: hash[:], Suffix: key[len(key)-4:],
		UserUID: user.UID, TeamUID: team.UID, Role: RoleAdmin, CreatedAt: now,
	})
	if err != nil {
		return "", fmt.Errorf("create first user: %w", err)
	}
	if !created {
		return "", nil
	}
	return key, nil
}

// NewKey generates an API key.
func NewKey() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // documented never to fail
	return KeyPrefix + hex.EncodeToString(b)
}

// NewKey stores a new API key for a user of a team and returns it, for the one time it can be shown.
func (s *Service) NewKey(ctx context.Context, user User, team Team, role Role, name string, expires time.Time) (string, Key, error) {
	secret := NewKey()
	hash := hashKey(secret)
	k := Key{
		UID: s.cfg.NewID(), Name: name, Hash: hash[:], Suffix: secret[len(secret)-4:],
		UserUID: user.UID, TeamUID: team.UID, Role: role,
		CreatedAt: s.cfg.Now().UTC().Truncate(time.Microsecond), ExpiresAt: expires,
	}
	if err := s.cfg.Store.PutKey(ctx, k); err != nil {
		return "", Key{}, fmt.Errorf("store key: %w", err)
	}
	return secret, k, nil
}

// Authenticate returns the caller behind a bearer credential: an API key or a run token. Every
// refusal is authentication_required; any other error is the store's. Run tokens are verified
// without the store: whether their execution still lives is for the caller to check.
func (s *Service) Authenticate(ctx context.Context, credential string) (Actor, error) {
	if credential == "" {
		return Actor{}, refused("a bearer credential is required")
	}
	if !wellFormed(credential) {
		return Actor{}, refused("the credential is malformed")
	}
	if strings.HasPrefix(credential, RunTokenPrefix) {
		if a, ok := s.signer.open(credential, s.cfg.Now()); ok {
			return a, nil
		}
		return Actor{}, refused("the run token is invalid or has expired")
	}
	return s.byKey(ctx, hashKey(credential))
}

func (s *Service) byKey(ctx context.Context, h keyHash) (Actor, error) {
	now := s.cfg.Now()
	e, ok := s.cache.get(h, now)
	if !ok {
		key, user, team, err := s.cfg.Store.KeyByHash(ctx, h[:])
		var failure *api.Failure
		if errors.As(err, &failure) && failure.Code == api.PlatformErrorCodeResourceNotFound {
			return Actor{}, refused("the key is unknown")
		}
		if err != nil {
			return Actor{}, fmt.Errorf("look up key: %w", err)
		}
		if !key.RevokedAt.IsZero() {
			return Actor{}, refused("the key was revoked")
		}
		e = cached{readAt: now, expires: key.ExpiresAt, actor: Actor{
			Kind: KindUser, UID: user.UID, Name: user.Name, Email: user.Email,
			TeamUID: team.UID, TeamName: team.Name, Role: key.Role, KeyUID: key.UID,
		}}
		s.cache.put(h, e)
		s.note(key.UID, now)
	}
	if !e.expires.IsZero() && !now.Before(e.expires) {
		return Actor{}, refused("the key has expired")
	}
	return e.actor, nil
}

// MintRun makes the token of an execution. A zero Expires takes RunTokenLife.
func (s *Service) MintRun(g Grant) (string, error) {
	if g.Expires.IsZero() {
		g.Expires = s.cfg.Now().Add(RunTokenLife)
	}
	return s.signer.mint(g)
}

// Sign returns the signature of a link to path that works until expires (whole seconds).
func (s *Service) Sign(path string, expires time.Time) string {
	return s.signer.signLink(path, expires)
}

// Verify checks a link's signature and age. Every refusal is not_authorized.
func (s *Service) Verify(path string, expires time.Time, signature string) error {
	if len(signature) > maxCredential || !s.signer.verifyLink(path, expires, signature) {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "the link is not valid")
	}
	if !s.cfg.Now().Before(expires) {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "the link has expired")
	}
	return nil
}

// Run stores the times keys were last used until ctx ends, and once more then.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.TouchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			s.flush(last)
			return nil
		}
	}
}

// note remembers a use. It is called once per key and cache lifetime, so the map holds at most the
// keys in use between two flushes.
func (s *Service) note(keyUID string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[keyUID] = at.UTC().Truncate(time.Microsecond)
}

func (s *Service) flush(ctx context.Context) {
	s.mu.Lock()
	used := s.used
	s.used = map[string]time.Time{}
	s.mu.Unlock()
	if len(used) == 0 {
		return
	}
	// A lost batch costs a stale "last used" only, so it is logged and not retried.
	if err := s.cfg.Store.Touch(ctx, used); err != nil {
		s.cfg.Log.Warn("note key use", "err", err)
	}
}

func hashKey(key string) keyHash { return sha256.Sum256([]byte(key)) }

// wellFormed accepts visible ASCII within the bounds of a credential.
func wellFormed(s string) bool {
	if len(s) < minCredential || len(s) > maxCredential {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func refused(detail string) error {
	return api.Fail(api.PlatformErrorCodeAuthenticationRequired, "%s", detail)
}
