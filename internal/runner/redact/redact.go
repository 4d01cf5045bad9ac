// Package redact removes known secret values from everything that leaves a sandbox.
//
// It owns finding the values wherever they stand, across the borders of chunks too. It refuses to
// guess: a value it was not told is not a secret.
package redact

import (
	"bytes"
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Mark replaces a secret. It needs no escaping in JSON, a shell or a URL.
const Mark = "[redacted]"

// minSecret is the shortest value that is taken for a secret: shorter ones would redact ordinary text.
const minSecret = 8

// Redactor knows the secret values of one run. It is safe for concurrent use, and only ever learns.
type Redactor struct {
	mu    sync.Mutex // held while it learns
	known atomic.Pointer[known]
}

// known is what a Redactor looks for. It does not change.
type known struct {
	values   []string // longest first, so that a secret that contains another goes whole
	longest  int
	replacer *strings.Replacer
}

// New makes a redactor of the values and of the forms they take inside JSON, URLs, base64 and hex.
func New(secrets ...string) *Redactor {
	r := &Redactor{}
	r.known.Store(&known{replacer: strings.NewReplacer()})
	r.Add(secrets...)
	return r
}

// Add makes the redactor know further values. What was passed on before is not called back.
func (r *Redactor) Add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]bool{}
	for _, v := range r.known.Load().values {
		all[v] = true
	}
	for _, s := range secrets {
		if len(s) < minSecret {
			continue
		}
		for _, v := range forms(s) {
			all[v] = true
		}
	}
	k := &known{values: slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(len(b)-len(a), strings.Compare(a, b))
	})}
	pairs := make([]string, 0, 2*len(k.values))
	for _, v := range k.values {
		pairs = append(pairs, v, Mark)
		k.longest = max(k.longest, len(v))
	}
	k.replacer = strings.NewReplacer(pairs...)
	r.known.Store(k)
}

// String returns s without secrets.
func (r *Redactor) String(s string) string { return r.known.Load().replacer.Replace(s) }

// Bytes returns b without secrets: b itself when it has none.
func (r *Redactor) Bytes(b []byte) []byte {
	k := r.known.Load()
	if !k.found(b) {
		return b
	}
	return []byte(k.replacer.Replace(string(b)))
}

// Found reports whether b holds a secret.
func (r *Redactor) Found(b []byte) bool { return r.known.Load().found(b) }

func (k *known) found(b []byte) bool {
	for _, v := range k.values {
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
	k := s.r.known.Load()
	text := k.replacer.Replace(s.held + piece)
	keep := k.unfinished(text)
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
func (k *known) unfinished(text string) int {
	for n := min(len(text), k.longest-1); n > 0; n-- {
		end := text[len(text)-n:]
		for _, v := range k.values {
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
