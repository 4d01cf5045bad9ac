package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
)

// quiet is how long a stream may be silent before it counts as lost. Servers send heartbeats far
// more often.
const quiet = 60 * time.Second

// Event is one thing seen while following a session; exactly one member is set.
type Event struct {
	// Entry is the next durable entry: every one arrives once, in order.
	Entry *api.Entry
	// Delta is a fragment of an entry still being produced. Some may be missing.
	Delta *api.Delta
	// Lost says that the connection was lost and is being made again after Retry.
	Lost error
	// Retry is set with Lost.
	Retry time.Duration
}

// errEnd says that the server closed the stream because the run has ended.
var errEnd = errors.New("end of session")

// Follow yields the entries of a run after the one numbered after, then what happens live, until
// the run has ended and every entry was seen. A lost connection is made again with growing delays,
// without gap or repeat, until ctx ends. An answer that will not change (an unknown run, a revoked
// key) is yielded as an error and ends it, as does the end of ctx.
func (c *Client) Follow(ctx context.Context, runID string, after int64) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		f := follower{last: after, yield: yield}
		path := "/agent/runs/" + url.PathEscape(runID) + "/stream"
		err := c.insist(ctx, path, &f.last, f.handle, func(err error, delay time.Duration) bool {
			return f.emit(Event{Lost: err, Retry: delay}) == nil
		})
		if err != nil && !f.stopped {
			yield(Event{}, err)
		}
	}
}

// insist follows a stream from the event after *last, which handle keeps, and comes back with growing delays
// when the connection is lost, unless lost says that the caller wants no more. It returns nil when the stream
// has come to its end or handle stopped it, the cause of ctx's end, or an answer that will not change.
func (c *Client) insist(ctx context.Context, path string, last *int64, handle func(sseEvent) error, lost func(error, time.Duration) bool) error {
	for attempt := 0; ; attempt++ {
		before := *last
		err := c.connect(ctx, path, *last, handle)
		switch {
		case errors.Is(err, errStop), errors.Is(err, errEnd):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case final(err):
			return err
		case *last > before:
			attempt = 0
		}
		delay := backoff(attempt)
		if !lost(err, delay) {
			return nil
		}
		if err := api.Pause(ctx, delay); err != nil {
			return err
		}
	}
}

// final says whether trying again cannot help.
func final(err error) bool {
	var f *api.Failure
	if !errors.As(err, &f) {
		return false
	}
	return f.Status < 500 && f.Status != http.StatusRequestTimeout && f.Status != http.StatusTooManyRequests && f.Status != http.StatusConflict
}

type follower struct {
	last    int64 // number of the last entry yielded
	yield   func(Event, error) bool
	stopped bool // the caller wants no more
}

// connect follows one connection of a stream until it ends. Its error says why.
func (c *Client) connect(ctx context.Context, path string, last int64, handle func(sseEvent) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.root+api.BasePath+path, nil)
	if err != nil {
		return err
	}
	for _, edit := range c.raw.RequestEditors {
		if err := edit(ctx, req); err != nil {
			return err
		}
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
	rsp, err := c.http.Do(req)
	if err != nil {
		return explain(req, err)
	}
	defer rsp.Body.Close()
	if rsp.StatusCode != http.StatusOK {
		return problem(rsp)
	}
	silence := time.AfterFunc(quiet, func() { cancel(fmt.Errorf("nothing heard for %s", quiet)) })
	defer silence.Stop()
	r := newSSE(rsp.Body, func() { silence.Reset(quiet) })
	for {
		ev, err := r.next()
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("stream ended: %w", err)
		}
		if err := handle(ev); err != nil {
			return err
		}
	}
}

// errStop ends a connection because the caller stopped the iteration.
var errStop = errors.New("stopped by caller")

func (f *follower) handle(ev sseEvent) error {
	switch ev.name {
	case "end":
		return errEnd
	case "entry":
		return f.entry(ev)
	case "delta":
		var d api.Delta
		if err := json.Unmarshal(ev.data, &d); err != nil {
			return fmt.Errorf("delta: %w", err)
		}
		return f.emit(Event{Delta: &d})
	}
	return nil // an event of a newer server
}

// entry yields an entry that is next; one already seen is skipped, a gap is asked for again.
func (f *follower) entry(ev sseEvent) error {
	var e api.Entry
	if err := json.Unmarshal(ev.data, &e); err != nil {
		return fmt.Errorf("entry: %w", err)
	}
	switch {
	case e.Seq <= f.last:
		return nil
	case e.Seq > f.last+1:
		return fmt.Errorf("entry %d arrived after %d", e.Seq, f.last)
	}
	f.last = e.Seq
	return f.emit(Event{Entry: &e})
}

func (f *follower) emit(ev Event) error {
	if !f.yield(ev, nil) {
		f.stopped = true
		return errStop
	}
	return nil
}
