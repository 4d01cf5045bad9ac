// Package redact removes known secret values from everything that leaves a sandbox.
//
// It owns finding the values wherever they stand, across the borders of chunks too. It refuses to
// guess: a value it was not told is not a secret.
package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
)

// Mark replaces a secret. It needs no escaping in JSON, a shell or a URL.
const Mark = "[redacted]"

// minSecret is the shortest value that is taken for a secret: shorter ones would redact ordinary text.
const minSecret = 8

// Redactor knows the secret values of one run. It does not change and is safe for concurrent use.
type Redactor struct {
	values   []string // longest first, so that a secret that contains another goes whole
	longest  int
	replacer *strings.Replacer
}

// New makes a redactor of the values and of the forms they take inside JSON, URLs and base64.
func New(secrets ...string) *Redactor {
	r := &Redactor{}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		r.add(s)
		if quoted, err := json.Marshal(s); err == nil {
			r.add(string(quoted[1 : len(quoted)-1]))
		}
		r.add(url.QueryEscape(s))
		r.add(base64.StdEncoding.EncodeToString([]byte(s)))
		r.add(base64.RawURLEncoding.EncodeToString([]byte(s)))
	}
	slices.SortFunc(r.values, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(r.values))
	for _, v := range r.values {
		pairs = append(pairs, v, Mark)
		r.longest = max(r.longest, len(v))
	}
	r.replacer = strings.NewReplacer(pairs...)
	return r
}

func (r *Redactor) add(v string) {
	if !slices.Contains(r.values, v) {
		r.values = append(r.values, v)
	}
}

// String returns s without secrets.
func (r *Redactor) String(s string) string { return r.replacer.Replace(s) }

// Bytes returns b without secrets: b itself when it has none.
func (r *Redactor) Bytes(b []byte) []byte {
	if !r.Found(b) {
		return b
	}
	return []byte(r.replacer.Replace(string(b)))
}

// Found reports whether b holds a secret.
func (r *Redactor) Found(b []byte) bool {
	for _, v := range r.values {
		if bytes.Contains(b, []byte(v)) {
			return true
		}
	}
	return false
}

// Stream redacts a text that comes in pieces.
type Stream struct {
	r    *Redactor
	held string
}

// Stream starts a text.
func (r *Redactor) Stream() *Stream { return &Stream{r: r} }

// Next takes the next piece and returns what is safe to show: everything but an end that may be the
// beginning of a secret.
func (s *Stream) Next(piece string) string {
	text := s.r.String(s.held + piece)
	keep := s.r.unfinished(text)
	s.held = text[len(text)-keep:]
	return text[:len(text)-keep]
}

// Rest ends the text and returns what was held back.
func (s *Stream) Rest() string {
	rest := s.held
	s.held = ""
	return rest
}

// unfinished is the length of the longest end of text that some secret begins with.
func (r *Redactor) unfinished(text string) int {
	for n := min(len(text), r.longest-1); n > 0; n-- {
		end := text[len(text)-n:]
		for _, v := range r.values {
			if len(v) > n && strings.HasPrefix(v, end) {
				return n
			}
		}
	}
	return 0
}

// Writer redacts what is written to it and passes it on. Close flushes; it does not close w.
type Writer struct {
	w io.Writer
	s *Stream
}

// NewWriter makes a redacting writer.
func (r *Redactor) NewWriter(w io.Writer) *Writer { return &Writer{w: w, s: r.Stream()} }

func (w *Writer) Write(p []byte) (int, error) {
	if text := w.s.Next(string(p)); text != "" {
		if _, err := io.WriteString(w.w, text); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Close writes what was held back.
func (w *Writer) Close() error {
	_, err := io.WriteString(w.w, w.s.Rest())
	return err
}
