package run

import (
	"context"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// ErrTickTaken says that a tick has its outcome already, or that its schedule was changed, paused or
// deleted since the tick was decided on.
var ErrTickTaken = errors.New("the tick is taken, or its schedule was changed")

// Origin is what started a run, as it was then.
type Origin struct {
	// Schedule is zero unless a schedule did.
	Schedule api.ScheduleInfo
	URL      string    // a page about it
	At       time.Time // the tick
	// Fork is zero unless the run began as a copy of another, RetryOf empty unless it asks for the same
	// as another.
	Fork    ForkOf
	RetryOf string
}

// Tick is a moment of a schedule. Storing a run with one takes the tick, and moves the schedule on,
// in the same transaction: no tick has two runs.
type Tick struct {
	ScheduleID string
	Rev        int64     // of the schedule, as it was decided on
	First, At  time.Time // the ticks the run stands for; At is the schedule's present one, or the last of several
	From       time.Time // the schedule's present tick
	Next, Due  time.Time // the tick to move on to, and when to act on it; zero when there is none
	// Manual marks a run beside the ticks, asked for by a person: the schedule stays where it is.
	Manual bool
}

// StartScheduled is Create for a tick of a schedule. A tick that is taken is ErrTickTaken, and
// nothing is stored.
func (s *Service) StartScheduled(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, o Origin, tick Tick) (r Run, atCapacity bool, err error) {
	return s.create(ctx, actor, req, api.RunSourceTypeSCHEDULEDAGENT, func(d *draft) {
		d.run.ScheduleID, d.run.Origin, d.tick = o.Schedule.ScheduleId, o, &tick
	})
}

// Try refuses what Create would refuse, and stores nothing.
func (s *Service) Try(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType) error {
	_, err := s.draft(ctx, actor, req, source)
	return err
}
