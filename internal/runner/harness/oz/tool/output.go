package tool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Output collects what a call prints: the beginning and the end for the model, and the whole in a
// file as soon as it is more than the two can hold. It must be closed.
type Output struct {
	limit    int   // bytes kept of the text
	maxWhole int64 // bytes kept in the file
	scratch  string
	stream   func(offset int64, text string)

	head, tail []byte
	total      int64
	file       *os.File
	fileErr    error
	stored     int64
	streamed   int64
	partial    []byte // an unfinished rune at the end of what was streamed
}

// NewOutput makes a collector. Stream, when not nil, is given valid text as it arrives.
func NewOutput(limit int, maxWhole int64, scratch string, stream func(offset int64, text string)) *Output {
	return &Output{limit: max(limit, 256), maxWhole: maxWhole, scratch: scratch, stream: stream}
}

// Write never fails: what cannot be kept is counted as omitted.
func (o *Output) Write(b []byte) (int, error) {
	o.show(b)
	return o.WriteQuiet(b)
}

// WriteQuiet is Write without streaming.
func (o *Output) WriteQuiet(b []byte) (int, error) {
	n := len(b)
	o.total += int64(n)
	if o.file == nil && o.fileErr == nil && o.total > int64(o.limit) {
		o.spill()
	}
	if o.file != nil {
		o.store(b)
	}
	if room := o.limit/2 - len(o.head); room > 0 {
		take := min(room, len(b))
		o.head = append(o.head, b[:take]...)
		b = b[take:]
	}
	o.tail = append(o.tail, b...)
	if keep := o.limit - o.limit/2; len(o.tail) > 4*keep {
		o.tail = append(o.tail[:0], o.tail[len(o.tail)-keep:]...)
	}
	return n, nil
}

// spill begins the file with what was kept so far, which is still everything.
func (o *Output) spill() {
	o.file, o.fileErr = os.CreateTemp(o.scratch, "output-*")
	if o.fileErr == nil {
		o.store(o.head)
		o.store(o.tail)
	}
}

func (o *Output) store(b []byte) {
	if room := o.maxWhole - o.stored; int64(len(b)) > room {
		b = b[:max(room, 0)]
	}
	n, err := o.file.Write(b)
	o.stored += int64(n)
	if err != nil && o.fileErr == nil {
		o.fileErr = err
	}
}

// show streams whole runes only.
func (o *Output) show(b []byte) {
	if o.stream == nil {
		return
	}
	b = append(o.partial, b...)
	cut := len(b)
	for i := 1; i <= min(utf8.UTFMax-1, len(b)); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				cut = len(b) - i
			}
			break
		}
	}
	o.partial = append([]byte(nil), b[cut:]...)
	if text := strings.ToValidUTF8(string(b[:cut]), "\uFFFD"); text != "" {
		o.stream(o.streamed, text)
		o.streamed += int64(len(text))
	}
}

// Text is what the model and the entry get: everything, or the beginning and the end with a line
// between that says how much is missing.
func (o *Output) Text() (text string, omitted int64) {
	if o.total <= int64(o.limit) {
		return strings.ToValidUTF8(string(o.head)+string(o.tail), "\uFFFD"), 0
	}
	tail := o.tail
	if keep := o.limit - o.limit/2; len(tail) > keep {
		tail = tail[len(tail)-keep:]
	}
	head := o.head
	// Cut at runes, so that no half of one is shown.
	for len(tail) > 0 && !utf8.RuneStart(tail[0]) {
		tail = tail[1:]
	}
	omitted = o.total - int64(len(head)) - int64(len(tail))
	return strings.ToValidUTF8(string(head), "\uFFFD") +
		fmt.Sprintf("\n… [%d bytes omitted here] …\n", omitted) +
		strings.ToValidUTF8(string(tail), "\uFFFD"), omitted
}

// Whole returns a reader of all output when Text leaves something out; else nil. Missing is the
// number of bytes at the end that could not be kept even so.
func (o *Output) Whole() (r io.Reader, missing int64, err error) {
	if o.total <= int64(o.limit) {
		return nil, 0, nil
	}
	if o.fileErr != nil {
		return nil, 0, fmt.Errorf("keep whole output: %w", o.fileErr)
	}
	if _, err := o.file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	return o.file, o.total - o.stored, nil
}

// Close removes the file.
func (o *Output) Close() error {
	if o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
