package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// streamCommands serves GET /runner/commands/stream: every command not consumed yet, then each new
// one. A command is sent once per connection. When the execution is over the stream ends, and the
// runner learns why from the answer to its next request.
func (a *API) streamCommands(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	bell, err := a.cfg.Bells(ctx, actorOf(ctx).RunID)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	// The first look happens before the answer, so that an execution which is over is refused.
	s := commandStream{api: a}
	first, err := aside(ctx, s.look)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if s.out, err = startEvents(w); err != nil || r.Method == http.MethodHead {
		return
	}
	if err := s.send(first); err != nil {
		return
	}
	if err := s.follow(ctx, bell); err != nil {
		a.fail(w, r, err) // which logs what is the server's own fault
	}
}

// commandStream is one runner's connection.
type commandStream struct {
	api  *API
	out  *events
	last int64 // id of the last command sent
}

// follow sends commands as they are stored. With every heartbeat it looks by itself, in case the bus
// lost a bell, which also finds out that the execution is over.
func (s *commandStream) follow(ctx context.Context, bell <-chan struct{}) error {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.api.closing:
			return nil
		case <-beat.C:
			if s.out.beat() != nil {
				return nil
			}
		case _, ok := <-bell:
			if !ok {
				bell = nil // the bus is closing: the slow look goes on
			}
		}
		events, err := aside(ctx, s.look)
		if err != nil {
			return err
		}
		if s.send(events) != nil {
			return nil
		}
	}
}

// look encodes the commands that were not sent on this connection.
func (s *commandStream) look(ctx context.Context) ([]byte, error) {
	commands, err := s.api.cfg.Runs.Commands(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, c := range commands {
		if c.ID <= s.last {
			continue
		}
		data, err := json.Marshal(c.Wire())
		if err != nil {
			return nil, fmt.Errorf("encode command: %w", err)
		}
		b.WriteString("event: command\nid: " + strconv.FormatInt(c.ID, 10) + "\ndata: ")
		b.Write(data)
		b.WriteString("\n\n")
		s.last = c.ID
	}
	return b.Bytes(), nil
}

func (s *commandStream) send(events []byte) error {
	if len(events) == 0 {
		return nil
	}
	if err := s.out.write(events); err != nil {
		return err
	}
	return s.out.flush()
}
