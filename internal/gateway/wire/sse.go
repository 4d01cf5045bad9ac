package wire

import (
	"bytes"
	"errors"
)

// MaxEvent bounds one event of a stream. Vendors send whole images in one event, nothing larger.
const MaxEvent = 24 << 20

// ErrEventTooLarge reports an event beyond MaxEvent.
var ErrEventTooLarge = errors.New("event of the stream is too large")

// Frame writes one event. An empty name leaves the event line out, as OpenAI's chat stream does.
// Data must not contain line breaks; JSON never does.
func Frame(name string, data []byte) []byte {
	out := make([]byte, 0, len(name)+len(data)+16)
	if name != "" {
		out = append(out, "event: "...)
		out = append(out, name...)
		out = append(out, '\n')
	}
	out = append(out, "data: "...)
	out = append(out, data...)
	return append(out, '\n', '\n')
}

// Splitter cuts a byte stream that arrives in any pieces into whole events. It keeps only the
// unfinished one, so what it has given out can be passed on while the stream goes on, and a stream
// that breaks never leaves half an event behind.
type Splitter struct {
	buf     []byte
	scanned int // bytes of buf known to hold no end of event
}

// Write adds the next piece. It fails once an unfinished event passes MaxEvent.
func (s *Splitter) Write(p []byte) (int, error) {
	s.buf = append(s.buf, p...)
	if len(s.buf) > MaxEvent && s.end() < 0 {
		return len(p), ErrEventTooLarge
	}
	return len(p), nil
}

// Next returns the next whole event with the blank line that ends it, or nil. The bytes are valid
// until the next call of Write.
func (s *Splitter) Next() []byte {
	end := s.end()
	if end < 0 {
		return nil
	}
	ev := s.buf[:end:end]
	s.buf, s.scanned = s.buf[end:], 0
	return ev
}

// Rest returns what an ended stream left without a closing blank line.
func (s *Splitter) Rest() []byte { return s.buf }

// end finds the first line break that follows a line break ("\n", "\r\n" or "\r" each).
func (s *Splitter) end() int {
	for i := s.scanned; i < len(s.buf); i++ {
		if s.buf[i] != '\n' && s.buf[i] != '\r' {
			continue
		}
		j := afterBreak(s.buf, i)
		if j < 0 { // "\r" at the end: an "\n" may follow
			s.scanned = i
			return -1
		}
		if j >= len(s.buf) {
			s.scanned = i
			return -1
		}
		if s.buf[j] == '\n' || s.buf[j] == '\r' {
			if k := afterBreak(s.buf, j); k >= 0 {
				return k
			}
			s.scanned = i
			return -1
		}
		i = j - 1
	}
	s.scanned = len(s.buf)
	return -1
}

// afterBreak returns the index behind the line break at i, or -1 when that cannot be told yet.
func afterBreak(b []byte, i int) int {
	if b[i] == '\n' {
		return i + 1
	}
	if i+1 >= len(b) {
		return -1
	}
	if b[i+1] == '\n' {
		return i + 2
	}
	return i + 1
}

// Data returns the payload of an event: its data lines, joined by line breaks.
func Data(event []byte) []byte {
	var out []byte
	found := false
	for len(event) > 0 {
		var line []byte
		if i := bytes.IndexAny(event, "\r\n"); i >= 0 {
			line, event = event[:i], event[i+1:]
		} else {
			line, event = event, nil
		}
		v, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		v = bytes.TrimPrefix(v, []byte(" "))
		if !found {
			out, found = v[:len(v):len(v)], true
			continue
		}
		out = append(append(out, '\n'), v...)
	}
	return out
}
