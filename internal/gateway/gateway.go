package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/wire"
	"github.com/cadrehq/cadre/internal/usage"
)

// Prefix is where the gateway is mounted. Below it, AnthropicPath and OpenAIPath are the base URLs
// harnesses are given: the first without, the second with the API version, as each vendor's own
// clients want them.
const (
	Prefix        = "/gateway/"
	AnthropicPath = "/gateway/anthropic"
	OpenAIPath    = "/gateway/openai/v1"
)

// BasePath is the path below the server's root under which a wire is spoken.
func BasePath(w api.ModelWire) string {
	if w == api.ModelWireAnthropicMessages {
		return AnthropicPath
	}
	return OpenAIPath
}

// Gateway is an http.Handler for everything below Prefix.
type Gateway struct {
	cfg      Config
	prices   *usage.Prices
	registry *registry
	inflight inflight
	outside  *http.Transport // to endpoints of own keys
	close    context.CancelFunc
}

// New makes a gateway. It reads the script directory and reaches out to nobody.
func New(cfg Config) (*Gateway, error) {
	cfg.setDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("model gateway: %w", err)
	}
	model, lib, err := newScripted(cfg)
	if err != nil {
		return nil, fmt.Errorf("model gateway: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &Gateway{
		cfg: cfg, outside: newOutside(cfg.Egress), prices: usage.NewPrices(cfg.Prices...), close: cancel,
		registry: &registry{providers: newProviders(cfg, model), library: lib, def: cfg.DefaultModel, known: known()},
		inflight: inflight{runs: map[string]map[*exchange]struct{}{}},
	}
	if p := g.registry.providers[usage.ProviderLocal]; p != nil {
		g.registry.local = &discovery{p: p, now: cfg.Now, log: cfg.Log, ctx: ctx}
	}
	if cfg.DefaultModel != "" {
		if _, err := g.registry.lookup(ctx, cfg.DefaultModel); err != nil {
			cancel()
			return nil, fmt.Errorf("model gateway: default model: %w", err)
		}
	}
	return g, nil
}

// Close ends every call in flight and waits for what runs in the background. The HTTP server must
// have stopped accepting before.
func (g *Gateway) Close() error {
	g.close()
	g.inflight.stopAll(errClosing)
	g.outside.CloseIdleConnections()
	if d := g.registry.local; d != nil {
		d.pending.Wait()
	}
	if t, ok := g.cfg.Transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
	return nil
}

// Stop ends the calls in flight of a run that may not spend any more: it was cancelled, or its
// execution ended. It is a hint that may be lost; each call is authenticated again while it lasts.
func (g *Gateway) Stop(runID string) { g.inflight.stop(runID, errStopped) }

// Models lists the models runs may use now.
func (g *Gateway) Models(ctx context.Context) []Model { return g.registry.models(ctx) }

// List is the answer to a request for the models.
func (g *Gateway) List(ctx context.Context) api.ListModelsResponse {
	out := api.ListModelsResponse{DefaultModelId: g.Default(ctx), Models: []api.ModelInfo{}}
	for _, m := range g.Models(ctx) {
		out.Models = append(out.Models, m.Info())
	}
	return out
}

// Default is the id of the model used where none is asked for.
func (g *Gateway) Default(ctx context.Context) string {
	m, err := g.registry.resolve(ctx, "", "")
	if err != nil { // the configured default was found when the gateway was made
		return "scripted"
	}
	return m.ID
}

// Resolve returns the id of the model a run with the given harness gets for what it asked for: an
// id, "auto", "auto-efficient", "auto-genius", "auto-open", or nothing. It fails with an
// *api.Failure that names model_id. own are vendors that the run has keys of its own for.
func (g *Gateway) Resolve(ctx context.Context, modelID, harness string, own ...string) (string, error) {
	m, err := g.registry.with(g.promised(own)).resolve(ctx, modelID, harness)
	return m.ID, err
}

// Lookup describes the model an id names, listed or not, for a run with own keys for some vendors. It
// fails with an *api.Failure.
func (g *Gateway) Lookup(ctx context.Context, id string, own ...string) (Model, error) {
	return g.registry.with(g.promised(own)).resolve(ctx, id, "")
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, ok := callOf(r.URL.Path)
	if !ok {
		wire.Error{Status: http.StatusNotFound, Message: "the model gateway has no such path"}.Write(w, pathWire(r.URL.Path))
		return
	}
	x := &exchange{g: g, w: w, r: r, call: call, log: g.cfg.Log}
	method := http.MethodPost
	if call == wire.CallModels {
		method = http.MethodGet
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		x.refuse(wire.Error{Status: http.StatusMethodNotAllowed, Message: "use " + method})
		return
	}
	token, gen := tokenOf(r.Header), g.inflight.generation()
	caller, err := x.authenticate(token)
	if err != nil {
		x.refuseErr(err)
		return
	}
	if call == wire.CallModels {
		x.listModels()
		return
	}
	x.caller = caller
	x.log = x.log.With("run_id", caller.RunID, "execution", caller.Execution)
	x.serve(token, gen)
}

// callOf recognises the paths below Prefix.
func callOf(path string) (wire.Call, bool) {
	for base, calls := range map[string][]wire.Call{
		AnthropicPath + "/v1": {wire.CallMessages, wire.CallCountTokens},
		OpenAIPath:            {wire.CallResponses, wire.CallChat, wire.CallModels},
	} {
		for _, c := range calls {
			if path == base+c.Path() {
				return c, true
			}
		}
	}
	return "", false
}

func pathWire(path string) api.ModelWire {
	if strings.HasPrefix(path, AnthropicPath) {
		return api.ModelWireAnthropicMessages
	}
	return api.ModelWireOpenaiChat
}

// tokenOf takes the caller's token from where the vendors' clients put a key.
func tokenOf(h http.Header) string {
	if k := h.Get("X-Api-Key"); k != "" {
		return k
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return ""
}

// Why a call was ended from outside.
var (
	errStopped = errors.New("the run may not call models any more")
	errClosing = errors.New("the server is shutting down")
	errStalled = errors.New("the model vendor went silent")
	errSlow    = errors.New("the model vendor did not answer in time")
)

// inflight knows the calls being made, by run.
type inflight struct {
	mu    sync.Mutex
	runs  map[string]map[*exchange]struct{}
	stops uint64 // how often anything was stopped
}

// generation changes whenever calls are stopped: a caller that was authenticated before must be
// asked for again once its call is registered.
func (f *inflight) generation() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stops
}

// add registers a call unless the run already makes as many as it may.
func (f *inflight) add(x *exchange, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.runs[x.caller.RunID]
	if len(calls) >= limit {
		return false
	}
	if calls == nil {
		calls = map[*exchange]struct{}{}
		f.runs[x.caller.RunID] = calls
	}
	calls[x] = struct{}{}
	return true
}

func (f *inflight) remove(x *exchange) {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.runs[x.caller.RunID]
	if delete(calls, x); len(calls) == 0 {
		delete(f.runs, x.caller.RunID)
	}
}

func (f *inflight) stop(runID string, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops++
	for x := range f.runs[runID] {
		x.cancel(cause)
	}
}

func (f *inflight) stopAll(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stops++
	for _, calls := range f.runs {
		for x := range calls {
			x.cancel(cause)
		}
	}
}
