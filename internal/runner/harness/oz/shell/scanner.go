package shell

import "bytes"

// scanner finds a mark in a stream that arrives in pieces, holding back what may be its beginning.
type scanner struct {
	mark []byte
	held []byte
}

func newScanner(mark string) *scanner { return &scanner{mark: []byte(mark)} }

// write takes the next piece. It returns output certain not to belong to the mark and, once the
// mark is complete, found and what followed it. Out is valid until the next call.
func (s *scanner) write(b []byte) (out, after []byte, found bool) {
	s.held = append(s.held, b...)
	if i := bytes.Index(s.held, s.mark); i >= 0 {
		out, after = s.held[:i], s.held[i+len(s.mark):]
		s.held = nil
		return out, after, true
	}
	keep := s.overlap()
	cut := len(s.held) - keep
	out = s.held[:cut]
	s.held = append([]byte(nil), s.held[cut:]...)
	return out, nil, false
}

// rest returns what was held back when the stream ended without the mark.
func (s *scanner) rest() []byte {
	b := s.held
	s.held = nil
	return b
}

// overlap is the length of the longest end of held that begins the mark.
func (s *scanner) overlap() int {
	for n := min(len(s.held), len(s.mark)-1); n > 0; n-- {
		if bytes.HasSuffix(s.held, s.mark[:n]) {
			return n
		}
	}
	return 0
}
