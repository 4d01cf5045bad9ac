package signin

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
)

// TestAddressBehindProxies: only proxies that are known are believed, from the nearest outwards.
func TestAddressBehindProxies(t *testing.T) {
	t.Parallel()
	h := &Handler{cfg: Config{Log: slog.New(slog.DiscardHandler), Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:5", "", "192.0.2.1"},
		{"192.0.2.1:5", "203.0.113.9", "192.0.2.1"},
		{"10.1.1.1:5", "203.0.113.9", "203.0.113.9"},
		{"10.1.1.1:5", "6.6.6.6, 203.0.113.9, 10.2.2.2", "203.0.113.9"},
		{"10.1.1.1:5", "nonsense", "10.1.1.1"},
		{"[2001:db8:1:2:3::4]:5", "", "2001:db8:1:2::/64"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := h.address(r); got != c.want {
			t.Errorf("%s for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

func TestNextStaysHere(t *testing.T) {
	t.Parallel()
	h := &Handler{}
	for next, want := range map[string]string{
		"/device?code=X": "/device?code=X", "": "/", "device": "/", "//evil": "/", "https://evil": "/", `/\evil`: "/", "/a\r\nSet-Cookie: x": "/",
	} {
		if got := h.local(next); got != want {
			t.Errorf("%q goes on to %q, want %q", next, got, want)
		}
	}
	h.base = "/tools/cadre"
	for next, want := range map[string]string{
		"/tools/cadre/device?code=X": "/tools/cadre/device?code=X", "": "/tools/cadre/", "/device": "/tools/cadre/", "/tools/cadreX": "/tools/cadre/",
		"/tools/cadre/../wiki": "/tools/cadre/", "/tools/cadre/%2E%2e/wiki": "/tools/cadre/", "/tools/cadre/a/../b": "/tools/cadre/a/../b",
	} {
		if got := h.local(next); got != want {
			t.Errorf("below a path %q goes on to %q, want %q", next, got, want)
		}
	}
}

// TestProviderThatIsAwayIsLeftAlone for a little, so that requests do not queue for its silence.
func TestProviderThatIsAwayIsLeftAlone(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer away.Close()
	now := time.Unix(1_000_000, 0)
	p := newProvider(Provider{Name: "corp", Issuer: away.URL}, "", func() time.Time { return now })
	for _, want := range []int64{1, 1, 1} {
		if _, _, err := p.discover(t.Context()); err == nil || asked.Load() != want {
			t.Errorf("asked %d times: %v", asked.Load(), err)
		}
	}
	now = now.Add(providerRest)
	if _, _, err := p.discover(t.Context()); err == nil || asked.Load() != 2 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
}
