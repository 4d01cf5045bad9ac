package view

import (
	"fmt"
	"io"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// maxOutputLines is how many lines of one command's output are shown; Printer.whole says where the rest is.
const maxOutputLines = 60

// Printer writes a session. It is for one goroutine.
type Printer struct {
	w     io.Writer
	style term.Style
	// command is what to type to steer this run, without the verb's end: "cadre run".
	command string
	runID   string
	seq     int64 // number of the entry being shown; 0 when it has none yet
	err     error

	live    fragment                // what is being streamed now
	pending []api.Action            // actions without a result yet, the first of them shown
	current string                  // action shown last
	usage   api.Usage               // sum of model calls
	shown   map[string]fragmentStat // fragments written per key
}

// fragmentStat says what of an entry was shown before it was finished.
type fragmentStat struct {
	text  string
	lines int
}

type fragment struct {
	key    string
	kind   api.DeltaKind
	column bool // the cursor is not at the start of a line
}

// New makes a printer of a run's session. command is how the CLI's run commands begin.
func New(w io.Writer, style term.Style, command, runID string) *Printer {
	return &Printer{w: w, style: style, command: command, runID: runID, shown: map[string]fragmentStat{}}
}

// Err is the first error of writing.
func (p *Printer) Err() error { return p.err }

func (p *Printer) write(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

// line ends what is being streamed and writes one line.
func (p *Printer) line(s string) {
	p.settle()
	p.write(s + "\n")
}

// settle ends a line that a fragment left open.
func (p *Printer) settle() {
	if p.live.column {
		p.write("\n")
	}
	p.live = fragment{}
}

// block writes cleaned text, every line behind an indent.
func (p *Printer) block(indent, text string, style func(string) string) {
	text = strings.TrimRight(term.Clean(text), "\n\t ")
	if text == "" {
		return
	}
	for line := range strings.SplitSeq(text, "\n") {
		p.line(indent + style(line))
	}
}

// transcript is what to type to read everything.
func (p *Printer) transcript() string { return p.command + " transcript " + p.runID }

// whole is what to type to read the whole output of the result being shown.
func (p *Printer) whole() string {
	if p.seq == 0 {
		return p.transcript()
	}
	return fmt.Sprintf("%s output %s %d", p.command, p.runID, p.seq)
}

// clipped writes at most limit lines, and says how many it left out and what to type to read them.
func (p *Printer) clipped(indent, text string, limit int, rest string, style func(string) string) {
	text = strings.TrimRight(text, "\n\t ")
	lines := strings.Split(text, "\n")
	left := len(lines) - limit
	if left > 0 {
		text = strings.Join(lines[:limit], "\n")
	}
	p.block(indent, text, style)
	if left > 0 {
		p.line(indent + p.style.Dim(fmt.Sprintf("… %d more lines: %s", left, rest)))
	}
}

// firstLines is the beginning of a text, up to n line ends.
func firstLines(s string, n int) string {
	end := 0
	for ; n > 0; n-- {
		i := strings.IndexByte(s[end:], '\n')
		if i < 0 {
			return s
		}
		end += i + 1
	}
	return s[:end]
}

func plain(s string) string { return s }

// Delta shows a fragment of an entry being produced. Only one entry is streamed at a time; another's
// fragments wait for the finished entry.
func (p *Printer) Delta(d api.Delta) {
	if d.Kind == api.DeltaKindReasoning || d.Text == "" {
		return
	}
	if d.Kind == api.DeltaKindOutput && len(p.pending) > 0 && !strings.HasSuffix(d.Key, p.pending[0].ID) {
		return // output of another action at the same time: shown with its result
	}
	stat := p.shown[d.Key]
	if p.live.key != d.Key && p.live.key != "" && p.live.kind == api.DeltaKindText {
		return
	}
	if d.Offset != 0 && d.Offset != int64(len(stat.text)) || d.Offset == 0 && stat.text != "" {
		return // a jump: the finished entry will show the rest
	}
	if stat.lines >= maxOutputLines && d.Kind == api.DeltaKindOutput {
		return
	}
	if p.live.key != d.Key {
		p.settle()
		p.live = fragment{key: d.Key, kind: d.Kind}
		if d.Kind == api.DeltaKindText {
			p.write(p.style.Cyan("●") + " ")
			p.live.column = true
		}
	}
	text := d.Text
	if d.Kind == api.DeltaKindOutput {
		text = firstLines(text, maxOutputLines-stat.lines)
	}
	p.stream(d.Kind, term.Clean(text))
	stat.text += d.Text
	stat.lines += strings.Count(d.Text, "\n")
	p.shown[d.Key] = stat
}

// stream writes a fragment behind the indent of its kind.
func (p *Printer) stream(kind api.DeltaKind, text string) {
	indent, style := "  ", plain
	if kind == api.DeltaKindOutput {
		indent, style = "    ", p.style.Dim
	}
	for i, part := range strings.SplitAfter(text, "\n") {
		if part == "" {
			continue
		}
		if !p.live.column && (i > 0 || part != "\n") {
			p.write(indent)
		}
		body := strings.TrimSuffix(part, "\n")
		p.write(style(body))
		if p.live.column = body == part; !p.live.column {
			p.write("\n")
		}
	}
}

// finish shows what is left of a text whose fragments were shown, or all of it when they do not fit.
// It reports whether the text had been begun.
func (p *Printer) finish(key string, text string, kind api.DeltaKind) bool {
	stat, begun := p.shown[key]
	delete(p.shown, key)
	if !begun || key == "" {
		return false
	}
	rest, fits := strings.CutPrefix(text, stat.text)
	if !fits {
		p.settle()
		return kind == api.DeltaKindOutput // shortened output: what was streamed will do
	}
	if p.live.key != key {
		p.settle()
		p.live = fragment{key: key, kind: kind}
	}
	if kind == api.DeltaKindOutput && stat.lines+strings.Count(rest, "\n") > maxOutputLines {
		p.settle()
		p.line("    " + p.style.Dim("… more: "+p.whole()))
		return true
	}
	p.stream(kind, term.Clean(strings.TrimRight(rest, "\n")))
	p.settle()
	return true
}
