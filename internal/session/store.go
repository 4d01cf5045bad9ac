package session

import (
	"context"

	"github.com/cadrehq/cadre/api"
)

// Log reads the durable entries of sessions. Appending is a change of the run: see run.Service.
type Log interface {
	// Entries returns at most limit entries with seq > after, in order.
	Entries(ctx context.Context, runID string, after int64, limit int) ([]api.Entry, error)
	// Head returns where a session stands; api.NotFound for an unknown run.
	Head(ctx context.Context, runID string) (Head, error)
}

// Heads is a Log that tells of many sessions at once, for those who watch them.
type Heads interface {
	Log
	// Heads returns where sessions stand, by run. Unknown runs are missing.
	Heads(ctx context.Context, runIDs []string) (map[string]Head, error)
}

// Head is the end of a session as stored.
type Head struct {
	LastSeq int64
	State   api.RunState
	// Live is true while a sandbox is up, so that more entries may come after an ended state.
	Live bool
	// Execution is the number of the latest execution, 0 before the first.
	Execution int
	// LastCommand is the id of the last command stored for the run's runner, 0 without one.
	LastCommand int64
}

// Bus carries hints and deltas to whoever watches. It may drop anything: a reader that was told of
// a drop, or of nothing for a while, loads again.
type Bus interface {
	// Watch delivers signals about one run until ctx ends. The channel is closed then. A slow
	// reader loses signals and finds Dropped set on the next one.
	Watch(ctx context.Context, runID string) (<-chan Signal, error)
}

// Signal says that entries up to LastSeq are stored, or carries deltas.
type Signal struct {
	LastSeq int64
	Deltas  []api.Delta
	Dropped bool
}
