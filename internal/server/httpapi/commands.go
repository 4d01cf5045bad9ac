package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
)

// streamCommands serves GET /runner/commands/stream: every command not consumed yet, then each new
// one. A command is sent once per connection. When the execution is over the stream ends, and the
// runner learns why from the answer to its next request.
func (a *API) streamCommands(w http.ResponseWriter, r *http.Request) {
	s := &commandStream{events: a.newEvents(w, r), actor: actorOf(r.Context()), poke: make(chan struct{}, 1)}
	var first []byte
	bell, err := a.cfg.Bells(s.ctx, s.actor.RunID)
	if err == nil {
		// The first look happens before the answer, so that an execution which is over is refused.
		first, err = aside(s.ctx, s.look)
	}
	if err != nil {
		s.cancel()
		a.fail(w, r, err)
		return
	}
	if err := s.start(r); err != nil || r.Method == http.MethodHead {
		s.cancel()
		return
	}
	a.runners.add(a, s)
	s.serve(func() { s.follow(first, bell) }, nil, func() { a.runners.remove(s) })
}

// commandStream is one runner's connection.
type commandStream struct {
	*events
	actor identity.Actor
	poke  chan struct{} // asks for a look: see runners
	last  atomic.Int64  // id of the last command sent
}

// follow sends commands as they are stored, until the stream ends or the execution is over. It looks
// when the bell rings, and when it is poked because the bus lost a bell.
func (s *commandStream) follow(first []byte, bell <-chan struct{}) {
	defer s.cancel()
	if len(first) > 0 && s.send(first) != nil {
		return
	}
	pulse := time.NewTicker(heartbeat)
	defer pulse.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-pulse.C:
			if s.send(beat) != nil {
				return
			}
			continue
		case <-s.poke:
		case _, ok := <-bell:
			if !ok {
				bell = nil // the bus is closing: being poked goes on
				continue
			}
		}
		events, err := aside(s.ctx, s.look)
		if err != nil {
			s.broke(err)
			return
		}
		if len(events) > 0 && s.send(events) != nil {
			return
		}
	}
}

// look encodes the commands that were not sent on this connection.
func (s *commandStream) look(ctx context.Context) ([]byte, error) {
	commands, err := s.api.cfg.Runs.Commands(ctx, s.actor)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for _, c := range commands {
		if c.ID <= s.last.Load() {
			continue
		}
		data, err := json.Marshal(s.api.wireCommand(c))
		if err != nil {
			return nil, fmt.Errorf("encode command: %w", err)
		}
		b.WriteString("event: command\nid: " + strconv.FormatInt(c.ID, 10) + "\ndata: ")
		b.Write(data)
		b.WriteString("\n\n")
		s.last.Store(c.ID)
	}
	return b.Bytes(), nil
}
