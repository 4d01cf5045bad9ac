package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/wire"
)

// exchange is one call of a caller, from its request to the end of the answer.
type exchange struct {
	g      *Gateway
	w      http.ResponseWriter
	r      *http.Request
	call   wire.Call
	caller Caller
	log    *slog.Logger

	ctx    context.Context
	cancel context.CancelCauseFunc

	req     *request
	model   Model
	to      *provider
	started bool // something was passed on: the status is spoken for
}

// HeaderProvider names the provider that answered, so that a scripted answer can be told from a
// model's on any wire.
const HeaderProvider = "Cadre-Model-Provider"

// serve carries the call out. Gen is the generation of stops from before the authentication.
func (x *exchange) serve(token string, gen uint64) {
	x.ctx, x.cancel = context.WithCancelCause(x.r.Context())
	defer x.cancel(nil)
	if !x.g.inflight.add(x, x.g.cfg.MaxCallsPerRun) {
		x.refuse(wire.Error{Status: http.StatusTooManyRequests, Message: "the run already makes as many model calls at once as it may"})
		return
	}
	defer x.g.inflight.remove(x)
	// A stop after the authentication and before the registration would have missed this call.
	if gen != x.g.inflight.generation() {
		if _, err := x.authenticate(token); err != nil {
			x.refuseErr(err)
			return
		}
	}
	if !x.read() || !x.route() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.recheck(token)
	}()
	x.attempts()
	x.cancel(nil)
	<-done
}

func (x *exchange) authenticate(token string) (Caller, error) {
	if token == "" {
		return Caller{}, api.Fail(api.PlatformErrorCodeAuthenticationRequired, "the run token is required, as x-api-key or bearer token")
	}
	return x.g.cfg.Auth.Authenticate(x.r.Context(), token)
}

// recheck authenticates again while the call lasts and ends it when the run may not spend any more.
// An authenticator that cannot answer ends nothing.
func (x *exchange) recheck(token string) {
	tick := time.NewTicker(x.g.cfg.RecheckEvery)
	defer tick.Stop()
	for {
		select {
		case <-x.ctx.Done():
			return
		case <-tick.C:
		}
		var f *api.Failure
		if _, err := x.authenticate(token); errors.As(err, &f) && api.LookupCode(f.Code).Status < http.StatusInternalServerError {
			x.cancel(errStopped)
			return
		}
	}
}

// read takes the caller's request.
func (x *exchange) read() bool {
	if enc := x.r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		x.refuse(wire.Error{Status: http.StatusUnsupportedMediaType, Message: "send the request body without compression"})
		return false
	}
	rc := http.NewResponseController(x.w)
	_ = rc.SetReadDeadline(time.Now().Add(x.g.cfg.BodyTimeout)) // not every writer has a connection
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, x.g.cfg.MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			x.refuse(wire.Error{Status: http.StatusRequestEntityTooLarge, Message: "the request body is too large"})
		} else {
			x.refuse(wire.Error{Status: http.StatusRequestTimeout, Message: "the request body did not arrive"})
		}
		return false
	}
	_ = rc.SetReadDeadline(time.Time{})
	if x.req, err = parseRequest(body); err != nil {
		x.refuse(wire.Error{Status: http.StatusBadRequest, Message: err.Error()})
		return false
	}
	return true
}

// route finds the model and its provider, and asks whether the run may afford it.
func (x *exchange) route() bool {
	models := x.g.registry.with(x.g.brought(x.caller))
	m, err := models.resolve(x.ctx, x.req.model, "")
	if err != nil {
		var f *api.Failure
		if errors.As(err, &f) {
			x.refuse(wire.Error{Status: http.StatusNotFound, Code: "model_not_found", Message: f.Detail})
		} else {
			x.refuseErr(err)
		}
		return false
	}
	x.model, x.to = m, models.providers[m.Provider]
	if !x.to.speaks(x.call) {
		x.refuse(wire.Error{Status: http.StatusNotFound, Code: "model_not_found", Message: "the model " + m.ID + " is not spoken to with " + string(x.call)})
		return false
	}
	if x.g.cfg.Budget != nil && x.call.Metered() {
		if err := x.g.cfg.Budget.Allow(x.ctx, x.caller, m.ID); err != nil {
			x.refuseErr(err)
			return false
		}
	}
	return true
}

// refuse answers with an error. Repeating the request will not mend what is the caller's fault.
func (x *exchange) refuse(e wire.Error) {
	if e.Status < http.StatusInternalServerError && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout {
		x.w.Header().Set("X-Should-Retry", "false")
	}
	e.Write(x.w, x.call.Wire())
}

// refuseErr answers with a failure of ours. Anything that is not an *api.Failure is logged and not
// shown.
func (x *exchange) refuseErr(err error) {
	var f *api.Failure
	if !errors.As(err, &f) {
		if x.r.Context().Err() == nil {
			x.log.Error("the model gateway could not serve a call", "error", err)
		}
		f = api.Fail(api.PlatformErrorCodeInternalError, "the server could not check the call")
	}
	row := api.LookupCode(f.Code)
	status, retry := row.Status, row.Retryable
	if f.Status != 0 {
		status = f.Status
	}
	if f.Retryable != nil {
		retry = *f.Retryable
	}
	if !retry {
		x.w.Header().Set("X-Should-Retry", "false")
	}
	wire.Error{Status: status, Code: string(f.Code), Message: f.Error()}.Write(x.w, x.call.Wire())
}

// listModels answers the way OpenAI lists models.
func (x *exchange) listModels() {
	type entry struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Created int64  `json:"created"`
		OwnedBy string `json:"owned_by"`
	}
	list := struct {
		Object string  `json:"object"`
		Data   []entry `json:"data"`
	}{Object: "list", Data: []entry{}}
	for _, m := range x.g.Models(x.r.Context()) {
		list.Data = append(list.Data, entry{m.ID, "model", 0, m.Provider})
	}
	x.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(x.w).Encode(list) // the caller is gone if this fails
}
