package server_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
)

func TestFirstStartMakesAnAdminOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if !strings.HasPrefix(w.key, "wk-1.") {
		t.Fatalf("bootstrap key %q", w.key)
	}
	me := decode[api.WhoamiResponse](w.get("/whoami").want(200))
	if me.Type != api.WhoamiResponseTypeUser || me.Role != "admin" || len(me.TeamUids) != 1 {
		t.Errorf("whoami: %+v", me)
	}
	run := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "stay"}).want(200))
	w.restart()
	if key := w.srv.BootstrapKey(); key != "" {
		t.Error("the second start made another key")
	}
	if got := w.run(run.RunId); got.Prompt != "stay" {
		t.Errorf("after a restart: %+v", got)
	}
}

func TestGivenBootstrapKeyIsUsed(t *testing.T) {
	t.Parallel()
	const key = "a-key-of-my-own-choice"
	w := newWorld(t, func(c *server.Config) { c.BootstrapKey = key })
	if w.srv.BootstrapKey() != key {
		t.Errorf("bootstrap key %q", w.srv.BootstrapKey())
	}
	w.as(key).get("/whoami").want(200)
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do(request{method: "GET", path: "/healthz"}).want(200)
	w.do(request{method: "GET", path: "/readyz"}).want(200)
	// A blob directory that is gone: no run with an attachment could be accepted.
	blobs := filepath.Join(w.cfg.DataDir, "blobs")
	if err := os.Rename(blobs, blobs+".away"); err != nil {
		t.Fatal(err)
	}
	a := w.do(request{method: "GET", path: "/readyz"}).want(503)
	if got := decode[map[string]any](a)["missing"]; len(got.([]any)) != 1 || got.([]any)[0] != "blobs" {
		t.Errorf("missing: %v", got)
	}
	if err := os.Rename(blobs+".away", blobs); err != nil {
		t.Fatal(err)
	}
	w.do(request{method: "GET", path: "/readyz"}).want(200)
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/api/v1/_stainless_unknown_path", "/api/v1", "/nothing", "/api/v2/agent/runs", "/docs/errors/nothing"} {
		w.do(request{method: "GET", path: path, key: w.key}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	}
	a := w.do(request{method: "DELETE", path: "/api/v1/agent/runs", key: w.key})
	a.wantProblem(api.PlatformErrorCodeInvalidRequest, 405, "DELETE")
	if a.header.Get("Allow") != "GET, POST" {
		t.Errorf("Allow: %q", a.header.Get("Allow"))
	}
}

func TestDocs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if a := w.do(request{method: "GET", path: "/"}).want(200); !strings.Contains(string(a.body), `href="docs"`) {
		t.Error("the home page does not lead to the reference")
	}
	id := "01890a5d-ac96-774b-bcce-b302099a8057"
	if a := w.do(request{method: "GET", path: "/runs/" + id}).want(200); !strings.Contains(string(a.body), "cadre run follow "+id) {
		t.Error("the page behind a run's link does not say how to watch it")
	}
	w.do(request{method: "GET", path: "/runs/%3Cscript%3E"}).want(404)
	page := w.do(request{method: "GET", path: "/docs"}).want(200)
	text := string(page.body)
	for _, want := range []string{"createRun", "/api/v1/agent/runs/{runId}/stream", `id="schema-RunItem"`, "Last-Event-ID", "invalid_request", "needs create", "1 to 500, default 20", "curl -N &#34;$CADRE_SERVER_URL/api/v1/agent/runs/$RUN_ID/stream&#34;", `--json &#39;{&#34;message&#34;: &#34;Use tabs, please&#34;}&#39;`} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference lacks %q", want)
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "<style") || strings.Contains(text, "//cdn") {
		t.Error("the reference has scripts, inline styles or third parties")
	}
	if csp := page.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'") {
		t.Errorf("policy %q", csp)
	}
	w.do(request{method: "GET", path: "/docs", header: http.Header{"If-None-Match": {page.header.Get("ETag")}}}).want(304)
	w.do(request{method: "GET", path: "/docs/style.css"}).want(200)
	w.do(request{method: "GET", path: "/docs/errors/budget_exceeded"}).want(200)
	w.do(request{method: "GET", path: "/openapi.yaml"}).want(200)
	spec := decode[map[string]any](w.do(request{method: "GET", path: "/openapi.json"}).want(200))
	if spec["openapi"] != "3.0.3" {
		t.Errorf("openapi.json: %v", spec["openapi"])
	}
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("wait")
	viewer := w.follow("/agent/runs/" + local.RunId + "/stream")
	commands := w.as(local.RunToken).follow("/runner/commands/stream")
	viewer.entry()
	w.end() // fails the test if Run returns an error, hangs it if a stream keeps it
	for {
		e, ok := viewer.next()
		if !ok {
			break
		}
		if e.name == "end" {
			t.Error("the stream says that the run is over")
		}
	}
	if _, ok := commands.next(); ok {
		t.Error("a command nobody gave")
	}
	if _, err := http.Get(w.url + "/healthz"); err == nil { //nolint:bodyclose,noctx // it must not be answered
		t.Error("still serving")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]server.Config{
		"no data":     {},
		"bad listen":  {DataDir: t.TempDir(), Listen: "nonsense"},
		"bad url":     {DataDir: t.TempDir(), PublicURL: "ftp://x"},
		"short lease": {DataDir: t.TempDir(), Lease: 1},
		"weak key":    {DataDir: t.TempDir(), Listen: "127.0.0.1:0", BootstrapKey: "x"},
		"bucket":      {DataDir: t.TempDir(), Listen: "127.0.0.1:0", BlobURL: "s3://bucket"},
		"no database": {DataDir: t.TempDir(), Listen: "127.0.0.1:0", DatabaseURL: "mysql://x"},
	} {
		if s, err := server.New(context.Background(), c); err == nil {
			t.Errorf("%s was accepted", name)
			_ = s.Close()
		}
	}
}
