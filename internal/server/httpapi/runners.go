package httpapi

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

// lookAtOnce bounds the runs asked about in one query.
const lookAtOnce = 200

// runners are the open command streams. With every heartbeat they are looked after together, in case
// the bus lost a bell, and to find those whose execution is over: one query for many costs a tenth of
// what a look of each does.
type runners struct {
	mu      sync.Mutex
	streams map[*commandStream]int64 // the last command that a look was asked for
	looking bool                     // a goroutine looks after them; it ends when there are none
}

func (l *runners) add(a *API, s *commandStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.streams == nil {
		l.streams = make(map[*commandStream]int64)
	}
	l.streams[s] = 0
	if !l.looking {
		l.looking = true
		a.streams.Go(func() { l.lookAfter(a) })
	}
}

func (l *runners) remove(s *commandStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, s)
}

// open lists the streams, or says that there is nobody to look after any more.
func (l *runners) open() (list []*commandStream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.streams {
		list = append(list, s)
	}
	l.looking = len(list) > 0
	return list
}

func (l *runners) lookAfter(a *API) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-a.ctx.Done():
			return
		case <-tick.C:
		}
		list := l.open()
		if len(list) == 0 {
			return
		}
		for some := range slices.Chunk(list, lookAtOnce) {
			if err := l.lookAt(a.ctx, a.cfg.Sessions, some); err != nil && a.ctx.Err() == nil {
				a.cfg.Log.Warn("cannot look for commands; trying again", "error", err)
				break
			}
		}
	}
}

func (l *runners) lookAt(ctx context.Context, sessions Sessions, streams []*commandStream) error {
	ids := make([]string, len(streams))
	for i, s := range streams {
		ids[i] = s.actor.RunID
	}
	heads, err := sessions.Heads(ctx, ids)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range streams {
		asked, open := l.streams[s]
		if head := heads[s.actor.RunID]; open && s.mustLook(head, asked) {
			l.streams[s] = head.LastCommand
			select {
			case s.poke <- struct{}{}:
			default: // it has been asked
			}
		}
	}
	return nil
}

// mustLook reports whether there may be a command that was neither sent nor looked for, or the
// execution may be over. A cancelled run's does not say so by its head.
func (s *commandStream) mustLook(head session.Head, asked int64) bool {
	return head.LastCommand > max(asked, s.last.Load()) || head.Execution != s.actor.Execution ||
		!head.Live || head.State == api.RunStateCANCELLED
}
