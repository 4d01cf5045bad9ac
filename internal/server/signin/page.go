package signin

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

//go:embed assets
var assets embed.FS

// policy allows the pages their style sheets and forms to this server. No script, no image, no frame.
const policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

var pages = template.Must(template.New("").Funcs(template.FuncMap{"query": url.QueryEscape}).ParseFS(assets, "assets/*.html"))

// page is what a page shows. Each uses its part.
type page struct {
	Base   string // before every path of this server
	Title  string
	Error  string // what went wrong with what was sent
	Actor  identity.Actor
	Signed bool // somebody is signed in: Actor
	Next   string
	Email  string
	Name   string

	Providers  []Provider
	Password   bool
	Invitation identity.Invitation
	Known      bool // the invitation's address has an account
	Code       string
	Device     identity.Device
	Done       string // what was done, nothing is left to do
}

// render writes a page.
func (h *Handler) render(w http.ResponseWriter, r *http.Request, status int, name string, p page) {
	var b bytes.Buffer
	p.Base = h.base
	if err := pages.ExecuteTemplate(&b, name, p); err != nil {
		h.cfg.Fail(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(b.Len()))
	header.Set("Content-Security-Policy", policy)
	header.Set("Cache-Control", "no-store")
	// Forms then say which site they are of, also to browsers that know no better sign; addresses with
	// secrets still leave for nobody else.
	header.Set("Referrer-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// show tells of a failure on a page of its own.
func (h *Handler) show(w http.ResponseWriter, r *http.Request, title string, err error) {
	text, status := h.said(r, err)
	if title == "" {
		title = "That did not work"
	}
	h.render(w, r, status, "message.html", page{Title: title, Error: text})
}

// said is what a page says of a failure, and its status. What is the server's own fault is logged and
// stays here.
func (h *Handler) said(r *http.Request, err error) (string, int) {
	var f *api.Failure
	if !errors.As(err, &f) || api.LookupCode(f.Code).Status >= http.StatusInternalServerError {
		h.cfg.Log.ErrorContext(r.Context(), "sign-in failed", "err", err, "page", r.Pattern) // its path may hold a secret
		return "The server could not do this now. Try again in a moment.", http.StatusInternalServerError
	}
	status := f.Status
	if status == 0 {
		status = api.LookupCode(f.Code).Status
	}
	return f.Detail, status
}

// style serves the sheet of the forms.
func style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, assets, "assets/signin.css")
}
