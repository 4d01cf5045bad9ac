package server

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/dispatch"
	"github.com/cadrehq/cadre/internal/event"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/run/keep"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/server/httpapi"
	"github.com/cadrehq/cadre/internal/session"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
	"github.com/cadrehq/cadre/internal/usage"
)

// This file fits the packages to each other. Nothing here decides anything.

// publisher tells everybody of committed changes. It is called by the store, one group of notices at
// a time, and never blocks.
type publisher struct {
	bus *event.Bus
	// These are set before the first run can change.
	gateway  *gateway.Gateway
	schedule *schedule.Service
	eraser   *keep.Eraser
}

func (p *publisher) publish(notices []run.Notice) {
	p.bus.Changed()
	var hosts []string // where dispatch may find something to place: told once for all notices
	for _, n := range notices {
		if !n.New { // nobody can be watching what nobody has heard of
			p.bus.RunChanged(n.RunID, n.LastSeq)
		}
		if n.Deleted {
			p.eraser.Ring()
		}
		if n.Command {
			p.bus.CommandStored(n.RunID)
		}
		if n.Cancelled {
			p.bus.Cancelled(n.RunID, n.ExecutionID)
		}
		if n.Ended || n.Cancelled {
			// Nothing may be spent any more, and a team at its limit has room again.
			p.gateway.Stop(n.RunID)
			p.bus.CommandStored(n.RunID)
			p.schedule.RunEnded()
		}
		if (n.Queued || n.Ended || n.Cancelled) && !slices.Contains(hosts, n.Host) {
			hosts = append(hosts, n.Host)
		}
	}
	for _, host := range hosts {
		p.bus.Queued(host)
	}
}

// sessionBus is the bus as session sees it.
type sessionBus struct{ *event.Bus }

func (b sessionBus) Watch(ctx context.Context, runID string) (<-chan session.Signal, error) {
	return event.WatchAs[session.Signal](ctx, b.Bus, runID)
}

// wakes is the bus as dispatch sees it.
func wakes(bus *event.Bus) func(context.Context) (<-chan dispatch.Wake, error) {
	return func(ctx context.Context) (<-chan dispatch.Wake, error) {
		return event.WakeAs[dispatch.Wake](ctx, bus)
	}
}

// installation seals what belongs to nobody but the server: the keyring as issuer sees it.
type installation struct{ keyring *secret.Keyring }

func (i installation) Seal(ctx context.Context, name string, plain []byte) ([]byte, error) {
	return i.keyring.Seal(ctx, secret.Installation, name, plain)
}

func (i installation) Open(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	return i.keyring.Open(ctx, secret.Installation, name, sealed)
}

// tokens makes run tokens for dispatch.
type tokens struct{ *identity.Service }

func (t tokens) Mint(r run.Run, x run.Execution) (string, error) {
	return t.MintRun(identity.Grant{
		RunID: r.ID, ExecutionID: x.ID, Execution: x.Number, Principal: r.Executor, TeamUID: r.TeamUID,
	})
}

// fence refuses run tokens whose execution is over or superseded.
func fence(runs store.Runs) httpapi.Fence {
	return func(ctx context.Context, actor identity.Actor) error {
		_, err := live(ctx, runs, actor)
		return err
	}
}

// live returns the run of a run token whose execution is not over.
func live(ctx context.Context, runs store.Runs, actor identity.Actor) (run.Run, error) {
	r, err := runs.Get(ctx, actor.RunID)
	if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound || err == nil && (r.Execution != actor.Execution || !r.Live) {
		return run.Run{}, api.Fail(api.PlatformErrorCodeAuthenticationRequired, "the run token's execution has ended")
	}
	return r, err
}

// callers authenticates calls to models: run tokens of live executions only. They bring along the keys
// that their run names.
type callers struct {
	identity *identity.Service
	runs     store.Runs
	secrets  *secret.Service
}

func (c callers) Authenticate(ctx context.Context, token string) (gateway.Caller, error) {
	actor, err := c.identity.Authenticate(ctx, token)
	if err != nil {
		return gateway.Caller{}, err
	}
	if err := actor.Check(identity.PermGateway); err != nil {
		return gateway.Caller{}, err
	}
	r, err := live(ctx, c.runs, actor)
	if err != nil {
		return gateway.Caller{}, err
	}
	caller := gateway.Caller{
		RunID: actor.RunID, ExecutionID: actor.ExecutionID, Execution: actor.Execution, TeamUID: actor.TeamUID,
	}
	for _, k := range run.ModelKeys(r.Config) {
		v, err := c.secrets.ModelKey(ctx, r.Reach(), k.Field, k.Name, k.Type)
		if err != nil {
			return gateway.Caller{}, err
		}
		caller.Own = append(caller.Own, gateway.OwnKey{Provider: vendors[k.Type], Vendor: gateway.Vendor{Key: v.ApiKey, BaseURL: v.BaseUrl}})
	}
	return caller, nil
}

// vendors are who takes a key of a type.
var vendors = map[api.SecretType]string{
	api.SecretTypeANTHROPICAPIKEY: usage.ProviderAnthropic, api.SecretTypeOPENAIAPIKEY: usage.ProviderOpenAI,
}

func vendorsOf(types []api.SecretType) []string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = vendors[t]
	}
	return out
}

// modelWait bounds finding out which model a run gets.
const modelWait = 5 * time.Second

// models is the gateway as run and httpapi see it.
type models struct{ *gateway.Gateway }

// Resolve finds the model of a run that is being made.
func (m models) Resolve(modelID string, harness api.HarnessType, own ...api.SecretType) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), modelWait)
	defer cancel()
	return m.Gateway.Resolve(ctx, modelID, string(harness), vendorsOf(own)...)
}

// ForRunner says how a runner that reaches this server at root speaks to its run's model.
func (m models) ForRunner(ctx context.Context, r run.Run, root string) (api.RunnerModel, error) {
	var own []api.SecretType
	for _, k := range run.ModelKeys(r.Config) {
		own = append(own, k.Type)
	}
	model, err := m.Lookup(ctx, r.Config.ModelId, vendorsOf(own)...)
	if err != nil {
		return api.RunnerModel{}, err
	}
	return api.RunnerModel{
		Id: model.ID, Wire: model.Wire, BaseUrl: root + gateway.BasePath(model.Wire),
		ContextTokens: model.Context, MaxOutputTokens: model.MaxOutput, Vision: model.Vision, Scripted: model.Scripted(),
	}, nil
}

// workers is dispatch as httpapi sees it.
type workers struct{ *dispatch.Dispatcher }

func (w workers) List(actor identity.Actor) []api.ConnectedWorker { return w.Workers(actor.TeamUID) }

func (w workers) Check(c httpapi.WorkerConn) error { return dispatch.WorkerInfo(c).Validate() }

func (w workers) Serve(ctx context.Context, t httpapi.Transport, c httpapi.WorkerConn) error {
	return w.Dispatcher.Serve(ctx, t, dispatch.WorkerInfo(c))
}

// baseImages takes references of images apart.
func baseImages(references []string) []api.BaseImage {
	list := make([]api.BaseImage, 0, len(references))
	for _, image := range references {
		repository, tag := image, "latest"
		// What is behind a colon is a tag unless it is a registry's port.
		if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
			repository, tag = image[:i], image[i+1:]
		}
		list = append(list, api.BaseImage{Image: image, Repository: repository, Tag: tag})
	}
	return list
}
