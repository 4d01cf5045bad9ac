package schedule

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
)

// Store keeps schedules. Each method is one durable transaction.
type Store interface {
	// Insert stores a new schedule unless its owner has limit of them already, which is
	// operation_not_supported.
	Insert(ctx context.Context, s Schedule, limit int) error
	// Get returns a schedule; api.NotFound for an unknown or deleted one.
	Get(ctx context.Context, id string) (Schedule, error)
	// List returns the schedules of the teams and of the user, in no order.
	List(ctx context.Context, teamUIDs []string, userUID string) ([]Schedule, error)
	// Change shows the schedule to decide, under a lock, and stores what it made of it with the next
	// Rev; claims on it end. decide must be pure. Its error is returned unchanged.
	Change(ctx context.Context, id string, decide func(*Schedule) error) (Schedule, error)
	// Delete hides a schedule for good. Its ticks and runs stay.
	Delete(ctx context.Context, id string) error
	// Outcomes returns what became of the ticks before a position ("" is the latest), latest first.
	Outcomes(ctx context.Context, id, cursor string, limit int) (list []Outcome, next string, err error)
}

// Ticks is what the scheduler needs of the store.
type Ticks interface {
	// NextDue is when the first schedule is due that nobody has a claim on now; zero when none is.
	NextDue(ctx context.Context, now time.Time) (time.Time, error)
	// Claim takes up to limit schedules that are due, the earliest first, for nobody else to take
	// before until. A claim is a courtesy: Settle and run.Store.Insert decide.
	Claim(ctx context.Context, now, until time.Time, limit int) ([]Schedule, error)
	// Release makes those schedules due that wait for runs which have all ended, and tells how many
	// still wait.
	Release(ctx context.Context, now time.Time) (waiting int, err error)
	// Settle stores outcomes and sets the schedule's clock, if the schedule still has the Rev and
	// Tick of from. Otherwise it is run.ErrTickTaken.
	Settle(ctx context.Context, from Schedule, to Clock, outcomes ...Outcome) error
	// OpenRuns lists the runs of a schedule that have not ended, at most limit.
	OpenRuns(ctx context.Context, scheduleID string, limit int) ([]string, error)
	// Forget deletes up to limit outcomes of ticks before a time, and tells how many it did.
	Forget(ctx context.Context, before time.Time, limit int) (int, error)
}

// People finds a person with their teams: identity.PeopleStore.
type People interface {
	User(ctx context.Context, uid string) (identity.User, []identity.Membership, error)
}
