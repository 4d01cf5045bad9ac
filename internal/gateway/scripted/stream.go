package scripted

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// object is a JSON object of a vendor's wire.
type object = map[string]any

// stream writes events. Without a delay between them they leave together, so that a script plays as
// fast as it can; with one, each leaves alone.
type stream struct {
	w     http.ResponseWriter
	ctx   context.Context
	delay time.Duration
	buf   bytes.Buffer
	gone  bool // the caller is not there any more
}

func (s *stream) begin() {
	s.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	s.w.Header().Set("Cache-Control", "no-cache")
	s.w.WriteHeader(http.StatusOK)
}

// event sends an event whose name is also its data's type.
func (s *stream) event(name string, data object) {
	data["type"] = name
	s.send(wire.Frame(name, encode(data)))
}

func (s *stream) send(frame []byte) {
	if s.gone {
		return
	}
	s.buf.Write(frame)
	if s.delay > 0 {
		s.end()
		s.gone = s.gone || !pause(s.ctx, s.delay)
	}
}

// end sends what is left.
func (s *stream) end() {
	if s.gone || s.buf.Len() == 0 {
		return
	}
	if _, err := s.w.Write(s.buf.Bytes()); err != nil || http.NewResponseController(s.w).Flush() != nil {
		s.gone = true
	}
	s.buf.Reset()
}

// pieces cuts text into fragments of n characters for a stream; an empty text has none.
func pieces(text string, n int) []string {
	var out []string
	for len(text) > 0 {
		end, count := len(text), 0
		for i := range text {
			if count == n {
				end = i
				break
			}
			count++
		}
		out = append(out, text[:end])
		text = text[end:]
	}
	return out
}

func writeJSON(w http.ResponseWriter, v object) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(v)) // the caller is gone if this fails; there is nobody to tell
}

func encode(v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // inputs were checked when the script was read, all else is ours
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}
