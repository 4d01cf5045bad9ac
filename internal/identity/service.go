package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// minCredential and maxCredential bound a credential in bytes; others are refused unread.
	minCredential = 8
	maxCredential = 1024
	// secretName names the server secret that tokens and links are signed with.
	secretName = "signing"
	// pruneEvery is how often what has expired is deleted, attemptsKept how long a count is kept that
	// nobody adds to.
	pruneEvery   = time.Hour
	attemptsKept = 48 * time.Hour
)

// Config sets up a Service. Store and Log are required.
type Config struct {
	Store Store
	Log   *slog.Logger
	// Agents names an agent of a team, or is resource_not_found. Without it there are none.
	Agents func(ctx context.Context, teamUID, agentUID string) (name string, err error)
	// Changed tells the other servers that somebody's rights changed: they call Forget. It never blocks.
	Changed func()
	// Now and NewID default to the clock and random UUID-like ids.
	Now   func() time.Time
	NewID func() string
	// CacheTTL is how long a credential is trusted without being read again, hence how long a revoked
	// one may still work where Changed did not arrive. Default 3 s.
	CacheTTL time.Duration
	// CacheSize bounds the credentials remembered. Default 10,000.
	CacheSize int
	// TouchEvery is how often the times credentials were last used are stored. Default 30 s.
	TouchEvery time.Duration
	// SignInIdle ends a sign-in that was not used for so long, SignInLife any. Defaults 7 and 30 days.
	SignInIdle, SignInLife time.Duration
	// DeviceKeyLife is how long a key works that was approved in a browser. Default 90 days; negative is
	// without end.
	DeviceKeyLife time.Duration
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = rand.Text
	}
	if c.CacheSize <= 0 {
		c.CacheSize = 10_000
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&c.CacheTTL, 3 * time.Second}, {&c.TouchEvery, 30 * time.Second},
		{&c.SignInIdle, 7 * 24 * time.Hour}, {&c.SignInLife, 30 * 24 * time.Hour},
	} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	if c.DeviceKeyLife == 0 {
		c.DeviceKeyLife = 90 * 24 * time.Hour
	}
	return c
}

// Service authenticates callers, mints what they authenticate with, and keeps who is in which team. It
// is safe for concurrent use. Run must be running for last-used times to be kept.
type Service struct {
	cfg    Config
	signer signer
	cache  *cache
	hasher *hasher

	mu   sync.Mutex
	used map[string]time.Time // uid of key or sign-in to last use, not stored yet
}

// New loads the server's secret, creating it on the first start.
func New(ctx context.Context, cfg Config) (*Service, error) {
	cfg = cfg.withDefaults()
	candidate := make([]byte, 32)
	_, _ = rand.Read(candidate) // documented never to fail
	secret, err := cfg.Store.Secret(ctx, secretName, candidate)
	if err != nil {
		return nil, fmt.Errorf("load server secret: %w", err)
	}
	s, err := newSigner(secret)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, signer: s, hasher: newHasher(),
		cache: newCache(cfg.CacheTTL, cfg.CacheSize),
		used:  map[string]time.Time{},
	}, nil
}

// now is the clock in the precision that is stored.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Bootstrap creates the first team, its admin and the admin's key. It returns the key when it did,
// for the one time it can be shown, and "" when any user exists already. A given key of less than 16
// characters is refused; an empty one is generated.
func (s *Service) Bootstrap(ctx context.Context, key string) (string, error) {
	if key == "" {
		key = NewKey()
	}
	if !wellFormed(key) || len(key) < 16 || isRunToken(key) {
		return "", api.Invalid("bootstrap key", "must be 16 to %d printable ASCII characters without spaces", maxCredential)
	}
	now := s.now()
	team := Team{UID: s.cfg.NewID(), Name: "Default", CreatedAt: now}
	user := User{UID: s.cfg.NewID(), Name: "Admin", Email: "admin@localhost", CreatedAt: now, Operator: true}
	created, err := s.cfg.Store.Bootstrap(ctx, team, user, s.sealKey(Key{
		Name: "bootstrap", OwnerType: OwnerUser, OwnerUID: user.UID, TeamUID: team.UID, Role: RoleAdmin,
		Scopes: Scopes{ScopeFull}, CreatorUID: user.UID,
	}, key))
	if err != nil {
		return "", fmt.Errorf("create first user: %w", err)
	}
	if !created {
		return "", nil
	}
	return key, nil
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

// Run stores the times credentials were last used until ctx ends, and once more then; and deletes what
// has expired now and then.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.TouchEvery)
	defer tick.Stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(ctx)
		case <-prune.C:
			s.prune(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			s.flush(last)
			return nil
		}
	}
}

// prune deletes what has expired. What it misses goes the next time.
func (s *Service) prune(ctx context.Context) {
	now := s.now()
	if err := s.cfg.Store.Prune(ctx, now, now.Add(-attemptsKept)); err != nil {
		s.cfg.Log.Warn("delete what has expired", "err", err)
	}
}

// note remembers a use. It is called once per credential and cache lifetime, so the map holds at most
// those in use between two flushes.
func (s *Service) note(uid string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[uid] = at.UTC().Truncate(time.Microsecond)
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
		s.cfg.Log.Warn("note use of credentials", "err", err)
	}
}

func isRunToken(credential string) bool { return strings.HasPrefix(credential, RunTokenPrefix) }

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
