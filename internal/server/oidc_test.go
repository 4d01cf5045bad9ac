package server_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/server/signin"
)

// providerDir is the project of the real provider (npm's oidc-provider).
const providerDir = "../../test/oidc"

// needProvider skips where the provider cannot run, but not in CI.
func needProvider(t *testing.T) {
	t.Helper()
	reason := ""
	if _, err := exec.LookPath("node"); err != nil {
		reason = "node is not installed"
	} else if _, err := os.Stat(filepath.Join(providerDir, "node_modules", "oidc-provider")); err != nil {
		reason = "run npm ci in test/oidc"
	}
	if reason == "" {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("sign-in with a real provider cannot be tested: %s", reason)
	}
	t.Skipf("sign-in with a real provider is not tested: %s", reason)
}

// freePort is one that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startProvider runs the provider until the test ends.
func startProvider(t *testing.T, port, redirect string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", "provider.mjs", port, "cadre", "a secret of the client", redirect)
	cmd.Dir = providerDir
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return
		}
	}
	t.Fatalf("the provider did not start: %s", &errs)
}

// corporate is a server whose people come by a real provider.
func corporate(t *testing.T) *world {
	t.Helper()
	needProvider(t)
	port, own := freePort(t), freePort(t)
	return newWorld(t, func(c *server.Config) {
		c.Listen = "127.0.0.1:" + own
		c.Providers = []signin.Provider{{
			Name: "corp", Label: "Corp", Issuer: "http://127.0.0.1:" + port, ClientID: "cadre", ClientSecret: "a secret of the client",
			GroupsClaim: "groups",
			Policy: identity.Policy{
				Domains: []string{"example.com", "partner.example"}, Team: "Default", Role: identity.RoleViewer,
				Groups: []identity.GroupRule{{Group: "ops", Team: "Ops", Role: identity.RoleAdmin}, {Group: "dev", Team: "Ops", Role: identity.RoleMember}},
			},
		}}
		startProvider(t, port, "http://127.0.0.1:"+own+"/sign-in/with/corp/callback")
	})
}

var interaction = regexp.MustCompile(`action="([^"]*/interaction/[^"]+)"`)

// vouched goes through the provider as an account: see test/oidc/provider.mjs.
func (b *browser) vouched(account string) page {
	b.t.Helper()
	p := b.open("/sign-in/with/corp?next=/device")
	for range 3 {
		m := interaction.FindStringSubmatch(p.body)
		if m == nil {
			return p
		}
		form := url.Values{"prompt": {"login"}, "login": {account}, "password": {"x"}}
		if !strings.Contains(p.body, `name="login"`) {
			form = url.Values{"prompt": {"consent"}}
		}
		p = b.do("POST", m[1], form, nil)
	}
	return p
}

func TestSignInWithARealProvider(t *testing.T) {
	t.Parallel()
	w := corporate(t)
	uid := decode[api.Team](w.post("/teams", api.RenameRequest{Name: "Ops"}).want(201)).Uid
	b := w.browser()
	b.open("/sign-in").shows(t, 200, "Continue with Corp")

	// Somebody new with an address of the company becomes a viewer of the default team.
	n := w.browser()
	n.vouched("new@example.com verified")
	n.open("/api/v1/whoami").shows(t, 200, `"role":"viewer"`)

	// Groups give a place in a team, and take it.
	if p := b.vouched("ada@example.com verified ops dev"); p.at != "/device" {
		t.Fatalf("ends at %s: %d %s", p.at, p.status, p.body)
	}
	b.do("GET", "/api/v1/whoami", nil, http.Header{"X-Cadre-Team": {uid}}).shows(t, 200, `"role":"admin"`)
	w.browser().vouched("ada@example.com verified dev")
	b.do("GET", "/api/v1/whoami", nil, http.Header{"X-Cadre-Team": {uid}}).shows(t, 200, `"role":"member"`)
	w.browser().vouched("ada@example.com verified")
	if who := b.whoami(); who != "" {
		t.Errorf("%s is signed in for a team they are no longer in", who)
	}

	// An address finds its account; a provider that does not vouch for it finds nobody.
	w.person("Grace", identity.RoleMember)
	g := w.browser()
	g.vouched("grace@example.com verified")
	g.open("/api/v1/whoami").shows(t, 200, `"display_name":"Grace"`)
	w.browser().vouched("grace@example.com unverified").shows(t, 401, "verified e-mail address")
	w.browser().vouched("eve@evil.example verified").shows(t, 401, "evil.example may not sign in")

	// Who was shut out stays out.
	me := w.me()
	grace, err := w.srv.Identity().Users(t.Context(), me)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range grace {
		if u.Name == "Grace" {
			w.post("/users/"+u.UID+"/disable", nil).want(200)
		}
	}
	if who := g.whoami(); who != "" {
		t.Errorf("%s is signed in although disabled", who)
	}
	w.browser().vouched("grace@example.com verified").shows(t, 401, "disabled")
}

// TestOnlyWhoAskedIsAnswered: what comes back from a provider is worth something only in the browser
// that was sent there.
func TestOnlyWhoAskedIsAnswered(t *testing.T) {
	t.Parallel()
	w := corporate(t)
	mallory, victim := w.browser(), w.browser()
	var answer string
	mallory.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.Contains(r.URL.Path, "/callback") {
			answer = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	w.post("/teams", api.RenameRequest{Name: "Ops"}).want(201)
	mallory.vouched("mallory@example.com verified")
	if answer == "" {
		t.Fatal("the provider sent no answer")
	}
	victim.open(answer).shows(t, 401, "not begun in this browser")
	victim.open("/sign-in") // and with a trip of their own
	if rsp := victim.open("/sign-in/with/corp"); rsp.status != 200 {
		t.Fatalf("%d", rsp.status)
	}
	victim.open(answer).shows(t, 401, "not begun in this browser")
	if who := victim.whoami(); who != "" {
		t.Fatalf("signed in as %s", who)
	}
	mallory.http.CheckRedirect = nil
	mallory.open(answer)
	if who := mallory.whoami(); who != "mallory" {
		t.Fatalf("signed in as %q", who)
	}
	mallory.open(answer).shows(t, 401, "not begun in this browser") // and once
}

func TestProviderOutOfReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) {
		c.Providers = []signin.Provider{{Name: "corp", Label: "Corp", Issuer: "http://127.0.0.1:1", ClientID: "x"}}
	})
	w.browser().open("/sign-in/with/corp").shows(t, http.StatusBadGateway, "Corp cannot be reached now")
	w.browser().open("/sign-in/with/none").shows(t, http.StatusNotFound, "no such provider")
}
