package httpapi

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
)

// console serves the web app: its files, and its one page under every address that the app itself
// makes pages of. A program built without the app has none.
type console struct {
	files  fs.FS
	before []byte // the page up to its base element
	after  []byte // and from there on
	base   string // path of the server's root, with a slash at its end
	assets map[string]func() (document, error)
}

// baseElement is what index.html says of its base; the server writes its own there.
const baseElement = `<base href="/" />`

// newConsole prepares the app found in files, for a server whose root is at publicURL. It returns nil
// when there is no app, and fails when what is there is not one.
func newConsole(files fs.FS, publicURL string) (*console, error) {
	if files == nil {
		return nil, nil
	}
	page, err := fs.ReadFile(files, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read console: %w", err)
	}
	c := &console{files: files, base: "/", assets: make(map[string]func() (document, error))}
	if root, err := url.Parse(publicURL); err == nil {
		c.base = strings.TrimRight(root.EscapedPath(), "/") + "/"
	}
	var found bool
	if c.before, c.after, found = bytes.Cut(page, []byte(baseElement)); !found {
		return nil, fmt.Errorf("console: index.html has no %s", baseElement)
	}
	err = fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && name != "index.html" && !strings.HasPrefix(path.Base(name), ".") {
			c.assets[name] = sync.OnceValues(func() (document, error) {
				return newDocument(contentType(name), func() ([]byte, error) { return fs.ReadFile(files, name) })
			})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list console: %w", err)
	}
	return c, nil
}

// contentType does not ask the machine, whose tables differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".webmanifest":
		return "application/manifest+json"
	case ".woff2":
		return "font/woff2"
	case ".js":
		return "text/javascript; charset=utf-8"
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		return t
	}
	return "application/octet-stream"
}

// routes registers the app's files.
func (c *console) routes(a *API) {
	for name, get := range c.assets {
		serve := a.serve(get)
		a.mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(name, "assets/") {
				w = &kept{ResponseWriter: w} // their names change with their content
			}
			serve(w, r)
		})
	}
}

// kept lets browsers keep an answer for ever.
type kept struct{ http.ResponseWriter }

func (k *kept) WriteHeader(status int) {
	k.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	k.ResponseWriter.WriteHeader(status)
}

func (k *kept) Write(b []byte) (int, error) {
	k.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return k.ResponseWriter.Write(b)
}

// page serves the app. Scripts and styles come from this server only; the nonce is for the style
// elements that its dialogs make to hold the page behind them still.
func (c *console) page(w http.ResponseWriter, _ *http.Request) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-"+nonce+
		"'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "+
		"base-uri 'self'; form-action 'self'; frame-ancestors 'none'")
	var b bytes.Buffer
	b.Write(c.before)
	_, _ = fmt.Fprintf(&b, `<base href="%s" /><meta name="style-nonce" content="%s" />`, template.HTMLEscapeString(c.base), nonce)
	b.Write(c.after)
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

// wants reports whether a request is a browser's for a page, at an address that nothing else has.
func (c *console) wants(r *http.Request) bool {
	if c == nil || r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		return false
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch first {
	case "api", "assets", "auth", "docs", "gateway", "oauth", ".well-known":
		return false
	}
	return true
}
