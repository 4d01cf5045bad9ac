package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/internal/gateway/scripted"
	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// verdict is what became of one attempt.
type verdict struct {
	// final is nil when the attempt was the last, and else how to answer should there be no other.
	final func()
	// after is how long the vendor asked to wait; 0 when it did not.
	after time.Duration
	why   string // for the log
}

// done is the verdict on an attempt that needs no other.
func done() verdict { return verdict{} }

// attempts calls the vendor until it answers, or the retries are used up.
func (x *exchange) attempts() {
	rt := x.g.cfg.Retry
	begun := time.Now()
	for n := 1; ; n++ {
		v := x.attempt()
		if v.final == nil {
			return
		}
		wait := backoff(rt, n)
		if v.after > 0 {
			wait = v.after
		}
		if n >= rt.Attempts || wait > rt.Max || time.Since(begun)+wait > rt.Total || x.ctx.Err() != nil {
			v.final()
			return
		}
		x.log.Warn("a model call is tried again", "provider", x.to.name, "model", x.model.ID, "reason", v.why, "attempt", n, "wait", wait)
		select {
		case <-time.After(wait):
		case <-x.ctx.Done():
			x.abandon(nil)
			return
		}
	}
}

// backoff doubles with each attempt. The jitter takes up to half of it away, so that runs that were
// refused together do not come back together.
func backoff(rt Retry, n int) time.Duration {
	d := rt.Base << min(n-1, 20)
	if d > rt.Max || d <= 0 {
		d = rt.Max
	}
	return d/2 + rand.N(d/2+1)
}

// attempt calls the vendor once.
func (x *exchange) attempt() verdict {
	ctx, cancel := context.WithCancelCause(x.ctx)
	defer cancel(nil)
	slow := time.AfterFunc(x.g.cfg.ResponseTimeout, func() { cancel(errSlow) })
	defer slow.Stop()
	rec := &record{x: x, begun: x.g.cfg.Now(), meter: meter{call: x.call, provider: x.to.name}}

	body := x.req.outgoing(x.call, x.model.upstreamID)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, x.to.base+x.call.Path(), bytes.NewReader(body))
	if err != nil {
		x.refuseErr(err)
		return done()
	}
	req.Header = x.to.outgoing(x.r.Header, x.call)
	if x.model.Scripted() {
		req.Header.Set(scripted.HeaderScope, x.caller.RunID)
	}
	resp, err := x.to.transport.RoundTrip(req) // follows no redirect: a key goes to one place only
	if err != nil {
		return x.unreachable(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	rec.status = resp.StatusCode
	switch {
	case resp.StatusCode >= 300:
		return x.refused(ctx, resp)
	case isStream(resp.Header):
		return x.relayStream(ctx, cancel, slow, resp, rec)
	default:
		return x.relayDocument(ctx, resp, rec)
	}
}

// unreachable judges an attempt that got no answer at all.
func (x *exchange) unreachable(ctx context.Context, err error) verdict {
	if x.ctx.Err() != nil {
		x.abandon(nil)
		return done()
	}
	if errors.Is(context.Cause(ctx), errSlow) {
		x.refuse(wire.Error{Status: http.StatusGatewayTimeout, Message: errSlow.Error()})
		return done()
	}
	why := x.to.scrubString(err.Error())
	return verdict{why: why, final: func() {
		x.log.Error("a model vendor cannot be reached", "provider", x.to.name, "error", why)
		wire.Error{Status: http.StatusBadGateway, Message: "the model vendor " + x.to.name + " cannot be reached"}.Write(x.w, x.call.Wire())
	}}
}

// maxErrorBody bounds the error documents of vendors, which are a few hundred bytes.
const maxErrorBody = 1 << 20

// refused judges an answer that is not a success. What cannot be mended by trying again is passed
// on as it is.
func (x *exchange) refused(ctx context.Context, resp *http.Response) verdict {
	if resp.StatusCode < http.StatusBadRequest {
		x.log.Error("a model vendor redirects, which is not followed", "provider", x.to.name, "status", resp.StatusCode)
		x.refuse(wire.Error{Status: http.StatusBadGateway, Message: "the endpoint of " + x.to.name + " redirects elsewhere; its base URL must be mended"})
		return done()
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && x.ctx.Err() != nil {
		x.abandon(nil)
		return done()
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		x.log.Error("a model vendor refuses the server's key", "provider", x.to.name, "status", resp.StatusCode)
	}
	pass := func() {
		x.head(resp)
		x.w.WriteHeader(resp.StatusCode)
		_ = x.push(x.to.scrub(body)) // the caller is gone if this fails
	}
	if !temporary(resp, body) {
		pass()
		return done()
	}
	return verdict{final: pass, after: retryAfter(resp.Header, x.g.cfg.Now()), why: "status " + strconv.Itoa(resp.StatusCode)}
}

// temporary tells whether the vendor may answer differently in a moment.
func temporary(resp *http.Response, body []byte) bool {
	switch resp.Header.Get("X-Should-Retry") {
	case "true":
		return true
	case "false":
		return false
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests:
		// OpenAI's 429 for an account without money is not a matter of time.
		return !bytes.Contains(body, []byte("insufficient_quota"))
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout, wire.StatusOverloaded:
		return true
	}
	return false
}

// retryAfter reads how long a vendor asks to wait, in any of the forms they use.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return seconds(ms / 1000)
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 {
		return seconds(s)
	}
	if t, err := http.ParseTime(v); err == nil && t.After(now) {
		return t.Sub(now)
	}
	return 0
}

// seconds converts, taking a day for anything longer.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 86_400) * float64(time.Second))
}

// abandon ends an exchange that was ended from outside, saying why if anyone listens.
func (x *exchange) abandon(send func(wire.Error)) {
	if send == nil {
		send = x.refuse
	}
	switch cause := context.Cause(x.ctx); {
	case errors.Is(cause, errStopped):
		send(wire.Error{Status: http.StatusForbidden, Code: "run_ended", Message: cause.Error()})
	case errors.Is(cause, errClosing):
		send(wire.Error{Status: http.StatusServiceUnavailable, Message: cause.Error()})
	}
}
