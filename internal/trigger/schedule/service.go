package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// Runs makes and ends runs: run.Service.
type Runs interface {
	// Try refuses what starting a run would be refused for, and starts none.
	Try(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType) error
	StartScheduled(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, origin run.Origin, tick run.Tick) (run.Run, bool, error)
	Cancel(ctx context.Context, actor identity.Actor, id string) (run.Run, error)
}

// Config sets up a Service and its scheduler. Store, Ticks, Runs and People are required.
type Config struct {
	Store  Store
	Ticks  Ticks
	Runs   Runs
	People People
	// Agents returns the name of a team's agent; api.NotFound for one it has not. Without it any
	// agent_uid is kept and left to Runs to judge.
	Agents func(ctx context.Context, teamUID, uid string) (name string, err error)

	// PublicURL is the root of the server as people reach it, without a slash at its end.
	PublicURL string
	// MaxPerOwner is how many schedules a team or person may have. Default 10,000.
	MaxPerOwner int
	// Grace is how late a tick may be and still be in time. Default 1 min.
	Grace time.Duration
	// Workers is how many runs are started at the same time. Default 64.
	Workers int
	// ClaimFor is how long a claim lasts if its server dies. Default 5 s.
	ClaimFor time.Duration
	// KeepHistory is how long the outcomes of ticks are kept. Default 90 days.
	KeepHistory time.Duration

	// Now and NewID default to the clock and random ids.
	Now   func() time.Time
	NewID func() string
	Log   *slog.Logger
}

func (c Config) withDefaults() Config {
	orDefault(&c.MaxPerOwner, 10_000)
	orDefault(&c.Grace, time.Minute)
	orDefault(&c.Workers, 64)
	orDefault(&c.ClaimFor, 5*time.Second)
	orDefault(&c.KeepHistory, 90*24*time.Hour)
	orDefault(&c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return c
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Service carries out what people ask of schedules. It is safe for concurrent use and holds no
// state: any number of replicas may share a Store.
type Service struct {
	cfg Config
	// changed wakes this server's scheduler: a tick may be due earlier than it thinks.
	changed chan struct{}
	// held says that ticks may wait for runs to end.
	held atomic.Bool
}

// New returns a Service, or what its Config lacks.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Ticks == nil || cfg.Runs == nil || cfg.People == nil {
		return nil, errors.New("schedule: config lacks Store, Ticks, Runs or People")
	}
	return &Service{cfg: cfg.withDefaults(), changed: make(chan struct{}, 1)}, nil
}

// RunEnded is to be called when a run has ended, since a tick may wait for that. It never blocks.
func (s *Service) RunEnded() {
	if s.held.Load() {
		s.wake()
	}
}

// wake makes this server's scheduler look at once.
func (s *Service) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// Create stores a schedule. What its runs would be refused for is refused here, naming the member.
func (s *Service) Create(ctx context.Context, actor identity.Actor, req api.CreateScheduledAgentRequest) (Schedule, error) {
	c, err := s.Plan(ctx, actor, req)
	if err != nil {
		return Schedule{}, err
	}
	if err := s.cfg.Store.Insert(ctx, c, s.cfg.MaxPerOwner); err != nil {
		return Schedule{}, fmt.Errorf("store schedule: %w", err)
	}
	s.wake()
	return c, nil
}

// Plan is the schedule that Create would store.
func (s *Service) Plan(ctx context.Context, actor identity.Actor, req api.CreateScheduledAgentRequest) (Schedule, error) {
	if err := actor.Check(identity.PermCreate); err != nil {
		return Schedule{}, err
	}
	owner, err := ownerOf(actor, req.Team)
	if err != nil {
		return Schedule{}, err
	}
	now := s.now()
	c := Schedule{
		ID: s.cfg.NewID(), Owner: owner, TeamUID: actor.TeamUID, Zone: "UTC", Enabled: req.Enabled == nil || *req.Enabled,
		Missed: api.ScheduleMissedRunsOnce, CatchUp: defaultCatchUp, Overlap: api.ScheduleOverlapAllow,
		Creator: actor.Profile(), CreatorKind: actor.Kind, Editor: actor.Profile(), CreatedAt: now, UpdatedAt: now, Rev: 1,
	}
	if err := c.define(definition{
		name: req.Name, cron: req.CronSchedule, prompt: req.Prompt, config: req.AgentConfig, agent: req.AgentUid,
		metadata: req.Metadata, mode: req.Mode, zone: req.TimeZone, missed: req.MissedRuns, catchUp: req.MaxCatchUp,
		overlap: req.Overlap, jitter: req.JitterSeconds, starts: req.StartsAt, ends: req.EndsAt,
		saved: req.SavedPrompt, arguments: req.SavedPromptArguments,
	}); err != nil {
		return Schedule{}, err
	}
	if err := checkChoice(actor, c.AgentUID); err != nil {
		return Schedule{}, err
	}
	if err := s.try(ctx, actor, c); err != nil {
		return Schedule{}, err
	}
	return c, c.wind(now)
}

// ownerOf decides whose a schedule is: the team's, unless the caller wants it for themselves.
func ownerOf(actor identity.Actor, team *bool) (identity.Owner, error) {
	switch {
	case team != nil && *team && actor.TeamUID == "":
		return identity.Owner{}, api.Invalid("team", "the caller is in no team")
	case team != nil && !*team && actor.Kind == identity.KindTeam:
		return identity.Owner{}, api.Invalid("team", "what a team's key makes is the team's")
	case team != nil && !*team, actor.TeamUID == "":
		return identity.Owner{Type: api.ScopeTypeUser, UID: actor.UID}, nil
	}
	return identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID}, nil
}

// Get returns a schedule the actor may see; any other is not found.
func (s *Service) Get(ctx context.Context, actor identity.Actor, id string) (Schedule, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return Schedule{}, err
	}
	if err := checkID(id); err != nil {
		return Schedule{}, err
	}
	c, err := s.cfg.Store.Get(ctx, id)
	if err != nil {
		return Schedule{}, err
	}
	if !actor.Sees(c.Owner) {
		return Schedule{}, api.NotFound("schedule", id)
	}
	return c, nil
}

// changeable is Get for whoever wants to change the schedule: its creator, or an admin when it is
// the team's. Others could make its creator say what they want.
func (s *Service) changeable(ctx context.Context, actor identity.Actor, id string) (Schedule, error) {
	c, err := s.Get(ctx, actor, id)
	if err != nil {
		return c, err
	}
	if c.Creator.Uid == actor.UID {
		return c, actor.Check(identity.PermCreate)
	}
	return c, actor.Check(identity.PermAdminister)
}

// List returns the schedules the actor may see, by name.
func (s *Service) List(ctx context.Context, actor identity.Actor) ([]Schedule, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, err
	}
	var teams []string
	if actor.TeamUID != "" {
		teams = []string{actor.TeamUID}
	}
	list, err := s.cfg.Store.List(ctx, teams, actor.UID)
	slices.SortFunc(list, func(a, b Schedule) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return list, err
}

// Update replaces a schedule's definition. A change of when it fires begins with the first tick from
// now.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id string, req api.UpdateScheduledAgentRequest) (Schedule, error) {
	if _, err := s.PlanUpdate(ctx, actor, id, req); err != nil {
		return Schedule{}, err
	}
	return s.change(ctx, actor, id, func(c *Schedule, now time.Time) error { return c.redefine(req, now) })
}

// PlanUpdate is the schedule that Update would make of one.
func (s *Service) PlanUpdate(ctx context.Context, actor identity.Actor, id string, req api.UpdateScheduledAgentRequest) (Schedule, error) {
	c, err := s.changeable(ctx, actor, id)
	if err != nil {
		return Schedule{}, err
	}
	if err := c.redefine(req, s.now()); err != nil {
		return Schedule{}, err
	}
	if err := checkChoice(actor, c.AgentUID); err != nil {
		return Schedule{}, err
	}
	principal, err := s.principal(ctx, c)
	if err != nil {
		return Schedule{}, err
	}
	return c, s.try(ctx, principal, c)
}

// redefine makes the schedule what a request says. Where its times change it is wound anew.
func (s *Schedule) redefine(req api.UpdateScheduledAgentRequest, now time.Time) error {
	before := *s
	if err := s.define(definition{
		name: req.Name, cron: req.CronSchedule, prompt: req.Prompt, config: req.AgentConfig, agent: req.AgentUid,
		metadata: req.Metadata, mode: req.Mode, zone: req.TimeZone, missed: req.MissedRuns, catchUp: req.MaxCatchUp,
		overlap: req.Overlap, jitter: req.JitterSeconds, starts: req.StartsAt, ends: req.EndsAt, unbounded: req.Unbounded,
		saved: req.SavedPrompt, arguments: req.SavedPromptArguments,
	}); err != nil {
		return err
	}
	s.Enabled = req.Enabled
	if s.sameTimes(before) {
		return nil
	}
	return s.wind(now)
}

// sameTimes reports whether two versions of a schedule fire at the same times.
func (s Schedule) sameTimes(o Schedule) bool {
	return s.Cron == o.Cron && s.Zone == o.Zone && s.Jitter == o.Jitter && s.Enabled == o.Enabled &&
		s.Starts.Equal(o.Starts) && s.Ends.Equal(o.Ends)
}

// SetEnabled pauses or resumes a schedule. Resumed it goes on with the first tick from now. One that
// is so already is left alone.
func (s *Service) SetEnabled(ctx context.Context, actor identity.Actor, id string, enabled bool) (Schedule, error) {
	c, err := s.changeable(ctx, actor, id)
	if err != nil || c.Enabled == enabled {
		return c, err
	}
	return s.change(ctx, actor, id, func(c *Schedule, now time.Time) error {
		if c.Enabled == enabled {
			return nil
		}
		c.Enabled = enabled
		return c.wind(now)
	})
}

func (s *Service) change(ctx context.Context, actor identity.Actor, id string, decide func(*Schedule, time.Time) error) (Schedule, error) {
	now := s.now()
	c, err := s.cfg.Store.Change(ctx, id, func(c *Schedule) error {
		if err := decide(c, now); err != nil {
			return err
		}
		c.Editor, c.UpdatedAt = actor.Profile(), now
		return nil
	})
	if err != nil {
		return Schedule{}, fmt.Errorf("change schedule: %w", err)
	}
	s.wake()
	return c, nil
}

// Delete removes a schedule; its runs stay.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id string) error {
	if _, err := s.changeable(ctx, actor, id); err != nil {
		return err
	}
	return s.cfg.Store.Delete(ctx, id)
}

// RunNow starts a run of the schedule beside its ticks, whoever of those who see it asks.
func (s *Service) RunNow(ctx context.Context, actor identity.Actor, id string) (run.Run, bool, error) {
	c, err := s.Get(ctx, actor, id)
	if err == nil {
		err = actor.Check(identity.PermCreate)
	}
	if err != nil {
		return run.Run{}, false, err
	}
	principal, err := s.principal(ctx, c)
	if err != nil {
		return run.Run{}, false, err
	}
	now := s.now()
	return s.cfg.Runs.StartScheduled(ctx, principal, c.request(), s.origin(c, now), run.Tick{
		ScheduleID: c.ID, First: now, At: now, Manual: true,
	})
}

// History returns what became of the schedule's ticks, latest first, and the position of the rest.
func (s *Service) History(ctx context.Context, actor identity.Actor, id, cursor string, limit int) ([]Outcome, string, error) {
	if _, err := s.Get(ctx, actor, id); err != nil {
		return nil, "", err
	}
	return s.cfg.Store.Outcomes(ctx, id, cursor, limit)
}

// Preview tells when an expression fires, in words and as the next times in its zone.
func (s *Service) Preview(req api.SchedulePreviewRequest) (api.SchedulePreview, error) {
	count := defaultPreview
	if req.Count != nil {
		count = *req.Count
	}
	c := Schedule{Cron: req.CronSchedule, Zone: cmp.Or(req.TimeZone, "UTC"), Starts: micro(req.StartsAt), Ends: micro(req.EndsAt), CreatedAt: s.now()}
	if err := checkBounds(c.Starts, c.Ends); err != nil {
		return api.SchedulePreview{}, err
	}
	t, err := c.Timing()
	if err != nil {
		return api.SchedulePreview{}, err
	}
	at := req.After
	if at.IsZero() {
		at = s.now()
	}
	p := api.SchedulePreview{Description: t.Cron.Words(), TimeZone: t.Zone.String(), NextRuns: []time.Time{}}
	for len(p.NextRuns) < count {
		if at = t.Next(at); at.IsZero() {
			break
		}
		p.NextRuns = append(p.NextRuns, at.In(t.Zone))
	}
	return p, nil
}
