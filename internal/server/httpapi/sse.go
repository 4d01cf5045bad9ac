package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

const (
	// heartbeat is how often a quiet stream says that it lives. Clients and proxies give up after a
	// minute.
	heartbeat = 15 * time.Second
	// viewerStall is how long a viewer may take nothing before the server lets go of it. It comes
	// back with the number of the last entry it has.
	viewerStall = 30 * time.Second
)

// events writes server-sent events. It is for one goroutine.
type events struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// startEvents answers 200 and makes the headers reach the client at once.
func startEvents(w http.ResponseWriter) (*events, error) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("X-Accel-Buffering", "no") // or nginx holds events back
	e := &events{w: w, control: http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	err := e.flush()
	// A body that came along is dealt with by now: its deadline must not end the stream.
	_ = e.control.SetReadDeadline(time.Time{})
	return e, err
}

// aside runs fn on a goroutine of its own. The store needs a deep stack, which one that only waits
// from then on would keep: with a thousand streams that is more memory than all the rest of them.
func aside[T any](ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			done <- r
		}()
		r.value, r.err = fn(ctx)
	}()
	r := <-done
	return r.value, r.err
}

// write sends already encoded events.
func (e *events) write(b []byte) error {
	// A connection that knows no deadlines (in tests) is written without.
	_ = e.control.SetWriteDeadline(time.Now().Add(viewerStall))
	_, err := e.w.Write(b)
	return err
}

func (e *events) flush() error { return e.control.Flush() }

// beat sends a heartbeat: a comment, which clients ignore.
func (e *events) beat() error {
	if err := e.write([]byte(": \n\n")); err != nil {
		return err
	}
	return e.flush()
}
