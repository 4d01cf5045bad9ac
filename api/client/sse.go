package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxEvent bounds one server-sent event. Entries are far smaller; a server that exceeds it is broken.
const maxEvent = 32 << 20

var errEventTooLarge = errors.New("event larger than 32 MiB")

// sseEvent is one server-sent event.
type sseEvent struct {
	name string
	data []byte
}

// sse reads server-sent events.
type sse struct {
	r     *bufio.Reader
	alive func() // called for every line, heartbeats too
}

func newSSE(r io.Reader, alive func()) *sse {
	return &sse{r: bufio.NewReaderSize(r, 32<<10), alive: alive}
}

// next returns the next event that has data or a name. A partial event at the end of the stream is
// dropped, as the format wants.
func (s *sse) next() (sseEvent, error) {
	var ev sseEvent
	var seen bool
	for {
		line, err := s.line()
		if err != nil {
			return sseEvent{}, err
		}
		s.alive()
		if len(line) == 0 {
			if seen {
				return ev, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			ev.name, seen = string(value), true
		case "data":
			if len(ev.data)+len(value) > maxEvent {
				return sseEvent{}, errEventTooLarge
			}
			if ev.data != nil {
				ev.data = append(ev.data, '\n')
			}
			ev.data, seen = append(ev.data, value...), true
		}
	}
}

// line reads one line without its end (\n, \r\n), bounded by maxEvent.
func (s *sse) line() ([]byte, error) {
	var long []byte
	for {
		part, err := s.r.ReadSlice('\n')
		if err == nil && long == nil {
			return bytes.TrimRight(part, "\r\n"), nil
		}
		if len(long)+len(part) > maxEvent {
			return nil, errEventTooLarge
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(long, "\r\n"), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
