package schedule

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

const (
	maxName        = 200 // characters
	maxAgentUID    = 128 // bytes
	defaultCatchUp = 10
	maxCatchUp     = 100
	maxJitter      = 3600 // seconds
	defaultPreview = 5
)

// latest and earliest bound times in requests: what the stores can keep and search quickly.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

func checkID(id string) error {
	if err := uuid.Validate(id); err != nil || len(id) != 36 {
		return api.Invalid("schedule id", "must be a UUID")
	}
	return nil
}

// micro is a time as the stores keep it.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// definition is what a request says of a schedule. Members from zone on keep what there is when
// they are zero.
type definition struct {
	name, cron, prompt, agent string
	config                    api.AmbientAgentConfig
	metadata                  map[string]string
	saved                     string
	arguments                 map[string]string
	mode                      api.RunMode

	zone         string
	missed       api.ScheduleMissedRuns
	overlap      api.ScheduleOverlap
	catchUp      *int
	jitter       *int // seconds
	starts, ends time.Time
	unbounded    bool
}

// define checks a definition and makes it the schedule's. What concerns its runs is for Try.
func (s *Schedule) define(d definition) error {
	if err := checkName(d.name); err != nil {
		return err
	}
	s.Name, s.Cron = d.name, strings.Join(strings.Fields(d.cron), " ")
	s.SavedPrompt, s.Arguments = d.saved, d.arguments
	s.Prompt, s.Config, s.Metadata, s.Mode = d.prompt, d.config, d.metadata, cmp.Or(d.mode, api.RunModeNormal)
	switch {
	case d.agent != "" && s.Owner.Type != api.ScopeTypeTeam:
		return api.Invalid("agent_uid", "only a team's schedule can run as an agent")
	case len(d.agent) > maxAgentUID:
		return api.Invalid("agent_uid", "must be at most %d bytes", maxAgentUID)
	}
	s.AgentUID = d.agent
	if err := s.defineRules(d); err != nil {
		return err
	}
	t, err := s.Timing()
	if err != nil {
		return err
	}
	if !s.Ends.IsZero() && t.Next(earliest).IsZero() {
		return api.Invalid("ends_at", "the schedule would never fire: no tick is before it")
	}
	return nil
}

// defineRules takes over the members that stay as they are when absent.
func (s *Schedule) defineRules(d definition) error {
	s.Zone = cmp.Or(d.zone, s.Zone)
	s.Missed, s.Overlap = cmp.Or(d.missed, s.Missed), cmp.Or(d.overlap, s.Overlap)
	switch {
	case !s.Missed.Valid():
		return api.Invalid("missed_runs", "must be skip, once or all")
	case !s.Overlap.Valid():
		return api.Invalid("overlap", "must be allow, skip, queue_after or cancel_previous")
	case d.catchUp != nil && (*d.catchUp < 1 || *d.catchUp > maxCatchUp):
		return api.Invalid("max_catch_up", "must be from 1 to %d", maxCatchUp)
	case d.jitter != nil && (*d.jitter < 0 || *d.jitter > maxJitter):
		return api.Invalid("jitter_seconds", "must be from 0 to %d", maxJitter)
	}
	if d.catchUp != nil {
		s.CatchUp = *d.catchUp
	}
	if d.jitter != nil {
		s.Jitter = time.Duration(*d.jitter) * time.Second
	}
	if !d.starts.IsZero() || d.unbounded {
		s.Starts = micro(d.starts)
	}
	if !d.ends.IsZero() || d.unbounded {
		s.Ends = micro(d.ends)
	}
	return checkBounds(s.Starts, s.Ends)
}

func checkBounds(starts, ends time.Time) error {
	for field, t := range map[string]time.Time{"starts_at": starts, "ends_at": ends} {
		if !t.IsZero() && (t.Before(earliest) || t.After(latest)) {
			return api.Invalid(field, "must be between %s and %s", earliest.Format(time.DateOnly), latest.Format(time.DateOnly))
		}
	}
	if !starts.IsZero() && !ends.IsZero() && !starts.Before(ends) {
		return api.Invalid("ends_at", "must be after starts_at")
	}
	return nil
}

func checkName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return api.Invalid("name", "is required")
	case !utf8.ValidString(name):
		return api.Invalid("name", "is not valid UTF-8")
	case utf8.RuneCountInString(name) > maxName:
		return api.Invalid("name", "must be at most %d characters long", maxName)
	case strings.ContainsFunc(name, unicode.IsControl):
		return api.Invalid("name", "contains control characters")
	}
	return nil
}

// request is what each run of the schedule is made from.
func (s Schedule) request() api.RunAgentRequest {
	team := s.Owner.Type == api.ScopeTypeTeam
	return api.RunAgentRequest{
		Prompt: s.Prompt, Config: s.Config, Mode: s.Mode, Metadata: s.Metadata, Team: &team,
		AgentIdentityUid: s.AgentUID, Title: s.title(), SavedPrompt: s.SavedPrompt, SavedPromptArguments: s.Arguments,
	}
}

// title names runs after the schedule.
func (s Schedule) title() string { return s.Name }

// origin is what a run keeps of the schedule as it is now.
func (s *Service) origin(c Schedule, at time.Time) run.Origin {
	return run.Origin{
		Schedule: api.ScheduleInfo{ScheduleId: c.ID, ScheduleName: c.Name, CronSchedule: c.Cron},
		URL:      s.cfg.PublicURL + "/schedules/" + c.ID, At: at,
	}
}

// try refuses a schedule whose runs would be refused, naming the members as a schedule's.
func (s *Service) try(ctx context.Context, actor identity.Actor, c Schedule) error {
	actor, err := s.runsAs(ctx, actor, c)
	if err != nil {
		return err
	}
	req := c.request()
	if s.cfg.Agents == nil {
		req.AgentIdentityUid = ""
	}
	err = s.cfg.Runs.Try(ctx, actor, req, api.RunSourceTypeSCHEDULEDAGENT)
	var f *api.Failure
	if errors.As(err, &f) && strings.HasPrefix(f.Detail, "config.") {
		own := *f
		own.Detail = "agent_" + f.Detail
		if strings.HasPrefix(f.Field, "config.") {
			own.Field = "agent_" + f.Field
		}
		return &own
	}
	return err
}

// checkChoice refuses an agent that chooses another to run as.
func checkChoice(actor identity.Actor, agentUID string) error {
	if actor.Kind == identity.KindAgent && agentUID != "" && actor.UID != agentUID {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "agent_uid: only people and their team may choose an agent")
	}
	return nil
}

// runsAs is whom a schedule of the actor runs as: the agent it names, which must be one of the team,
// else the actor.
func (s *Service) runsAs(ctx context.Context, actor identity.Actor, c Schedule) (identity.Actor, error) {
	if c.AgentUID == "" || s.cfg.Agents == nil {
		return actor, nil
	}
	return s.agent(ctx, c, c.AgentUID)
}
