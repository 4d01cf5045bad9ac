package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

// EncodeEvent writes an item of a session as a server-sent event: an entry with its number as id, a
// delta without one. It is called once per item, however many watch.
func EncodeEvent(i session.Item) []byte {
	var (
		data []byte
		err  error
	)
	switch {
	case i.Entry != nil:
		if data, err = json.Marshal(i.Entry); err == nil {
			head := "id: " + strconv.FormatInt(i.Entry.Seq, 10) + "\nevent: entry\ndata: "
			return eventOf(head, data)
		}
	case i.Delta != nil:
		if data, err = json.Marshal(i.Delta); err == nil {
			return eventOf("event: delta\ndata: ", data)
		}
	}
	return nil // only an entry that is no JSON fails, and none such is stored
}

func eventOf(head string, data []byte) []byte {
	b := make([]byte, 0, len(head)+len(data)+2)
	b = append(b, head...)
	b = append(b, data...) // JSON on one line: encoding escapes every line break
	return append(b, '\n', '\n')
}

// streamRun serves GET /agent/runs/{runId}/stream.
func (a *API) streamRun(w http.ResponseWriter, r *http.Request) {
	after, err := afterOf(r, "after")
	if err != nil {
		a.fail(w, r, err)
		return
	}
	viewer, err := aside(r.Context(), func(ctx context.Context) (*session.Viewer, error) {
		if _, err := a.cfg.Runs.Get(ctx, actorOf(ctx), r.PathValue("runId")); err != nil {
			return nil, err
		}
		return a.cfg.Sessions.Follow(ctx, r.PathValue("runId"), after)
	})
	if err != nil {
		a.fail(w, r, stopping(err))
		return
	}
	out := a.newEvents(w, r)
	if err := out.start(r); err != nil || r.Method == http.MethodHead {
		out.cancel()
		viewer.Close()
		return
	}
	s := &show{events: out, viewer: viewer, checked: time.Now()}
	out.serve(s.run, s.tick, viewer.Close)
}

// afterOf is the number of the last entry or event the caller has, which it gives by a parameter. A
// reconnecting EventSource repeats the address it began with, so its Last-Event-ID wins.
func afterOf(r *http.Request, parameter string) (int64, error) {
	name, value := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if value == "" {
		name, value = parameter, r.URL.Query().Get(parameter)
	}
	if value == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(value, 10, 64)
	if err != nil || after < 0 {
		return 0, api.Invalid(name, "must be a number that the stream gave, or 0")
	}
	return after, nil
}

// show is a session shown to one client. As long as the client keeps up its viewer rests, and the
// room itself writes what is new: a goroutine runs only to begin with, for what must be read or cannot
// be written at once, and at the end.
type show struct {
	*events
	viewer  *session.Viewer
	owed    [][]byte  // what was to be written before the viewer rests again
	checked time.Time // when the client was last found to be allowed, unless attend sees to that
}

// Take makes show a session.Taker.
func (s *show) Take(chunks [][]byte) bool {
	for i, c := range chunks {
		if n := s.taken.direct(c); n < len(c) {
			s.owed = append(append(s.owed, c[n:]), chunks[i+1:]...)
			return false
		}
	}
	return true
}

// Wake makes show a session.Taker.
func (s *show) Wake() { s.aside(s.run) }

// run sends what the viewer sees until it rests, or the session ends, the client goes or the server
// stops, which ends the stream.
func (s *show) run() {
	for s.taken == nil || s.taken.direct == nil || s.owed != nil || !s.viewer.Rest(s) {
		chunks, err := s.next()
		switch {
		case errors.Is(err, io.EOF):
			// What cannot be written now, the client finds out when it comes back.
			_ = s.end(s.viewer.Seq())
		case err != nil:
			s.broke(err)
		case s.sendAll(chunks) == nil:
			continue
		}
		s.cancel()
		return
	}
}

// next waits for what to send: what is owed, what is new, or a heartbeat.
func (s *show) next() ([][]byte, error) {
	if chunks := s.owed; chunks != nil {
		s.owed = nil
		return chunks, nil
	}
	if s.taken == nil && time.Since(s.checked) >= heartbeat {
		if !s.allowed() {
			s.cancel()
			return nil, context.Cause(s.ctx)
		}
		s.checked = time.Now()
	}
	wait, cancel := context.WithTimeout(s.ctx, heartbeat)
	defer cancel()
	chunks, err := s.viewer.Next(wait)
	if errors.Is(err, context.DeadlineExceeded) && wait.Err() != nil && s.ctx.Err() == nil {
		return [][]byte{beat}, nil
	}
	return chunks, err
}

func (s *show) sendAll(chunks [][]byte) error {
	for _, c := range chunks {
		if err := s.write(c); err != nil {
			return err
		}
	}
	return s.flush()
}

// tick is the heartbeat of a taken connection. One that is being written to needs none.
func (s *show) tick() bool {
	s.viewer.Give(beat)
	return s.allowed()
}

// stopping makes an answer of the session service's end.
func stopping(err error) error {
	if !errors.Is(err, session.ErrClosed) {
		return err
	}
	retryable := true
	return &api.Failure{
		Code: api.PlatformErrorCodeResourceUnavailable, Status: http.StatusServiceUnavailable,
		Detail: "the server is stopping", Retryable: &retryable,
	}
}

// downloadTranscript serves what getTranscript redirects to: every entry as a line of JSON, made as
// it is sent.
func (a *API) downloadTranscript(w http.ResponseWriter, r *http.Request) {
	if err := a.verifyLink(r); err != nil {
		a.fail(w, r, err)
		return
	}
	id := r.PathValue("runId")
	if _, err := a.cfg.Store.Get(r.Context(), id); err != nil {
		a.fail(w, r, err)
		return
	}
	attachment(w, "transcript-"+id+".jsonl", id)
	if r.Method == http.MethodHead {
		return
	}
	if err := a.cfg.Sessions.Transcript(r.Context(), id, stallWriter(w)); err != nil {
		a.cfg.Log.DebugContext(r.Context(), "transcript broke off", "run_id", id, "err", err)
		panic(http.ErrAbortHandler) // so that a cut body is not taken for a whole one
	}
}
