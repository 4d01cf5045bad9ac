package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func consoleAPI(t *testing.T, files fstest.MapFS, publicURL string) *API {
	t.Helper()
	return New(t.Context(), Config{
		PublicURL: publicURL, Console: files, Log: slog.New(slog.DiscardHandler),
	})
}

func get(h http.Handler, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var app = fstest.MapFS{
	"index.html":      {Data: []byte(`<head><base href="/" /></head><script src="./assets/a-1.js">`)},
	"assets/a-1.js":   {Data: []byte("let a")},
	"icon.svg":        {Data: []byte("<svg/>")},
	"app.webmanifest": {Data: []byte("{}")},
	".keep":           {Data: []byte("x")},
}

func TestConsolePages(t *testing.T) {
	t.Parallel()
	a := consoleAPI(t, app, "https://example.com/tools/cadre")
	const page = "text/html,application/xhtml+xml"
	for _, path := range []string{"/", "/runs", "/runs/01a1f9cb-eace-7e47-94ec-f7e211ba4bf8", "/environments", "/no/such/page"} {
		w := get(a, path, page)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `<base href="/tools/cadre/" />`) || !strings.Contains(policy, "script-src 'self';") {
			t.Errorf("%s: %d %s\n%s", path, w.Code, policy, w.Body)
		}
	}
	first, second := get(a, "/", page).Header().Get("Content-Security-Policy"), get(a, "/", page).Header().Get("Content-Security-Policy")
	if first == second {
		t.Error("a nonce was used twice")
	}
	// What is not a page stays what it was, for programs and for browsers.
	for path, accept := range map[string]string{"/nope": "application/json", "/api/v1/nope": page, "/assets/nope.js": page, "/gateway/nope": page, "/.keep": "*/*"} {
		if w := get(a, path, accept); w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
		}
	}
}

func TestConsoleFiles(t *testing.T) {
	t.Parallel()
	a := consoleAPI(t, app, "http://localhost:8080")
	for path, want := range map[string]string{
		"/assets/a-1.js": "text/javascript; charset=utf-8", "/icon.svg": "image/svg+xml", "/app.webmanifest": "application/manifest+json",
	} {
		w := get(a, path, "*/*")
		forever := strings.Contains(w.Header().Get("Cache-Control"), "immutable")
		if w.Code != 200 || w.Header().Get("Content-Type") != want || forever != strings.HasPrefix(path, "/assets/") {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

// TestServedBelowAPath: a proxy may pass the path on which the server is reached, or take it off.
func TestServedBelowAPath(t *testing.T) {
	t.Parallel()
	a := consoleAPI(t, app, "https://example.com/tools/cadre")
	for path, want := range map[string]int{
		"/tools/cadre/assets/a-1.js": 200, "/tools/cadre/healthz": 200, "/tools/cadre": 200, "/tools/cadre/api/v1/nope": 404,
		"/tools/cadrex/healthz": 404, "/healthz": 200,
	} {
		accept := "*/*"
		if path == "/tools/cadre" {
			accept = "text/html"
		}
		if w := get(a, path, accept); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// TestWithoutConsole: a program built without the app says how to go on at its address.
func TestWithoutConsole(t *testing.T) {
	t.Parallel()
	a := consoleAPI(t, fstest.MapFS{".keep": {}}, "http://localhost:8080")
	if w := get(a, "/", "text/html"); w.Code != 200 || !strings.Contains(w.Body.String(), "cadre") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(a, "/environments", "text/html"); w.Code != 404 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
