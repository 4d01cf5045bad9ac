package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/run/feed"
)

// streamRuns serves GET /agent/runs/stream.
func (a *API) streamRuns(w http.ResponseWriter, r *http.Request) {
	s := &listStream{events: a.newEvents(w, r), actor: actorOf(r.Context())}
	changes := a.board.Look(s.ctx)
	if err := s.start(r); err != nil || r.Method == http.MethodHead {
		s.cancel()
		return
	}
	s.serve(func() { s.follow(changes) }, nil, func() {})
}

// listStream is one client's view of the lists.
type listStream struct {
	*events
	actor identity.Actor
}

// follow sends changes until the stream ends or the caller may look no longer.
func (s *listStream) follow(changes <-chan feed.Showing) {
	defer s.cancel()
	pulse := time.NewTicker(heartbeat)
	defer pulse.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case showing, ok := <-changes:
			if !ok || s.show(showing) != nil {
				return
			}
		case <-pulse.C:
			if s.send(beat) != nil || !s.allowed() {
				return
			}
		}
	}
}

// show sends what the caller may see of a showing.
func (s *listStream) show(showing feed.Showing) error {
	sent := false
	if showing.Many {
		sent = true
		if err := s.write([]byte("event: many\ndata: {}\n\n")); err != nil {
			return err
		}
	}
	for _, run := range showing.Runs {
		if !s.actor.Sees(run.Owner) {
			continue
		}
		sent = true
		if err := s.write(run.Data); err != nil {
			return err
		}
	}
	if !sent {
		return nil
	}
	return s.flush()
}

// shown finds and encodes changed runs, once for everybody who looks.
func (a *API) shown(ctx context.Context, runIDs []string) ([]feed.Shown, error) {
	var runs []run.Run
	for _, id := range runIDs {
		switch r, err := a.cfg.Store.Get(ctx, id); {
		case err == nil:
			runs = append(runs, r)
		case api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound:
			return nil, err
		}
	}
	items, err := a.cfg.Runs.Items(ctx, runs...)
	if err != nil {
		return nil, err
	}
	out := make([]feed.Shown, 0, len(items))
	for i, item := range items {
		data, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		out = append(out, feed.Shown{Owner: runs[i].Owner, Data: eventOf("event: run\ndata: ", data)})
	}
	return out, nil
}
