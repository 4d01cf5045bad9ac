package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/orchestration"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/run/feed"
)

// encodeRunEvent writes an event as a server-sent one, once for everybody who follows its run.
func encodeRunEvent(e run.Event) []byte {
	data, err := json.Marshal(orchestration.Event(e))
	if err != nil {
		return nil // strings and a time always encode
	}
	return eventOf("id: "+strconv.FormatInt(e.Seq, 10)+"\ndata: ", data)
}

// streamEvents serves GET /agent/events/stream.
func (a *API) streamEvents(w http.ResponseWriter, r *http.Request) {
	sub, err := subscriptionOf(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	follower, err := aside(r.Context(), func(ctx context.Context) (*feed.Follower, error) {
		named := sub.RunIDs
		if sub.Ancestor != "" {
			named = []string{sub.Ancestor}
		}
		ids, err := a.cfg.Messages.MayFollow(ctx, actorOf(ctx), named)
		if err != nil {
			return nil, err
		}
		if sub.Ancestor == "" {
			sub.RunIDs = ids
		}
		return a.exchange.Follow(ctx, sub)
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	out := a.newEvents(w, r)
	if err := out.start(r); err != nil || r.Method == http.MethodHead {
		out.cancel()
		follower.Close()
		return
	}
	s := &eventStream{events: out, follower: follower, checked: time.Now()}
	out.serve(s.run, nil, follower.Close)
}

// subscriptionOf reads what a client wants to follow.
func subscriptionOf(r *http.Request) (feed.Subscription, error) {
	q := r.URL.Query()
	sub := feed.Subscription{RunIDs: append(q["run_ids[]"], q["run_ids"]...), Ancestor: q.Get("ancestor_run_id")}
	if (len(sub.RunIDs) > 0) == (sub.Ancestor != "") {
		return sub, api.Invalid("run_ids[]", "either runs are named, or ancestor_run_id is given")
	}
	var err error
	if word := q.Get("include_self"); word != "" {
		if sub.Self, err = strconv.ParseBool(word); err != nil {
			return sub, api.Invalid("include_self", "must be true or false")
		}
	}
	sub.Since, err = afterOf(r, "since")
	return sub, err
}

// eventStream is one client's view of the events of some runs.
type eventStream struct {
	*events
	follower *feed.Follower
	checked  time.Time // when the client was last found to be allowed
}

// run sends what happens until the stream ends or the caller may follow no longer.
func (s *eventStream) run() {
	defer s.cancel()
	for {
		chunks, err := s.next()
		if err != nil {
			if !errors.Is(err, feed.ErrClosed) {
				s.broke(err)
			}
			return
		}
		for _, c := range chunks {
			if s.write(c) != nil {
				return
			}
		}
		if s.flush() != nil {
			return
		}
		if time.Since(s.checked) < heartbeat {
			continue
		}
		if !s.allowed() {
			return
		}
		s.checked = time.Now()
	}
}

// next waits for events, or for the time of a heartbeat.
func (s *eventStream) next() ([][]byte, error) {
	wait, cancel := context.WithTimeout(s.ctx, heartbeat)
	defer cancel()
	chunks, err := s.follower.Next(wait)
	if errors.Is(err, context.DeadlineExceeded) && s.ctx.Err() == nil {
		return [][]byte{beat}, nil
	}
	return chunks, err
}
