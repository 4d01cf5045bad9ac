package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// Runs keeps runs and what belongs to them: run.Store and run.History.
type Runs struct{ db *DB }

// NewRuns keeps runs in db.
func NewRuns(db *DB) Runs { return Runs{db} }

var (
	_ run.Store   = Runs{}
	_ run.History = Runs{}
)

// Get returns one run.
func (s Runs) Get(ctx context.Context, runID string) (run.Run, error) {
	r, err := getRun(s.db.on(ctx), runID, "")
	return r.Run, public("read run", err)
}

// getRun reads a run with its specification; lock is appended to the query.
func getRun(query querier, runID, lock string) (storedRun, error) {
	r, err := one(scanRun)(query(selectRuns+"WHERE r.id = $1"+lock, runID))
	if errors.Is(err, sql.ErrNoRows) || err == nil && r.hidden {
		return storedRun{}, api.NotFound("run", runID)
	}
	return r, err
}
