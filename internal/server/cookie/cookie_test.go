package cookie

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestCookieIsBoundToHTTPSHosts where there is HTTPS, and never readable by scripts.
func TestCookieIsBoundToHTTPSHosts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		public, forwarded string
		secure            bool
	}{{"https://cadre.example", "", true}, {"http://127.0.0.1:1", "", false}, {"http://127.0.0.1:1", "https", true}} {
		j, r, w := New(c.public), httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		r.Header.Set("X-Forwarded-Proto", c.forwarded)
		j.Set(w, r, "secret", time.Now().Add(time.Hour))
		set := w.Result().Cookies()[0]
		if set.Secure != c.secure || strings.HasPrefix(set.Name, "__Host-") != c.secure || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Path != "/" || set.Domain != "" {
			t.Errorf("%+v: %+v", c, set)
		}
		r.AddCookie(set)
		if got := j.Read(r); got != "secret" {
			t.Errorf("%+v: read %q", c, got)
		}
	}
	// Over HTTPS a cookie that a neighbour could have set counts for nothing.
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(&http.Cookie{Name: plain, Value: "theirs"})
	if got := New("https://cadre.example").Read(r); got != "" {
		t.Errorf("read %q", got)
	}
}

// TestCookieStaysBelowThePath of a server that has only a part of its host: the rest of it hears nothing.
func TestCookieStaysBelowThePath(t *testing.T) {
	t.Parallel()
	for public, name := range map[string]string{"https://host.example/tools/cadre": "__Secure-cadre", "http://127.0.0.1:1/tools/cadre/": "cadre"} {
		j, r, w := New(public), httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		j.Set(w, r, "secret", time.Now().Add(time.Hour))
		j.Clear(w, r, "")
		for _, set := range w.Result().Cookies() {
			if set.Name != name || set.Path != "/tools/cadre" {
				t.Errorf("%s: %+v", public, set)
			}
		}
	}
}
