package signin

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server/cookie"
)

// maxForm bounds a form in bytes.
const maxForm = 64 << 10

// Accounts is identity.Service.
type Accounts interface {
	Identify(ctx context.Context, c identity.Credential) (identity.Actor, error)
	SignInByPassword(ctx context.Context, email, password string, b identity.Browser) (string, identity.SignIn, error)
	SignInByLink(ctx context.Context, secret string, b identity.Browser) (string, identity.SignIn, error)
	SignInVouched(ctx context.Context, v identity.Vouched, p identity.Policy, b identity.Browser) (string, identity.SignIn, error)
	SignIn(ctx context.Context, user identity.User, method string, b identity.Browser) (string, identity.SignIn, error)
	SignOut(ctx context.Context, actor identity.Actor, uid string) error
	Invitations
	Devices
	// Sign and Verify protect what a browser carries through a provider.
	Sign(path string, expires time.Time) string
	Verify(path string, expires time.Time, signature string) error
}

// Invitations is the part of Accounts about them.
type Invitations interface {
	Invitation(ctx context.Context, secret string) (i identity.Invitation, known bool, err error)
	Accept(ctx context.Context, secret, name, password string) (identity.User, error)
	Join(ctx context.Context, actor identity.Actor, secret string) error
}

// Devices is the part of Accounts about command lines that ask for a key.
type Devices interface {
	StartDevice(ctx context.Context, b identity.Browser) (string, identity.Device, error)
	DeviceByCode(ctx context.Context, actor identity.Actor, code string) (identity.Device, error)
	DecideDevice(ctx context.Context, actor identity.Actor, code string, decision identity.Decision) error
	PollDevice(ctx context.Context, secret string) (identity.DeviceState, string, identity.Key, error)
	GiveUpKey(ctx context.Context, secret string) error
}

// Config says what the pages work with. All but Providers, Proxies and Now is required.
type Config struct {
	Accounts Accounts
	Jar      *cookie.Jar
	// PublicURL is the root of the server as people reach it, without a slash at its end.
	PublicURL string
	Providers []Provider
	// NoPassword leaves out the form for passwords: people come by provider or link only.
	NoPassword bool
	// Proxies are those in front of the server whose word about a caller's address counts.
	Proxies []netip.Prefix
	// Fail writes an error as the API does.
	Fail func(http.ResponseWriter, *http.Request, error)
	Now  func() time.Time
	Log  *slog.Logger
}

// Handler serves the pages. It is safe for concurrent use.
type Handler struct {
	cfg       Config
	base      string // path of PublicURL, without a slash at its end: what browsers see before every path
	warned    sync.Once
	mux       *http.ServeMux
	providers map[string]*provider
}

// New makes the handler. Providers are not contacted before somebody signs in with them.
func New(cfg Config) *Handler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Handler{cfg: cfg, mux: http.NewServeMux(), providers: map[string]*provider{}}
	if u, err := url.Parse(cfg.PublicURL); err == nil {
		h.base = strings.TrimRight(u.EscapedPath(), "/")
	}
	for _, p := range cfg.Providers {
		h.providers[p.Name] = newProvider(p, cfg.PublicURL+"/sign-in/with/"+p.Name+"/callback", cfg.Now)
	}
	h.mux.HandleFunc("GET /sign-in", h.signInPage)
	h.mux.HandleFunc("GET /sign-in/style.css", style)
	h.mux.HandleFunc("GET /sign-in/link/{secret}", h.linkPage)
	h.mux.HandleFunc("GET /sign-in/with/{provider}", h.toProvider)
	h.mux.HandleFunc("GET /sign-in/with/{provider}/callback", h.fromProvider)
	h.mux.HandleFunc("GET /invitation/{secret}", h.invitationPage)
	h.mux.HandleFunc("GET /device", h.devicePage)
	h.mux.HandleFunc("POST /sign-in", h.form(h.signIn))
	h.mux.HandleFunc("POST /sign-out", h.form(h.signOut))
	h.mux.HandleFunc("POST /sign-in/link/{secret}", h.form(h.signInByLink))
	h.mux.HandleFunc("POST /invitation/{secret}", h.form(h.accept))
	h.mux.HandleFunc("POST /device", h.form(h.decideDevice))
	h.mux.HandleFunc("POST /oauth/device/auth", h.startDevice)
	h.mux.HandleFunc("POST /oauth/token", h.token)
	h.mux.HandleFunc("POST /oauth/revoke", h.revoke)
	h.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		cfg.Fail(w, r, api.Fail(api.PlatformErrorCodeResourceNotFound, "there is nothing at this path"))
	})
	return h
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// form reads a form of one of our own pages, bounded.
func (h *Handler) form(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h.cfg.Jar.Check(r); err != nil {
			h.show(w, r, "", err)
			return
		}
		if err := readForm(w, r); err != nil {
			h.show(w, r, "", err)
			return
		}
		next(w, r)
	}
}

func readForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		f := api.Invalid("body", "is no form, or larger than %d bytes", maxForm)
		f.Err = err
		return f
	}
	return nil
}

// actor returns who is signed in in this browser; ok is false when nobody is.
func (h *Handler) actor(r *http.Request) (a identity.Actor, ok bool, err error) {
	secret := h.cfg.Jar.Read(r)
	if secret == "" {
		return identity.Actor{}, false, nil
	}
	a, err = h.cfg.Accounts.Identify(r.Context(), identity.Credential{SignIn: secret})
	if api.CodeOf(err) == api.PlatformErrorCodeAuthenticationRequired {
		return identity.Actor{}, false, nil
	}
	return a, err == nil, err
}

// browser is where a request comes from, as it shows itself.
func (h *Handler) browser(r *http.Request) identity.Browser {
	return identity.Browser{Device: r.UserAgent(), Address: h.address(r)}
}

// address is where a request comes from: the last address in front of the proxies that are known.
func (h *Handler) address(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at := peer.Addr().Unmap()
	if !h.proxy(at) && r.Header.Get("X-Forwarded-For") != "" {
		h.warned.Do(func() {
			h.cfg.Log.Warn("requests come through a proxy whose word does not count: everybody seems to come from there; "+
				"name it with --trusted-proxies", "from", at.String())
		})
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && h.proxy(at); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = hop.Unmap()
	}
	if at.Is6() {
		// A household has at least a /64 of addresses to come from.
		if p, err := at.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return at.String()
}

func (h *Handler) proxy(a netip.Addr) bool {
	for _, p := range h.cfg.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// local returns a path of this server, as browsers see it, to go on to: its root for whatever is not one.
func (h *Handler) local(next string) string {
	root := h.base + "/"
	if len(next) > 2048 || !strings.HasPrefix(next, root) || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t\x00") {
		return root
	}
	// Once browsers have followed its dots, however they are written, it must be below the root too.
	if u, err := url.Parse(next); err != nil || !strings.HasPrefix(path.Clean(u.Path)+"/", root) {
		return root
	}
	return next
}
