package dispatch

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Store answers what waits and whose lease ran out. Assigning, claiming and losing an execution are
// moves of the run: see Runs.
type Store interface {
	// Waiting returns QUEUED runs for the given places in the order they should start: each team's
	// oldest first, teams taking turns, so that no team's backlog delays another's first run. Teams
	// at their concurrency limit are left out; a team that teamLimits lacks, or has as 0, has none.
	Waiting(ctx context.Context, places []Place, teamLimits map[string]int, limit int) ([]Waiting, error)
	// Queued pages through all QUEUED runs that entered the queue before the given time, in the order
	// of (QueuedAt, RunID), beginning behind after; a zero after begins at the front.
	Queued(ctx context.Context, before time.Time, after Waiting, limit int) ([]Waiting, error)
	// Renew extends the leases of live executions and returns the ids that are no longer live.
	Renew(ctx context.Context, executionIDs []string, until time.Time) (ended []string, err error)
	// Shorten makes the leases of live executions that end after from end at to.
	Shorten(ctx context.Context, from, to time.Time) error
	// Expired returns live executions whose lease ends before the given time, soonest first. Local
	// runs, which no worker carries out, are among them.
	Expired(ctx context.Context, before time.Time, limit int) ([]Lease, error)
	// Unclaimed returns the live executions that were offered to a worker but not claimed.
	Unclaimed(ctx context.Context, limit int) ([]Lease, error)
	// Live returns those of the given executions that are live.
	Live(ctx context.Context, executionIDs []string) ([]Lease, error)
	// Latest returns the live execution of a run; api.NotFound when it has none.
	Latest(ctx context.Context, runID string) (Lease, error)
	// Overdue returns the live executions of runs that have been INPROGRESS without a pause since
	// before the given time.
	Overdue(ctx context.Context, activeSince time.Time, limit int) ([]Lease, error)
}

// Place is where a run may start: the workers of one host that belong to the run's team.
type Place struct {
	Host    string
	TeamUID string
}

// Waiting is a queued run.
type Waiting struct {
	RunID    string
	TeamUID  string
	Host     string
	QueuedAt time.Time
	Told     api.RunWaiting // what the run says it waits for
}

// Lease is a live execution.
type Lease struct {
	RunID       string
	ExecutionID string
	Host        string
	TeamUID     string
	Worker      string // connection it was assigned to; empty for local runs
	Claimed     bool   // its worker took it, or its runner called
	LeaseUntil  time.Time
}
