package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/run/feed"
)

// streamRuns serves GET /agent/runs/stream.
func (a *API) streamRuns(w http.ResponseWriter, r *http.Request) {
	ctx, leave := context.WithCancel(r.Context())
	defer leave()
	defer context.AfterFunc(a.ctx, leave)()
	changes := a.board.Look(ctx)
	out, err := startEvents(w)
	if err != nil || r.Method == http.MethodHead {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case s, ok := <-changes:
			if !ok || a.showList(ctx, out, s) != nil {
				return
			}
		case <-beat.C:
			if out.beat() != nil {
				return
			}
			if _, err := stateOf(ctx).recheck(ctx); err != nil {
				return
			}
		}
	}
}

// showList sends what the caller may see of a showing.
func (a *API) showList(ctx context.Context, out *events, s feed.Showing) error {
	sent := false
	if s.Many {
		sent = true
		if err := out.write([]byte("event: many\ndata: {}\n\n")); err != nil {
			return err
		}
	}
	actor := actorOf(ctx)
	for _, run := range s.Runs {
		if !actor.Sees(run.Owner) {
			continue
		}
		sent = true
		if err := out.write(run.Data); err != nil {
			return err
		}
	}
	if !sent {
		return nil
	}
	return out.flush()
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
