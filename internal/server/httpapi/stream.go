package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

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
	after, err := afterOf(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	ctx := r.Context()
	viewer, err := aside(ctx, func(ctx context.Context) (*session.Viewer, error) {
		if _, err := a.cfg.Runs.Get(ctx, actorOf(ctx), r.PathValue("runId")); err != nil {
			return nil, err
		}
		return a.cfg.Sessions.Follow(ctx, r.PathValue("runId"), after)
	})
	if err != nil {
		a.fail(w, r, stopping(err))
		return
	}
	defer viewer.Close()
	out, err := startEvents(w)
	if err != nil || r.Method == http.MethodHead {
		return
	}
	a.show(ctx, out, viewer)
}

// afterOf is the number of the last entry the caller has. A reconnecting EventSource repeats the
// address it began with, so its Last-Event-ID wins.
func afterOf(r *http.Request) (int64, error) {
	name, value := "Last-Event-ID", r.Header.Get("Last-Event-ID")
	if value == "" {
		name, value = "after", r.URL.Query().Get("after")
	}
	if value == "" {
		return 0, nil
	}
	after, err := strconv.ParseInt(value, 10, 64)
	if err != nil || after < 0 {
		return 0, api.Invalid(name, "must be the number of an entry, or 0")
	}
	return after, nil
}

// show sends what the viewer sees until the session ends, the client goes or the server stops.
func (a *API) show(ctx context.Context, out *events, viewer *session.Viewer) {
	for {
		// One timer serves all waits up to the next heartbeat.
		wait, cancel := context.WithTimeout(ctx, heartbeat)
		err := a.showUntil(wait, out, viewer)
		cancel()
		switch {
		case errors.Is(err, io.EOF):
			// What cannot be written now, the client finds out when it comes back.
			_ = out.end(viewer.Seq())
			return
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) || wait.Err() == nil:
			return
		case out.beat() != nil:
			return
		}
		if _, err := aside(ctx, stateOf(ctx).recheck); err != nil {
			return
		}
	}
}

func (a *API) showUntil(ctx context.Context, out *events, viewer *session.Viewer) error {
	for {
		chunks, err := viewer.Next(ctx)
		if err != nil {
			return err
		}
		for _, c := range chunks {
			if err := out.write(c); err != nil {
				return errors.Join(errGone, err)
			}
		}
		if err := out.flush(); err != nil {
			return errors.Join(errGone, err)
		}
	}
}

// errGone says that the client of a stream went away.
var errGone = errors.New("client is gone")

// end tells the client that there is no more to come.
func (e *events) end(lastSeq int64) error {
	if err := e.write([]byte(`event: end` + "\ndata: {\"last_seq\":" + strconv.FormatInt(lastSeq, 10) + "}\n\n")); err != nil {
		return err
	}
	return e.flush()
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
