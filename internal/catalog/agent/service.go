package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Environments finds the environment an agent or a team names.
type Environments interface {
	Get(ctx context.Context, uid string) (catalog.Environment, error)
}

// Models resolves the id of a model; an api.Failure says that there is none.
type Models interface {
	Resolve(modelID string, harness api.HarnessType, own ...api.SecretType) (string, error)
}

// Memory refuses memory stores that an actor may not give to runs with this owner, naming them as
// members of field.
type Memory interface {
	CheckRefs(ctx context.Context, actor identity.Actor, owner identity.Owner, field string, refs []api.MemoryStoreRef) error
}

// Config says what a Service works with. All but MaxPerTeam and Did are required.
type Config struct {
	Store        Store
	Environments Environments
	Models       Models
	Memory       Memory
	// MaxPerTeam is how many agents of a team can be used; the latest beyond are kept but not
	// available. Default 200.
	MaxPerTeam int
	// MaxConcurrentRuns is how many runs of a team may work at once unless it has a limit of its own, and
	// the highest such limit that its admins may set: more is the operators' to give. 0 is without bound.
	MaxConcurrentRuns int
	// Did is told of every change of an agent once it is stored; it makes a deletion take effect on
	// every server. identity.Service.Did.
	Did   func(actor identity.Actor, kind identity.ActKind, uid string)
	Now   func() time.Time
	NewID func() string
}

// Service keeps agents. It is safe for concurrent use and holds no state of its own.
type Service struct{ cfg Config }

// New returns a Service.
func New(cfg Config) *Service {
	if cfg.MaxPerTeam <= 0 {
		cfg.MaxPerTeam = 200
	}
	if cfg.Did == nil {
		cfg.Did = func(identity.Actor, identity.ActKind, string) {}
	}
	return &Service{cfg: cfg}
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// available reports whether an agent is among those its team may use.
func (s *Service) available(a Agent) bool { return a.Older < s.cfg.MaxPerTeam }

// Create makes an agent of the actor's team.
func (s *Service) Create(ctx context.Context, actor identity.Actor, req api.CreateAgentRequest) (Agent, error) {
	if err := employs(actor); err != nil {
		return Agent{}, err
	}
	now := s.now()
	a := Agent{
		UID: s.cfg.NewID(), TeamUID: actor.TeamUID, Creator: actor.Profile(), Editor: actor.Profile(), CreatedAt: now, UpdatedAt: now,
	}
	if err := s.define(ctx, actor, &a, asUpdate(req)); err != nil {
		return Agent{}, err
	}
	if err := catalog.CheckWord("factory_uid", req.FactoryUid, maxUID); err != nil {
		return Agent{}, err
	}
	a.FactoryUID = req.FactoryUid
	if auto := req.Memory.AutoMemory.Enabled; auto == nil || *auto {
		a.OwnStore = OwnStore{UID: s.cfg.NewID(), Description: "What agent " + a.Name + " remembers."}
	}
	if err := s.cfg.Store.Insert(ctx, a, s.cfg.MaxPerTeam); err != nil {
		return Agent{}, fmt.Errorf("store agent: %w", err)
	}
	s.cfg.Did(actor, identity.ActCreateAgent, a.UID)
	return s.cfg.Store.Get(ctx, a.UID)
}

// Get returns one agent of the actor's team; any other is not found.
func (s *Service) Get(ctx context.Context, actor identity.Actor, uid string) (Agent, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return Agent{}, err
	}
	return s.of(ctx, actor.TeamUID, uid)
}

// of returns an agent of a team.
func (s *Service) of(ctx context.Context, teamUID, uid string) (Agent, error) {
	a, err := s.cfg.Store.Get(ctx, uid)
	if err == nil && (teamUID == "" || a.TeamUID != teamUID) {
		err = api.NotFound("agent", uid)
	}
	if err != nil {
		return Agent{}, err
	}
	return a, nil
}

// List returns the agents of the actor's team, oldest first; with a factory only those made for it.
func (s *Service) List(ctx context.Context, actor identity.Actor, factoryUID string) ([]Agent, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, err
	}
	list, err := s.cfg.Store.List(ctx, actor.TeamUID)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(a Agent) bool { return factoryUID != "" && a.FactoryUID != factoryUID }), nil
}

// Update changes what a request says of an agent, and nothing else.
func (s *Service) Update(ctx context.Context, actor identity.Actor, uid string, req api.UpdateAgentRequest) (Agent, error) {
	if err := employs(actor); err != nil {
		return Agent{}, err
	}
	// Checked on what there is now: the checks read the database, which a transaction does not wait for.
	draft, err := s.of(ctx, actor.TeamUID, uid)
	if err != nil {
		return Agent{}, err
	}
	if err := s.define(ctx, actor, &draft, req); err != nil {
		return Agent{}, err
	}
	a, err := s.cfg.Store.Change(ctx, uid, func(a *Agent) error {
		if err := a.change(actor, req); err != nil {
			return err
		}
		a.Editor, a.UpdatedAt = actor.Profile(), s.now()
		return nil
	})
	if err != nil {
		return Agent{}, fmt.Errorf("change agent: %w", err)
	}
	s.cfg.Did(actor, identity.ActChangeAgent, uid)
	return a, nil
}

// Delete removes an agent with its API keys, at once. Its runs keep what they were made with.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, uid string) error {
	if err := employs(actor); err != nil {
		return err
	}
	err := s.cfg.Store.Delete(ctx, uid, func(a Agent) error {
		switch {
		case a.TeamUID != actor.TeamUID:
			return api.NotFound("agent", uid)
		case a.Default:
			return api.Invalid("agent", "the default agent of a team cannot be deleted")
		}
		return nil
	}, s.now())
	if err != nil {
		return fmt.Errorf("delete agent: %w", err)
	}
	s.cfg.Did(actor, identity.ActDeleteAgent, uid)
	return nil
}

// employs refuses whoever may not change agents.
func employs(actor identity.Actor) error {
	if err := actor.Check(identity.PermEmploy); err != nil {
		return err
	}
	if actor.TeamUID == "" {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "who is in no team has no agents")
	}
	return nil
}

// Principal returns an agent of a team that something is to run as. One that exists but is beyond what
// the team may use is feature_not_available.
func (s *Service) Principal(ctx context.Context, teamUID, uid string) (Agent, error) {
	a, err := s.of(ctx, teamUID, uid)
	if err == nil && !s.available(a) {
		err = api.Fail(api.PlatformErrorCodeFeatureNotAvailable,
			"agent %q is beyond the %d agents a team may use here: delete older ones, or have the operator raise --max-agents", a.Name, s.cfg.MaxPerTeam)
	}
	if err != nil {
		return Agent{}, err
	}
	return a, nil
}

// Name is the name of a team's agent that can be used; see Principal.
func (s *Service) Name(ctx context.Context, teamUID, uid string) (string, error) {
	a, err := s.Principal(ctx, teamUID, uid)
	return a.Name, err
}

// SecretNames are the names of secrets that a team's agent adds to those its runs have in reach, as
// the agent is now: what was taken from it reaches no sandbox that starts later. An agent that was
// deleted adds none.
func (s *Service) SecretNames(ctx context.Context, teamUID, uid string) ([]string, error) {
	a, err := s.of(ctx, teamUID, uid)
	if err != nil && api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
		return nil, nil
	}
	return a.Secrets, err
}
