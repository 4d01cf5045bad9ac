package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

const (
	// heartbeat is how often a quiet stream says that it lives. Clients and proxies give up after a
	// minute.
	heartbeat = 15 * time.Second
	// viewerStall is how long a viewer may take nothing before the server lets go of it. It comes
	// back with the number of the last entry it has.
	viewerStall = 30 * time.Second
	// stride bounds the bytes a viewer must take within viewerStall: what a stream writes at once may be
	// megabytes, and a slow line is not a dead one.
	stride = 64 << 10
)

// beat is a heartbeat: a comment, which clients ignore.
var beat = []byte(": \n\n")

// events is an answer that goes on: server-sent events, written by one goroutine at a time.
//
// Where it can it takes the connection over from net/http, whose buffers, request and deep stack
// would stay as long as the stream does and weigh more than all the rest of it. Otherwise (HTTP/2, a
// request with a body) net/http goes on serving it, and the handler stays.
type events struct {
	api *API
	// ctx ends with the stream: by cancel, or when the client goes or the server stops.
	ctx     context.Context
	cancel  context.CancelFunc
	recheck func(context.Context) error // see state

	w       http.ResponseWriter // as long as net/http serves it
	control *http.ResponseController
	detach  func() bool // ends ctx's being bound to the request

	taken *taken // the connection when it was taken over, else nil
}

// newEvents prepares a stream. The caller starts or cancels it.
func (a *API) newEvents(w http.ResponseWriter, r *http.Request) *events {
	e := &events{api: a, w: w, control: http.NewResponseController(w), recheck: stateOf(r.Context()).recheck}
	e.ctx, e.cancel = context.WithCancel(a.ctx)
	e.detach = context.AfterFunc(r.Context(), e.cancel)
	if s := stateOf(r.Context()); s.leave != nil {
		context.AfterFunc(e.ctx, s.leave)
		s.leave = nil
	}
	return e
}

// start answers 200 and makes the headers reach the client at once.
func (e *events) start(r *http.Request) error {
	h := e.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("X-Accel-Buffering", "no") // or nginx holds events back
	if e.taken = e.take(r); e.taken != nil {
		s := stateOf(r.Context())
		s.wroteHeader, s.status = true, http.StatusOK
		err := e.write(answerHead(h, e.api.cfg.Now()))
		e.detach()
		e.w, e.control, e.detach = nil, nil, nil // or they would keep the request
		return err
	}
	e.w.WriteHeader(http.StatusOK)
	err := e.flush()
	// A body that came along is dealt with by now: its deadline must not end the stream.
	_ = e.control.SetReadDeadline(time.Time{})
	return err
}

// write sends encoded events and waits until the connection has taken them.
func (e *events) write(b []byte) error {
	for some := range slices.Chunk(b, stride) {
		if err := e.writeSome(some); err != nil {
			return err
		}
	}
	return nil
}

func (e *events) writeSome(b []byte) error {
	if e.taken != nil {
		return e.taken.write(b)
	}
	// A connection that knows no deadlines (in tests) is written without.
	_ = e.control.SetWriteDeadline(time.Now().Add(viewerStall))
	_, err := e.w.Write(b)
	return err
}

// flush makes what was written leave.
func (e *events) flush() error {
	if e.taken != nil {
		return nil // it has left
	}
	return e.control.Flush()
}

// send writes and flushes.
func (e *events) send(b []byte) error {
	if err := e.write(b); err != nil {
		return err
	}
	return e.flush()
}

// end tells the client that there is no more to come.
func (e *events) end(lastSeq int64) error {
	return e.send([]byte("event: end\ndata: {\"last_seq\":" + strconv.FormatInt(lastSeq, 10) + "}\n\n"))
}

// broke logs why a stream ended early, where that is the server's own fault.
func (e *events) broke(err error) {
	if e.ctx.Err() == nil && !errors.Is(err, session.ErrClosed) && ours(err) {
		e.api.cfg.Log.ErrorContext(e.ctx, "stream broke off", "err", err)
	}
}

// allowed reports whether the client may still have the stream. That the server cannot find out is no
// reason to end it: all clients would be sent away at once, and be back at once, over a busy database.
func (e *events) allowed() bool {
	_, err := aside(e.ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, e.recheck(ctx) })
	if err == nil || !ours(err) {
		return err == nil
	}
	if e.ctx.Err() == nil {
		e.api.cfg.Log.WarnContext(e.ctx, "cannot find out who may watch; trying again", "err", err)
	}
	return true
}

// ours reports whether an error is the server's own fault.
func ours(err error) bool {
	var f *api.Failure
	return !errors.As(err, &f) || statusOf(f) >= http.StatusInternalServerError
}

// serve runs work until it has nothing more to do. Beside a taken connection it does so on another
// goroutine and returns at once, and tick is called with every heartbeat (nil: never) as long as the
// connection is there. leave is called at the end of the stream.
func (e *events) serve(work func(), tick func() bool, leave func()) {
	if e.taken == nil {
		defer leave()
		defer e.cancel()
		work()
		return
	}
	e.api.streams.Go(func() {
		defer leave()
		defer e.cancel()
		e.taken.attend(tick)
	})
	e.aside(work)
}

// aside runs fn on a goroutine of its own. A panic ends the stream and not the server.
func (e *events) aside(fn func()) {
	e.api.streams.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				e.api.cfg.Log.Error("panic in stream", "panic", p, "stack", string(debug.Stack()))
				e.cancel()
			}
		}()
		fn()
	})
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
