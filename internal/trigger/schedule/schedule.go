package schedule

import (
	"hash/fnv"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Schedule is what starts runs by the clock, as stored. Times are UTC with microsecond precision; a
// zero time means none.
type Schedule struct {
	ID      string
	Owner   identity.Owner
	TeamUID string // of its creator, whose queue and limits its runs count against
	Name    string
	Cron    string
	Zone    string
	Prompt  string
	// SavedPrompt names, by uid or name, what runs are made from in place of Prompt, as it is at each tick.
	SavedPrompt string
	Arguments   map[string]string // of the saved prompt
	Mode        api.RunMode
	Config      api.AmbientAgentConfig
	Metadata    map[string]string
	AgentUID    string
	Enabled     bool
	Missed      api.ScheduleMissedRuns
	CatchUp     int // missed ticks that "all" makes up for at most
	Overlap     api.ScheduleOverlap
	Jitter      time.Duration
	Starts      time.Time
	Ends        time.Time

	// Creator is whom its runs are made as, unless it names an agent.
	Creator     api.UserProfile
	CreatorKind identity.Kind
	Editor      api.UserProfile
	CreatedAt   time.Time
	UpdatedAt   time.Time

	// Rev grows with every change a person makes. What was decided on an older one is not stored.
	Rev int64
	Clock
}

// Clock is where a schedule stands and what it last did.
type Clock struct {
	Tick time.Time // the next tick without an outcome
	Due  time.Time // when to act on it: its time with jitter, or a later try. Zero while Held
	Held bool      // the tick waits for an earlier run to end
	// Attempts counts the tries at the tick that failed for reasons of ours.
	Attempts int

	LastRan   time.Time
	LastRun   string
	LastError string
}

// Timing is the schedule's expression made ready.
func (s Schedule) Timing() (Timing, error) {
	c, err := Parse(s.Cron)
	if err != nil {
		return Timing{}, err
	}
	zone, err := LoadZone(s.Zone)
	if err != nil {
		return Timing{}, err
	}
	anchor := s.Starts
	if anchor.IsZero() {
		anchor = s.CreatedAt.Truncate(time.Second)
	}
	return Timing{Cron: c, Zone: zone, Anchor: anchor, Starts: s.Starts, Ends: s.Ends}, nil
}

// due is when to act on a tick: up to Jitter after it, the same on every server and at every try.
func (s Schedule) due(tick time.Time) time.Time {
	if tick.IsZero() || s.Jitter <= 0 {
		return tick
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.ID + strconv.FormatInt(tick.Unix(), 10))) // never fails
	return tick.Add(time.Duration(h.Sum64() % uint64(s.Jitter)).Truncate(time.Microsecond))
}

// at is the clock set to a tick, with what it last did kept.
func (s Schedule) at(tick time.Time) Clock {
	c := s.Clock
	c.Tick, c.Due, c.Held, c.Attempts = tick, s.due(tick), false, 0
	return c
}

// wind sets the clock to the first tick after now, or stops it.
func (s *Schedule) wind(now time.Time) error {
	var next time.Time
	if s.Enabled {
		t, err := s.Timing()
		if err != nil {
			return err
		}
		next = t.Next(now)
	}
	s.Clock = s.at(next)
	return nil
}

// Outcome is what became of a tick, or of several that share their fate.
type Outcome struct {
	ScheduleID string
	First, At  time.Time // equal for one tick
	Outcome    api.ScheduleTickOutcome
	RunID      string
	Reason     string
	Manual     bool
	RecordedAt time.Time
}
