package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// said is what a server says on the line at once: who it is, or messages it passes on.
type said struct {
	Name     string    `json:"name,omitempty"`
	Ask      bool      `json:"ask,omitempty"` // the others are to say who they are
	Messages []passage `json:"messages,omitempty"`
}

// passage is a message in passing. All payloads of a bus are text.
type passage struct {
	Subject string `json:"s"`
	Payload string `json:"p,omitempty"`
}

// maxSaid bounds what is put together from frames, in bytes: more than any message.
const maxSaid = 2 << 20

// frame is a piece of what a server says, as long as a Line carries. On the line it is the sender, the
// frame's number, b if it begins and e if it ends something said, and the piece, with blanks between.
type frame struct {
	from       string
	number     uint64
	begin, end bool
	piece      string
}

func (f frame) String() string {
	marks := ""
	if f.begin {
		marks += "b"
	}
	if f.end {
		marks += "e"
	}
	return fmt.Sprintf("%s %d %s %s", f.from, f.number, marks, f.piece)
}

// parseFrame reads a frame; ok is false for anything else.
func parseFrame(text string) (f frame, ok bool) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) != 4 || parts[0] == "" {
		return frame{}, false
	}
	number, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return frame{}, false
	}
	return frame{
		from: parts[0], number: number, piece: parts[3],
		begin: strings.Contains(parts[2], "b"), end: strings.Contains(parts[2], "e"),
	}, true
}

// frames numbers what one server says.
type frames struct {
	self string
	last uint64
}

func (f *frames) hello(name string, ask bool) []string { return f.cut(said{Name: name, Ask: ask}) }

func (f *frames) messages(batch []message) []string {
	s := said{Messages: make([]passage, len(batch))}
	for i, m := range batch {
		s.Messages[i] = passage{m.subject, string(m.payload)}
	}
	return f.cut(s)
}

// cut makes frames of what is said, none longer than LineText.
func (f *frames) cut(s said) (texts []string) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings only; what is not UTF-8 is replaced
	rest := strings.TrimSuffix(text.String(), "\n")
	room := LineText - len(f.self) - len(" 18446744073709551615 be ")
	for begin := true; begin || rest != ""; begin = false {
		n := min(room, len(rest))
		for n < len(rest) && !utf8.RuneStart(rest[n]) {
			n--
		}
		f.last++
		piece := frame{from: f.self, number: f.last, begin: begin, end: n == len(rest), piece: rest[:n]}
		texts, rest = append(texts, piece.String()), rest[n:]
	}
	return texts
}

// assembly puts together what one server says.
type assembly struct {
	last uint64 // number of its last frame, 0 before the first
	open bool   // something was begun
	text []byte
}

// add takes the next frame and returns what it completes. gap says that frames before it were lost.
func (a *assembly) add(f frame) (s said, gap bool) {
	gap = a.last != 0 && f.number != a.last+1
	a.last = f.number
	switch {
	case f.begin:
		a.open, a.text = true, a.text[:0]
	case gap:
		a.open = false
	}
	if !a.open {
		return said{}, gap
	}
	if a.text = append(a.text, f.piece...); len(a.text) > maxSaid {
		a.open, a.text = false, nil
		return said{}, true
	}
	if !f.end {
		return said{}, gap
	}
	a.open = false
	if err := json.Unmarshal(a.text, &s); err != nil {
		return said{}, true
	}
	return s, gap
}
