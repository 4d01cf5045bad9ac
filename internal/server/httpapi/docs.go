package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
)

//go:embed assets
var assets embed.FS

// docsPolicy allows the reference its one style sheet and nothing else: no script, no image, no
// request to anybody.
const docsPolicy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// reference renders what people read about the API, once each and only when asked.
type reference struct {
	page, style, yaml, json func() (document, error)
}

func newReference() reference {
	once := func(contentType string, render func() ([]byte, error)) func() (document, error) {
		return sync.OnceValues(func() (document, error) { return newDocument(contentType, render) })
	}
	return reference{
		page:  once("text/html; charset=utf-8", renderReference),
		style: once("text/css; charset=utf-8", func() ([]byte, error) { return assets.ReadFile("assets/docs.css") }),
		yaml:  once("application/yaml", func() ([]byte, error) { return api.OpenAPI, nil }),
		json:  once("application/json", specJSON),
	}
}

// document is a rendered file that never changes while the server runs.
type document struct {
	contentType, tag string
	plain, packed    []byte
}

func newDocument(contentType string, render func() ([]byte, error)) (document, error) {
	plain, err := render()
	if err != nil {
		return document{}, err
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(plain); err != nil {
		return document{}, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return document{}, fmt.Errorf("compress: %w", err)
	}
	sum := sha256.Sum256(plain)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return document{contentType: contentType, tag: tag, plain: plain, packed: packed.Bytes()}, nil
}

// serve returns a handler of a document.
func (a *API) serve(get func() (document, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		d, err := get()
		if err != nil {
			a.fail(w, r, err)
			return
		}
		h := w.Header()
		h.Set("ETag", d.tag)
		h.Set("Vary", "Accept-Encoding")
		if r.Header.Get("If-None-Match") == d.tag {
			h.Set("Cache-Control", "no-cache")
			w.WriteHeader(http.StatusNotModified)
			return
		}
		content := d.plain
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			content = d.packed
		}
		servePage(w, d.contentType, content)
	}
}

// docsError explains the error code that a problem's type ends in.
func (a *API) docsError(w http.ResponseWriter, r *http.Request) {
	name := strings.ReplaceAll(r.PathValue("code"), "-", "_")
	i := slices.IndexFunc(api.Codes, func(c api.Code) bool { return string(c.Name) == name })
	if i < 0 {
		a.fail(w, r, api.Fail(api.PlatformErrorCodeResourceNotFound, "no such error code"))
		return
	}
	page, err := render("error.html", explained(api.Codes[i]))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	servePage(w, "text/html; charset=utf-8", page)
}

func servePage(w http.ResponseWriter, contentType string, page []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("Content-Security-Policy", docsPolicy)
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(page) // the client may be gone
}

func render(name string, data any) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{"prose": prose, "spans": spans}).ParseFS(assets, "assets/"+name)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// span is a piece of a sentence: words, or code that stands between backquotes in the contract.
type span struct {
	Text string
	Code bool
}

// prose splits a description into its paragraphs.
func prose(text string) [][]span {
	var out [][]span
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph != "" {
			out = append(out, spans(paragraph))
		}
	}
	return out
}

func spans(text string) []span {
	var out []span
	for i, part := range strings.Split(text, "`") {
		if part != "" {
			out = append(out, span{Text: part, Code: i%2 == 1})
		}
	}
	return out
}
