package identity_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// counted is a real store that counts what it is asked.
type counted struct {
	store.Identity
	lookups int
	touched map[string]time.Time
	user    identity.User
	team    identity.Team
	keys    []identity.Key
}

func (m *counted) Bootstrap(ctx context.Context, t identity.Team, u identity.User, k identity.Key) (bool, error) {
	did, err := m.Identity.Bootstrap(ctx, t, u, k)
	if did {
		m.team, m.user, m.keys = t, u, append(m.keys, k)
	}
	return did, err
}

func (m *counted) KeyByHash(ctx context.Context, hash []byte) (identity.Key, error) {
	m.lookups++
	return m.Identity.KeyByHash(ctx, hash)
}

func (m *counted) Touch(ctx context.Context, used map[string]time.Time) error {
	m.touched = used
	return m.Identity.Touch(ctx, used)
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newService(t *testing.T) (*identity.Service, *counted, *clock, string) {
	t.Helper()
	m, c := &counted{Identity: store.NewIdentity(storetest.Open(t, store.Options{}))}, &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)}
	s, err := identity.New(t.Context(), identity.Config{Store: m, Log: slog.New(slog.DiscardHandler), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.Bootstrap(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return s, m, c, key
}

func TestBootstrapGivesTheKeyOnce(t *testing.T) {
	s, m, _, key := newService(t)
	if !strings.HasPrefix(key, "wk-1.") || len(key) != len("wk-1.")+64 {
		t.Fatalf("key has shape %q", key)
	}
	for _, k := range m.keys {
		if bytes.Contains(k.Hash, []byte(key)) || len(k.Hash) != 32 {
			t.Fatal("the key must be stored as its hash only")
		}
	}
	again, err := s.Bootstrap(t.Context(), "another-key-of-some-length")
	if again != "" || err != nil {
		t.Fatalf("second bootstrap: %q, %v", again, err)
	}
	a, err := s.Authenticate(t.Context(), key)
	if err != nil || a.Role != identity.RoleAdmin || a.Kind != identity.KindUser || a.TeamUID != m.team.UID || a.TeamName == "" {
		t.Fatalf("actor %+v, %v", a, err)
	}
}

func TestBootstrapRefusesWeakKeys(t *testing.T) {
	s, _, _, _ := newService(t)
	for _, key := range []string{"short", "with spaces in the middle", "tab\tin-the-middle-of-it", identity.RunTokenPrefix + "looks-like-a-run-token", strings.Repeat("x", 2000)} {
		if _, err := s.Bootstrap(t.Context(), key); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("%.30q: %v", key, err)
		}
	}
}

func TestAuthenticateRefusesWithoutLookup(t *testing.T) {
	s, m, _, _ := newService(t)
	before := m.lookups
	for _, c := range []string{"", "x", "has space in it", "nul\x00byte-in-it", "ünïcödé-key", strings.Repeat("k", 4096), identity.RunTokenPrefix, identity.RunTokenPrefix + "a.b", identity.RunTokenPrefix + "…"} {
		if _, err := s.Authenticate(t.Context(), c); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
			t.Errorf("%.20q: %v", c, err)
		}
	}
	if m.lookups != before {
		t.Fatalf("%d lookups for malformed credentials", m.lookups-before)
	}
}

func TestKeyCacheHonoursRevocationAndExpiry(t *testing.T) {
	s, m, c, key := newService(t)
	authenticate := func() error { _, err := s.Authenticate(t.Context(), key); return err }
	for range 5 {
		if err := authenticate(); err != nil {
			t.Fatal(err)
		}
	}
	if m.lookups != 1 {
		t.Fatalf("%d lookups for one key in one instant", m.lookups)
	}
	// By another server, whose hint does not arrive.
	revoked := m.keys[0]
	revoked.RevokedAt = c.now
	if err := m.PutKey(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(3 * time.Second)
	if api.CodeOf(authenticate()) != api.PlatformErrorCodeAuthenticationRequired {
		t.Fatal("a revoked key works after the cache's life")
	}

	short, _, err := s.NewKey(t.Context(), m.user, m.team, identity.RoleViewer, "short", c.now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(t.Context(), short); err != nil {
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Second)
	if _, err := s.Authenticate(t.Context(), short); api.CodeOf(err) != api.PlatformErrorCodeAuthenticationRequired {
		t.Fatal("an expired key works out of the cache")
	}
}

func TestRunTokenCannotBeForged(t *testing.T) {
	s, m, c, _ := newService(t)
	g := identity.Grant{RunID: "run-1", ExecutionID: "ex-1", Execution: 3, Principal: api.UserProfile{Uid: "u-1", DisplayName: "Ada"}, TeamUID: "t-1"}
	token, err := s.MintRun(g)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Authenticate(t.Context(), token)
	if err != nil || a.Kind != identity.KindRun || a.RunID != "run-1" || a.ExecutionID != "ex-1" || a.Execution != 3 || a.UID != "u-1" || a.TeamUID != "t-1" || a.Role != "" {
		t.Fatalf("actor %+v, %v", a, err)
	}
	if m.lookups != 0 {
		t.Fatal("run tokens must not cost a lookup")
	}
	// Any changed byte, another payload under the same signature, and another server's secret fail.
	for i := range token {
		b := []byte(token)
		b[i] ^= 1
		if got, err := s.Authenticate(t.Context(), string(b)); err == nil && got.RunID != "" {
			t.Fatalf("accepted with byte %d changed", i)
		}
	}
	parts := strings.Split(token, ".")
	evil := base64.RawURLEncoding.EncodeToString([]byte(`{"r":"run-2","e":"ex-1","n":3,"p":"u-1","t":"t-1","x":99999999999}`))
	if _, err := s.Authenticate(t.Context(), parts[0]+"."+evil+"."+parts[2]); err == nil {
		t.Fatal("accepted a swapped payload")
	}
	other, _, _, _ := newService(t)
	if _, err := other.Authenticate(t.Context(), token); err == nil {
		t.Fatal("accepted another server's token")
	}
	c.now = c.now.Add(identity.RunTokenLife)
	if _, err := s.Authenticate(t.Context(), token); err == nil {
		t.Fatal("accepted after its expiry")
	}
}

func TestLinks(t *testing.T) {
	s, _, c, _ := newService(t)
	until := c.now.Add(time.Minute)
	sig := s.Sign("/api/v1/blobs/a", until)
	if err := s.Verify("/api/v1/blobs/a", until, sig); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"other path":   s.Verify("/api/v1/blobs/b", until, sig),
		"later expiry": s.Verify("/api/v1/blobs/a", until.Add(time.Second), sig),
		"no signature": s.Verify("/api/v1/blobs/a", until, ""),
		"garbage":      s.Verify("/api/v1/blobs/a", until, "%%%"),
	} {
		if api.CodeOf(err) != api.PlatformErrorCodeNotAuthorized {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.now = until
	if err := s.Verify("/api/v1/blobs/a", until, sig); api.CodeOf(err) != api.PlatformErrorCodeNotAuthorized {
		t.Errorf("expired link: %v", err)
	}
}

func TestLastUseIsStoredWhenStopping(t *testing.T) {
	s, m, _, key := newService(t)
	a, err := s.Authenticate(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if m.touched[a.KeyUID].IsZero() {
		t.Fatalf("touched %v, want %s", m.touched, a.KeyUID)
	}
}

// TestEveryCellOfThePermissionTable states the table a second time, on purpose: a change of rights
// has to be made twice.
func TestEveryCellOfThePermissionTable(t *testing.T) {
	want := map[string]string{
		"admin":      "self account read create report steer message manage employ administer worker",
		"member":     "self account read create report steer message manage employ",
		"viewer":     "self account read",
		"operator":   "self account read administer operate",
		"nobody":     "self account",
		"run":        "self read create report message runner gateway",
		"team":       "self read create report steer message manage administer worker",
		"agent":      "self read create report steer message manage",
		"runs key":   "self read create report steer message",
		"read key":   "self read",
		"worker key": "self worker",
	}
	actors := map[string]identity.Actor{
		"run":        {Kind: identity.KindRun, Role: identity.RoleAdmin}, // a role must not widen a run token
		"nobody":     {Kind: identity.KindUser},
		"operator":   {Kind: identity.KindUser, Role: identity.RoleViewer, Operator: true},
		"team":       {Kind: identity.KindTeam, Role: identity.RoleAdmin, Operator: true}, // operating comes with a person
		"agent":      {Kind: identity.KindAgent, Role: identity.RoleMember},
		"runs key":   {Kind: identity.KindUser, Role: identity.RoleAdmin, Operator: true, Scopes: identity.Scopes{identity.ScopeRuns}},
		"read key":   {Kind: identity.KindUser, Role: identity.RoleAdmin, Scopes: identity.Scopes{identity.ScopeRead}},
		"worker key": {Kind: identity.KindTeam, Role: identity.RoleAdmin, Scopes: identity.Scopes{identity.ScopeWorker}},
	}
	for _, r := range identity.AllRoles {
		actors[string(r)] = identity.Actor{Kind: identity.KindUser, Role: r}
	}
	for name, a := range actors {
		for _, p := range identity.AllPermissions {
			allowed := strings.Contains(" "+want[name]+" ", " "+string(p)+" ")
			if a.May(p) != allowed || (a.Check(p) == nil) != allowed {
				t.Errorf("%s %s: got %v, want %v", name, p, a.May(p), allowed)
			}
		}
	}
}

func TestSees(t *testing.T) {
	a := identity.Actor{UID: "u", TeamUID: "t"}
	for o, want := range map[identity.Owner]bool{
		{Type: api.ScopeTypeTeam, UID: "t"}:  true,
		{Type: api.ScopeTypeTeam, UID: "u"}:  false,
		{Type: api.ScopeTypeUser, UID: "u"}:  true,
		{Type: api.ScopeTypeUser, UID: "t"}:  false,
		{Type: api.ScopeTypeUser, UID: ""}:   false,
		{Type: api.ScopeTypeTeam, UID: "t2"}: false,
	} {
		if a.Sees(o) != want {
			t.Errorf("%+v: want %v", o, want)
		}
	}
}
