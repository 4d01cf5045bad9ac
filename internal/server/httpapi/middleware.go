package httpapi

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
)

// state is what is known about a request while it is served.
type state struct {
	traceID     string // 32 hexadecimal digits, from traceparent if the caller sent one
	operation   string // operationId, once routed
	actor       identity.Actor
	status      int
	wroteHeader bool
	// recheck fails when the actor may no longer do this, for long streams.
	recheck func(context.Context) error
	leave   func() // gives the stream's place back, until newEvents sees to that
	body    []byte // as read, for naming the field of a decoding error
	source  string // as the client declares it
	root    string // this server's root URL as the caller reached it
}

type stateKey struct{}

// stateOf returns the request's state. Every request has one: see ServeHTTP.
func stateOf(ctx context.Context) *state {
	if s, ok := ctx.Value(stateKey{}).(*state); ok {
		return s
	}
	return &state{}
}

// actorOf returns the authenticated caller of an operation that is not public.
func actorOf(ctx context.Context) identity.Actor { return stateOf(ctx).actor }

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	state *state
}

func (w *recorder) WriteHeader(status int) {
	if !w.state.wroteHeader && status >= http.StatusOK {
		w.state.status, w.state.wroteHeader = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if !w.state.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController and the WebSocket library reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP serves one request: it gives it an identity, contains panics and logs it at debug level.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := a.cfg.Now()
	s := &state{
		traceID: traceID(r.Header.Get("traceparent")), source: r.Header.Get(sourceHeader), root: rootOf(r),
	}
	r = r.WithContext(context.WithValue(r.Context(), stateKey{}, s))
	rec := &recorder{ResponseWriter: w, state: s}
	h := w.Header()
	h.Set("X-Request-Id", s.traceID)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	defer a.finish(rec, r, began)
	boundUnread(rec, r)
	if r.Method == http.MethodConnect {
		a.unknown(rec, r) // the mux knows no paths of this method
		return
	}
	a.mux.ServeHTTP(rec, a.below(r))
}

// below takes the path on which the server is reached off an address, if a proxy left it there.
func (a *API) below(r *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.Path, a.prefix)
	if a.prefix == "" || !ok || rest != "" && rest[0] != '/' {
		return r
	}
	inner := *r
	address := *r.URL
	address.Path, address.RawPath = cmp.Or(rest, "/"), strings.TrimPrefix(address.RawPath, a.prefix)
	inner.URL = &address
	return &inner
}

// finish contains a panic of the handler and logs the request.
func (a *API) finish(w *recorder, r *http.Request, began time.Time) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler { //nolint:errorlint // the sentinel is compared as net/http does
			panic(p)
		}
		a.cfg.Log.ErrorContext(r.Context(), "panic in handler", "panic", p,
			"operation", w.state.operation, "trace_id", w.state.traceID, "stack", string(debug.Stack()))
		if w.state.wroteHeader {
			panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
		}
		a.fail(w, r, fmt.Errorf("panic: %v", p))
	}
	if a.cfg.Log.Enabled(r.Context(), slog.LevelDebug) {
		a.cfg.Log.DebugContext(r.Context(), "request", "method", r.Method, "path", loggedPath(r.URL.Path),
			"operation", w.state.operation, "status", w.state.status, "duration", a.cfg.Now().Sub(began),
			"trace_id", w.state.traceID, "actor", w.state.actor.UID, "run_id", w.state.actor.RunID)
	}
}

// loggedPath is a path without the secret that links to sign in and invitations end with.
func loggedPath(path string) string {
	for _, before := range []string{"/sign-in/link/", "/invitation/"} {
		if at := strings.Index(path, before); at >= 0 {
			return path[:at+len(before)] + "…"
		}
	}
	return path
}

// traceID takes the trace id of a W3C traceparent header, or makes one.
func traceID(traceparent string) string {
	if parts := strings.Split(traceparent, "-"); len(parts) == 4 && len(parts[1]) == 32 {
		id := strings.ToLower(parts[1])
		if _, err := hex.DecodeString(id); err == nil && id != strings.Repeat("0", 32) {
			return id
		}
	}
	// An id to find a request by, not a secret: no need for the system's generator.
	return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
}
