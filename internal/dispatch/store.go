package dispatch

import (
	"context"
	"time"
)

// Store answers what waits and whose lease ran out. Assigning, claiming and losing an execution are
// moves of the run: see Runs.
type Store interface {
	// Waiting returns QUEUED runs for the given hosts in the order they should start: each team's
	// oldest first, teams taking turns, so that no team's backlog delays another's first run. Teams
	// at their concurrency limit are left out; a limit of 0 is no limit.
	Waiting(ctx context.Context, hosts []string, teamLimit, limit int) ([]Waiting, error)
	// Renew extends the leases of live executions and returns the ids that are no longer live.
	Renew(ctx context.Context, executionIDs []string, until time.Time) (ended []string, err error)
	// Expired returns live executions whose lease ended before now.
	Expired(ctx context.Context, now time.Time, limit int) ([]Lease, error)
	// LiveOn returns the live executions assigned to a worker connection.
	LiveOn(ctx context.Context, worker string) ([]Lease, error)
}

// Waiting is a queued run.
type Waiting struct {
	RunID    string
	TeamUID  string
	Host     string
	QueuedAt time.Time
}

// Lease is a live execution.
type Lease struct {
	RunID       string
	ExecutionID string
	Worker      string
	LeaseUntil  time.Time
}
