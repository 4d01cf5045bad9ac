package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
)

// problemPath begins the type URI of every problem; the error code ends it. What is there explains
// the code: see docs.go.
const problemPath = "/docs/errors/"

// statusClientClosed is logged, never sent: the caller went away before the answer.
const statusClientClosed = 499

// fail writes an error as a problem document. Whatever is not an *api.Failure is the server's own
// fault: it is logged here, once, and its text stays here.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	state := stateOf(r.Context())
	var f *api.Failure
	switch {
	case errors.As(err, &f):
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		state.status = statusClientClosed
		return
	default:
		f = &api.Failure{Code: api.PlatformErrorCodeInternalError, Err: err}
	}
	if status := statusOf(f); status >= http.StatusInternalServerError {
		a.cfg.Log.ErrorContext(r.Context(), "request failed",
			"err", err, "status", status, "operation", state.operation, "path", r.URL.Path, "trace_id", state.traceID)
	}
	if state.wroteHeader {
		return // a stream broke off: the client sees the connection end
	}
	var wait *waitFailure
	if errors.As(err, &wait) {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((wait.wait+time.Second-1)/time.Second), 10))
		w.Header().Set("Retry-After-Ms", strconv.FormatInt(wait.wait.Milliseconds()+1, 10))
	}
	writeProblem(w, problemOf(f, r.URL.Path, state.traceID))
}

// Fail writes an error as a problem document, for handlers beside the API.
func (a *API) Fail(w http.ResponseWriter, r *http.Request, err error) { a.fail(w, r, err) }

func statusOf(f *api.Failure) int {
	if f.Status != 0 {
		return f.Status
	}
	return api.LookupCode(f.Code).Status
}

// problemOf makes the document of a failure (contract http-api section 2).
func problemOf(f *api.Failure, path, traceID string) api.Error {
	code := api.LookupCode(f.Code)
	retryable := code.Retryable
	if f.Retryable != nil {
		retryable = *f.Retryable
	}
	p := api.Error{
		Type: problemPath + string(f.Code), Title: code.Title, Status: statusOf(f),
		Detail: f.Detail, Error: code.Title, Instance: path, Retryable: &retryable, TraceId: traceID,
	}
	if f.Detail != "" {
		p.Error = code.Title + " (" + f.Detail + ")"
	}
	return p
}

func writeProblem(w http.ResponseWriter, p api.Error) {
	b, err := json.Marshal(p)
	if err != nil { // a struct of strings: it cannot fail
		b = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	// SDKs follow this header before their own rules by status.
	h.Set("x-should-retry", strconv.FormatBool(*p.Retryable))
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="cadre"`)
	case http.StatusTooManyRequests:
		if h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // the client may be gone
}
