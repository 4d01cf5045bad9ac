package issuer_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity/issuer"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

const url = "https://cadre.example"

var bearer = issuer.Bearer{
	RunID: "01890000-0000-7000-8000-000000000000", TeamUID: "team",
	Principal:     api.UserProfile{Type: api.UserProfileTypeUser, Uid: "ann", Email: "ann@example.com"},
	EnvironmentID: "env", AgentName: "night watch", Skill: "acme/shop:review", Host: "local",
}

// sealer seals for the installation with a real keyring.
type sealer struct{ *secret.Keyring }

func (s sealer) Seal(ctx context.Context, name string, plain []byte) ([]byte, error) {
	return s.Keyring.Seal(ctx, secret.Installation, name, plain)
}

func (s sealer) Open(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	return s.Keyring.Open(ctx, secret.Installation, name, sealed)
}

// clock is set by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// world is a database with servers on it.
type world struct {
	t     *testing.T
	db    *store.DB
	ring  *secret.Keyring
	clock *clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := storetest.Open(t, store.Options{DSN: filepath.Join(t.TempDir(), "cadre.db")})
	keys := store.NewKeyring(db)
	ring, err := secret.NewKeyring(t.Context(), secret.KeyringConfig{Store: keys, Rotation: keys, Keys: secret.NewMasterKey(), Instance: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, db: db, ring: ring, clock: &clock{now: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)}}
}

func (w *world) server() *issuer.Service {
	return issuer.New(issuer.Config{Store: store.NewIssuer(w.db), Sealer: sealer{w.ring}, URL: url, Now: w.clock.Now, Log: slog.New(slog.DiscardHandler)})
}

func (w *world) issue(s *issuer.Service, req api.IdentityTokenRequest) string {
	w.t.Helper()
	token, err := s.Issue(w.t.Context(), bearer, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return token.Raw
}

func (w *world) keys(s *issuer.Service) jose.JSONWebKeySet {
	w.t.Helper()
	d, err := s.Keys(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(d.JSON, &set); err != nil {
		w.t.Fatal(err)
	}
	return set
}

// verify checks a token with a set of keys, as a relying party does.
func (w *world) verify(raw string, set jose.JSONWebKeySet, at time.Time) map[string]any {
	w.t.Helper()
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		w.t.Fatal(err)
	}
	var std jwt.Claims
	all := map[string]any{}
	if err := token.Claims(set, &std, &all); err != nil {
		w.t.Fatalf("at %s: %v, key %s of %d", at, err, token.Headers[0].KeyID, len(set.Keys))
	}
	if err := std.ValidateWithLeeway(jwt.Expected{Issuer: url, AnyAudience: jwt.Audience{"aud"}, Time: at}, 0); err != nil {
		w.t.Fatalf("at %s: %v", at, err)
	}
	return all
}

func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.server()
	life := 300
	raw := w.issue(s, api.IdentityTokenRequest{Audience: "aud", RequestedDurationSeconds: &life})
	got := w.verify(raw, w.keys(s), w.clock.Now())
	for name, want := range map[string]any{
		"iss": url, "sub": "user:ann", "email": "ann@example.com", "run_id": bearer.RunID, "environment": "env",
		"agent_name": "night watch", "skill_spec": "acme/shop:review", "host": "local",
		"iat": float64(w.clock.Now().Unix()), "nbf": float64(w.clock.Now().Unix()), "exp": float64(w.clock.Now().Unix() + 300),
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"aud", "teams"} {
		if list, ok := got[name].([]any); !ok || len(list) != 1 {
			t.Errorf("%s is %v, want a list of one", name, got[name])
		}
	}
	if again := w.verify(w.issue(s, api.IdentityTokenRequest{Audience: "aud"}), w.keys(s), w.clock.Now()); again["jti"] == got["jti"] || again["exp"] != float64(w.clock.Now().Unix()+3600) {
		t.Errorf("another token %v", again)
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.server()
	agent := bearer
	agent.Principal = api.UserProfile{Type: api.UserProfileTypeServiceAccount, Uid: "bot", Email: "bot@example.com"}
	alone := bearer
	alone.TeamUID = ""
	forged := bearer
	forged.AgentName = "x:environment:prod*%"
	long := bearer
	long.AgentName = strings.Repeat("é", 50)
	for _, c := range []struct {
		name     string
		of       issuer.Bearer
		template string
		want     string // or what the refusal says
	}{
		{"a person", bearer, "principal", "user:ann"},
		{"an agent", agent, "principal", "service_account:bot"},
		{"in a team", bearer, "scoped_principal", "scoped_principal:team/user:ann"},
		{"in none", alone, "scoped_principal", "scoped_principal:user:ann"},
		{"everything", bearer, "teams environment host run_id email", "teams:team:environment:env:host:local:run_id:" + bearer.RunID + ":email:ann@example.com"},
		{"words of their own", bearer, "agent_name skill_spec", "agent_name:night%20watch:skill_spec:acme/shop%3Areview"},
		{"a forged one", forged, "agent_name environment", "agent_name:x%3Aenvironment%3Aprod%2A%25:environment:env"},
		{"an agent's address", agent, "email", "!subject_template[0]: the run has no email"},
		{"no team", alone, "principal teams", "!subject_template[1]: the run has no teams"},
		{"twice", bearer, "host host", "!subject_template[1]: host is there already"},
		{"too long", long, "agent_name", "!subject_template: makes a subject of 311"},
	} {
		req := api.IdentityTokenRequest{Audience: "aud"}
		for _, word := range strings.Fields(c.template) {
			req.SubjectTemplate = append(req.SubjectTemplate, api.SubjectComponent(word))
		}
		token, err := s.Issue(t.Context(), c.of, req)
		if refusal, refused := strings.CutPrefix(c.want, "!"); refused {
			if api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest || !strings.HasPrefix(err.Error(), refusal) {
				t.Errorf("%s: %v, want %s", c.name, err, refusal)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := w.verify(token.Raw, w.keys(s), w.clock.Now())["sub"]; got != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.server()
	seconds := func(n int) *int { return &n }
	for name, req := range map[string]api.IdentityTokenRequest{
		"audience: is required":                                            {},
		"audience: must be at most 1024 bytes":                             {Audience: strings.Repeat("a", 1025)},
		"audience: must be printable":                                      {Audience: "a b"},
		"audience: must be printable ASCII":                                {Audience: "aud\nX: y"},
		"requested_duration_seconds: must be from 300 to 10800, not 299":   {Audience: "a", RequestedDurationSeconds: seconds(299)},
		"requested_duration_seconds: must be from 300 to 10800, not 10801": {Audience: "a", RequestedDurationSeconds: seconds(10801)},
	} {
		if _, err := s.Issue(t.Context(), bearer, req); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

// TestRotation lets 40 days pass in quarters of an hour, with two servers that issue, one of them for the
// longest time there is, and a relying party that keeps the keys for as long as it may. Every token must
// hold with the keys it knew then, and until it expires with those of that time.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.server(), w.server()
	longest := int(issuer.MaxLife.Seconds())
	known := w.keys(one)
	signers, most := map[string]bool{}, 0
	type issued struct {
		raw  string
		last time.Time
	}
	var alive []issued
	for step := range 40 * 24 * 4 {
		at := w.clock.Now()
		raw := w.issue(two, api.IdentityTokenRequest{Audience: "aud"})
		if step%3 == 0 {
			raw = w.issue(one, api.IdentityTokenRequest{Audience: "aud", RequestedDurationSeconds: &longest})
			alive = append(alive, issued{raw, at.Add(issuer.MaxLife - time.Second)})
		}
		w.verify(raw, known, at)
		for len(alive) > 0 && !alive[0].last.After(at) {
			w.verify(alive[0].raw, known, alive[0].last)
			alive = alive[1:]
		}
		token, _ := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
		signers[token.Headers[0].KeyID] = true
		w.clock.pass(15 * time.Minute)
		known = w.keys([]*issuer.Service{one, two}[step%2])
		most = max(most, len(known.Keys))
	}
	if len(signers) != 2 || most != 2 {
		t.Errorf("%d keys signed, at most %d were published at once; want 2 and 2", len(signers), most)
	}
}

// TestServersAgree: of many servers that find a key missing one makes it, and all sign with it.
func TestServersAgree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, pass := range []time.Duration{0, 29 * 24 * time.Hour, 24 * time.Hour} {
		w.clock.pass(pass)
		tokens := make(chan string, 12)
		var all sync.WaitGroup
		for range cap(tokens) {
			all.Go(func() {
				token, err := w.server().Issue(t.Context(), bearer, api.IdentityTokenRequest{Audience: "aud"})
				if err != nil {
					t.Error(err)
				}
				tokens <- token.Raw
			})
		}
		all.Wait()
		close(tokens)
		ids := map[string]bool{}
		for raw := range tokens {
			w.verify(raw, w.keys(w.server()), w.clock.Now())
			token, _ := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256})
			ids[token.Headers[0].KeyID] = true
		}
		if len(ids) != 1 {
			t.Errorf("after %s more %d keys sign at once", pass, len(ids))
		}
	}
	stored, err := store.NewIssuer(w.db).Keys(t.Context())
	if err != nil || len(stored) != 2 {
		t.Errorf("%d keys: %v", len(stored), err)
	}
}

// TestClockBehind: a server whose clock is before the first key's time signs with it all the same.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.server()
	w.issue(s, api.IdentityTokenRequest{Audience: "aud"})
	w.clock.pass(-time.Hour)
	w.verify(w.issue(s, api.IdentityTokenRequest{Audience: "aud"}), w.keys(s), w.clock.Now())
}

// TestKeysAreSealed: what is stored is nothing without the keyring, and no other key's.
func TestKeysAreSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := store.NewIssuer(w.db)
	w.issue(w.server(), api.IdentityTokenRequest{Audience: "aud"})
	keys, err := s.Keys(t.Context())
	if err != nil || len(keys) != 1 {
		t.Fatalf("%d keys: %v", len(keys), err)
	}
	if strings.Contains(string(keys[0].Public), `"d"`) {
		t.Errorf("the public half is %s", keys[0].Public)
	}
	moved := keys[0]
	moved.Generation, moved.ID = 2, "another"
	if err := s.AddKey(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	if _, err := w.server().Issue(t.Context(), bearer, api.IdentityTokenRequest{Audience: "aud"}); err == nil || strings.Contains(err.Error(), "another") {
		t.Errorf("a key under another's name opened: %v", err)
	}
}
