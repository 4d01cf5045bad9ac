package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/internal/gateway/wire"
)

func isStream(h http.Header) bool {
	t, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return t == "text/event-stream"
}

// errCallerGone reports that the answer could not be passed on.
var errCallerGone = errors.New("the caller went away")

// relayDocument passes on an answer that is not streamed.
func (x *exchange) relayDocument(ctx context.Context, resp *http.Response, rec *record) verdict {
	body, err := io.ReadAll(io.LimitReader(resp.Body, x.g.cfg.MaxResponse+1))
	rec.began = len(body) > 0
	if err != nil || int64(len(body)) > x.g.cfg.MaxResponse {
		return x.documentBroke(ctx, err, rec)
	}
	rec.meter.document(body)
	rec.write("")
	body = x.to.scrub(body)
	x.head(resp)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(resp.StatusCode)
	_ = x.push(body) // recorded already; the caller is gone if this fails
	return done()
}

// documentBroke judges an answer that began and did not arrive. The vendor has worked for it, so it
// is recorded although its price will never be known.
func (x *exchange) documentBroke(ctx context.Context, err error, rec *record) verdict {
	e := wire.Error{Status: http.StatusBadGateway, Message: "the connection to " + x.to.name + " broke within its answer"}
	switch {
	case x.ctx.Err() != nil:
		rec.write(context.Cause(x.ctx).Error())
		x.abandon(nil)
		return done()
	case errors.Is(context.Cause(ctx), errSlow):
		e = wire.Error{Status: http.StatusGatewayTimeout, Message: errSlow.Error()}
	case err == nil:
		e.Message = "the answer of " + x.to.name + " is too large"
	}
	rec.write(e.Message)
	if err == nil || e.Status == http.StatusGatewayTimeout {
		x.refuse(e)
		return done()
	}
	return verdict{why: x.to.scrubString(err.Error()), final: func() { e.Write(x.w, x.call.Wire()) }}
}

// head passes on the vendor's headers.
func (x *exchange) head(resp *http.Response) {
	x.started = true
	x.to.incoming(resp.Header, x.w.Header())
	x.w.Header().Set(HeaderProvider, x.to.name)
}

// push sends bytes to the caller, who has WriteTimeout to take them.
func (x *exchange) push(b []byte) error {
	rc := http.NewResponseController(x.w)
	_ = rc.SetWriteDeadline(time.Now().Add(x.g.cfg.WriteTimeout)) // not every writer has a connection
	_, err := x.w.Write(b)
	if err == nil {
		err = rc.Flush()
	}
	_ = rc.SetWriteDeadline(time.Time{}) // the connection serves other requests after this one
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return errCallerGone
	}
	return nil
}

// relay is a stream on its way through.
type relay struct {
	x    *exchange
	resp *http.Response
	rec  *record
	cut  wire.Splitter
	out  []byte // whole events not yet passed on
}

// drainTimeout is how long a vendor may take to end the connection after the end of its answer. Waiting
// for it lets the connection be used again.
const drainTimeout = time.Second

// relayStream passes on a stream, event by event.
func (x *exchange) relayStream(ctx context.Context, cancel context.CancelCauseFunc, slow *time.Timer, resp *http.Response, rec *record) verdict {
	s := &relay{x: x, resp: resp, rec: rec}
	silence := time.AfterFunc(x.g.cfg.StallTimeout, func() { cancel(errStalled) })
	defer silence.Stop()
	slow.Stop() // the answer has begun; from here silence is what counts
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		silence.Reset(x.g.cfg.StallTimeout)
		if n > 0 {
			if _, tooLarge := s.cut.Write(buf[:n]); tooLarge != nil && err == nil {
				err = tooLarge
			}
		}
		v, again := s.events()
		if errors.Is(err, io.EOF) && !again && len(bytes.TrimSpace(s.cut.Rest())) > 0 {
			_, _ = s.cut.Write([]byte("\n\n")) // the last event of a stream that ends without a blank line
			v, again = s.events()
		}
		if again {
			return v
		}
		if err == nil {
			err = s.flush()
		}
		if err != nil {
			return s.end(ctx, err)
		}
		if rec.meter.ended {
			silence.Reset(drainTimeout)
		}
	}
}

// events takes the whole events that have arrived. It asks for another attempt when the stream
// turns out to be an error before anything was passed on.
func (s *relay) events() (verdict, bool) {
	x, m := s.x, &s.rec.meter
	for ev := s.cut.Next(); ev != nil; ev = s.cut.Next() {
		data := wire.Data(ev)
		m.event(data)
		if m.failure != "" && !x.started && len(s.out) == 0 && passing(m.failure) {
			rest := bytes.Clone(ev)
			return verdict{why: m.failure, final: func() { s.out = rest; s.rec.write(m.failure); _ = s.flush() }}, true
		}
		s.rec.began = s.rec.began || (m.failure == "" && len(data) > 0)
		if x.call == wire.CallChat && !x.req.includeUsage && usageOnly(data) {
			continue // the caller did not ask for it and may not expect a chunk without choices
		}
		if m.ended {
			// All else goes out first, so that nobody waits for the ledger longer than needed.
			if s.flush() == nil {
				s.rec.write(m.failure)
			}
		}
		s.out = append(s.out, ev...)
	}
	return verdict{}, false
}

// flush passes on the events that are ready.
func (s *relay) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	x := s.x
	if !x.started {
		x.head(s.resp)
		x.w.Header().Set("Cache-Control", "no-cache")
		x.w.WriteHeader(s.resp.StatusCode)
	}
	err := x.push(x.to.scrub(s.out))
	s.out = s.out[:0]
	return err
}

// end judges how a stream ended, records it and says so.
func (s *relay) end(ctx context.Context, err error) verdict {
	x, m := s.x, &s.rec.meter
	if m.ended || (errors.Is(err, io.EOF) && (m.finished || m.failure != "")) {
		s.rec.write(m.failure)
		_ = s.flush() // recorded already; the caller is gone if this fails
		return done()
	}
	cause := context.Cause(ctx)
	e := wire.Error{Status: http.StatusBadGateway}
	switch {
	case errors.Is(cause, errStalled):
		e = wire.Error{Status: http.StatusGatewayTimeout, Message: errStalled.Error() + " within its answer"}
	case cause != nil && (errors.Is(cause, errStopped) || errors.Is(cause, errClosing)):
		e.Message = cause.Error()
	case errors.Is(err, errCallerGone), x.ctx.Err() != nil:
		s.rec.write(errCallerGone.Error())
		return done()
	case errors.Is(err, io.EOF):
		e.Message = "the stream of " + x.to.name + " ended before its answer was complete"
	case errors.Is(err, wire.ErrEventTooLarge):
		e.Message = err.Error()
	default:
		x.log.Warn("the stream of a model vendor broke", "provider", x.to.name, "error", x.to.scrubString(err.Error()))
		e.Message = "the connection to " + x.to.name + " broke within its answer"
	}
	return s.broke(e)
}

// broke ends a stream with an error: as the answer if nothing was passed on yet, else as its last
// event.
func (s *relay) broke(e wire.Error) verdict {
	x := s.x
	silent := !x.started && len(s.out) == 0
	if silent && x.ctx.Err() == nil && e.Status == http.StatusBadGateway {
		// Nothing is lost: the vendor may do better on another attempt.
		s.rec.write(e.Message)
		return verdict{why: e.Message, final: func() { e.Write(x.w, x.call.Wire()) }}
	}
	s.rec.write(e.Message)
	if silent {
		send := func(f wire.Error) { x.refuse(f) }
		if x.ctx.Err() != nil {
			x.abandon(send)
		} else {
			send(e)
		}
		return done()
	}
	s.out = append(s.out, e.Event(x.call.Wire())...)
	_ = s.flush() // the caller is gone if this fails
	return done()
}
