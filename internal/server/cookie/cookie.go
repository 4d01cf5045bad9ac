// Package cookie owns what a signed-in browser sends: the name and the attributes of the one cookie, and
// the proof that a request which changes something comes from the server's own pages. It refuses to
// know what the cookie opens.
package cookie

import (
	"cmp"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// plain names the cookie of a server without TLS. A browser takes the prefixes only over HTTPS: the
	// one from this host, for all of it, so that no neighbour can set it; the other also for a path, which
	// is where a server below a path keeps its cookie from what else the host serves.
	plain       = "cadre"
	hostPrefix  = "__Host-"
	belowPrefix = "__Secure-"
)

// Jar sets and reads the cookie for one server.
type Jar struct {
	always bool   // the public URL is an HTTPS one
	path   string // of the public URL, "/" for none
	origin *http.CrossOriginProtection
}

// New makes the jar of a server that people reach at publicURL.
func New(publicURL string) *Jar {
	j := &Jar{origin: http.NewCrossOriginProtection(), path: "/"}
	if u, err := url.Parse(publicURL); err == nil && u.Host != "" {
		j.path = cmp.Or(strings.TrimRight(u.EscapedPath(), "/"), "/")
		j.always = u.Scheme == "https"
		// A proxy may change the Host that the browser sent. The address was checked at start.
		_ = j.origin.AddTrustedOrigin(u.Scheme + "://" + u.Host)
	}
	return j
}

// Secure reports whether a request came over HTTPS, here or at a proxy in front.
func (j *Jar) Secure(r *http.Request) bool {
	return j.always || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// Name is the cookie's name for a request, with something more behind it for a cookie beside it.
func (j *Jar) Name(r *http.Request, more string) string {
	switch {
	case !j.Secure(r):
		return plain + more
	case j.path != "/":
		return belowPrefix + plain + more
	}
	return hostPrefix + plain + more
}

// Read returns the secret that a browser sends, "" when it sends none.
func (j *Jar) Read(r *http.Request) string { return j.ReadNamed(r, "") }

// ReadNamed reads a cookie beside the one of the sign-in.
func (j *Jar) ReadNamed(r *http.Request, more string) string {
	c, err := r.Cookie(j.Name(r, more))
	if err != nil {
		return ""
	}
	return c.Value
}

// Set gives the browser its secret until a time. Scripts cannot read it, and requests that other sites
// cause do not carry it, but for following a link.
func (j *Jar) Set(w http.ResponseWriter, r *http.Request, secret string, until time.Time) {
	j.SetNamed(w, r, "", secret, until)
}

// SetNamed sets a cookie beside the one of the sign-in.
func (j *Jar) SetNamed(w http.ResponseWriter, r *http.Request, more, value string, until time.Time) {
	http.SetCookie(w, &http.Cookie{
		Name: j.Name(r, more), Value: value, Path: j.path, Expires: until.UTC(),
		Secure: j.Secure(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Clear takes a cookie away.
func (j *Jar) Clear(w http.ResponseWriter, r *http.Request, more string) {
	http.SetCookie(w, &http.Cookie{
		Name: j.Name(r, more), Path: j.path, MaxAge: -1,
		Secure: j.Secure(r), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// Check refuses, with not_authorized, a request that changes something and that another site caused.
func (j *Jar) Check(r *http.Request) error {
	if err := j.origin.Check(r); err != nil {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "a request from another site may not use this sign-in")
	}
	return nil
}

// CheckJSON is Check for the API, where a body must also be declared as JSON: a form of another site
// cannot do that.
func (j *Jar) CheckJSON(r *http.Request) error {
	if err := j.Check(r); err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if r.ContentLength == 0 && r.Header.Get("Content-Type") == "" {
		return nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		f := api.Invalid("Content-Type", "must be application/json")
		f.Status = http.StatusUnsupportedMediaType
		return f
	}
	return nil
}
