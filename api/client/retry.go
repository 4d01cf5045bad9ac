package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	firstDelay = 500 * time.Millisecond
	maxDelay   = 8 * time.Second
	// maxAsked bounds the wait a server may ask for; a longer one is reported instead of waited out.
	maxAsked = 60 * time.Second
)

// retrier repeats requests that failed in a way that may pass: 408, 409, 429 and 5xx unless
// x-should-retry says otherwise, and lost connections where repeating cannot do the act twice.
type retrier struct {
	next    *http.Client
	retries int
}

// Do implements api.HttpRequestDoer.
func (t *retrier) Do(req *http.Request) (*http.Response, error) {
	for attempt := 0; ; attempt++ {
		rsp, err := t.next.Do(req)
		again, delay := retryable(req, rsp, err)
		if !again || attempt >= t.retries || delay > maxAsked || (req.Body != nil && req.GetBody == nil) {
			return rsp, explain(req, err)
		}
		if rsp != nil {
			// Draining keeps the connection for the next attempt.
			_, _ = io.Copy(io.Discard, io.LimitReader(rsp.Body, maxProblem))
			rsp.Body.Close()
		}
		if delay == 0 {
			delay = backoff(attempt)
		}
		if err := api.Pause(req.Context(), delay); err != nil {
			return nil, err
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
		req.Header.Set("X-Stainless-Retry-Count", strconv.Itoa(attempt+1))
	}
}

// retryable says whether a failed request may be repeated and after what delay; 0 leaves that to
// the caller.
func retryable(req *http.Request, rsp *http.Response, err error) (bool, time.Duration) {
	if err != nil {
		if req.Context().Err() != nil {
			return false, 0
		}
		var op *net.OpError
		neverSent := errors.As(err, &op) && op.Op == "dial"
		repeatable := req.Method == http.MethodGet || req.Method == http.MethodPut || req.Method == http.MethodDelete ||
			req.Header.Get("Idempotency-Key") != ""
		return neverSent || repeatable, 0
	}
	again := false
	switch code := rsp.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusTooManyRequests, code >= 500:
		again = true
	}
	switch rsp.Header.Get("x-should-retry") {
	case "true":
		again = rsp.StatusCode >= 400
	case "false":
		again = false
	}
	return again, asked(rsp.Header)
}

// asked is the delay the server asked for, 0 if none.
func asked(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("retry-after-ms"), 64); err == nil && ms > 0 {
		return time.Duration(min(ms, 1e9) * float64(time.Millisecond))
	}
	s := h.Get("retry-after")
	if sec, err := strconv.ParseFloat(s, 64); err == nil && sec > 0 {
		return time.Duration(min(sec, 1e6) * float64(time.Second))
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// backoff doubles from half a second to 8 s, less up to a quarter so that clients spread out.
func backoff(attempt int) time.Duration {
	d := min(firstDelay<<min(attempt, 10), maxDelay)
	return d - rand.N(d/4)
}

// Unreachable is the error of a request that got no answer at all.
type Unreachable struct {
	Root string // scheme and host of the server
	Err  error
}

func (e *Unreachable) Error() string { return fmt.Sprintf("no answer from %s", e.Root) }

func (e *Unreachable) Unwrap() error { return e.Err }

// explain turns a transport error into Unreachable, and a cancelled context into its cause.
func explain(req *http.Request, err error) error {
	if err == nil {
		return nil
	}
	if ctx := req.Context(); ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &Unreachable{Root: req.URL.Scheme + "://" + req.URL.Host, Err: err}
}
