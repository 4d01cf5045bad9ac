package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

var insertMetadata = newInsert("run_metadata", "run_id", "key", "value")

var insertKeys = newInsert("create_keys", "scope", "key", "digest", "run_id")

var insertEntries = newInsert("entries", "run_id", "seq", "type", "created_at", "execution", "data")

// Kept returns what was stored under a key.
func (s Runs) Kept(ctx context.Context, scope, key string) (o run.Once, runID string, err error) {
	o = run.Once{Scope: scope, Key: key}
	runID, err = one(func(r scanner) (id string, err error) {
		return id, r.Scan(&o.Digest, &id)
	})(s.db.on(ctx)("SELECT digest, run_id FROM create_keys WHERE scope = $1 AND key = $2", scope, key))
	if errors.Is(err, sql.ErrNoRows) {
		return o, "", api.NotFound("request", key)
	}
	return o, runID, public("read key", err)
}

// Insert stores a new run. An id or key that exists is a conflict.
func (s Runs) Insert(ctx context.Context, n run.New) error {
	// Everything is encoded here, on the caller's goroutine: the writer only executes.
	n.Run.LastSeq = int64(len(n.Entries))
	runRow := runValues(n.Run)
	spec, err := specValues(n.Run)
	if err != nil {
		return err
	}
	entries := entryRows(n.Run.ID, 0, executionOf(n), n.Entries, s.db.now())
	metadata := make([][]any, 0, len(n.Run.Metadata))
	for _, key := range slices.Sorted(maps.Keys(n.Run.Metadata)) {
		metadata = append(metadata, []any{n.Run.ID, key, n.Run.Metadata[key]})
	}
	event := eventOf(n.Event, n.Run)
	events := []run.Event{event}
	if n.Told != nil {
		events = append(events, *n.Told)
	}
	notice := run.NoticeOfNew(n, n.Run.LastSeq)
	place := func(tx *Tx) error { return insertRuns.into(tx, runRow) }
	if stages := stagesOf(entries); len(stages) > 1 {
		if err := s.stage(ctx, n.Run, stages); err != nil {
			return err
		}
		place = func(tx *Tx) error { return unhide(tx, n.Run.ID, runRow) }
		entries = nil
	}
	return s.db.Write(ctx, n.Run.ID, func(tx *Tx) error {
		if n.Tick != nil { // first, so that a refusal has written nothing else
			if err := takeTick(tx, n.Run, *n.Tick); err != nil {
				return err
			}
		}
		if err := place(tx); err != nil {
			return err
		}
		if err := insertSpecs.into(tx, spec); err != nil {
			return err
		}
		if err := insertEntries.into(tx, entries...); err != nil {
			return err
		}
		if err := insertMetadata.into(tx, metadata...); err != nil {
			return err
		}
		if n.Once != nil {
			if err := insertKeys.into(tx, []any{n.Once.Scope, n.Once.Key, n.Once.Digest, n.Run.ID}); err != nil {
				return err
			}
		}
		if err := adoptUploads(tx, n.Run.ID, n.Uploads); err != nil {
			return err
		}
		if n.Execution != nil {
			if err := insertExecutions.into(tx, executionValues(*n.Execution)); err != nil {
				return err
			}
		}
		for _, e := range events {
			tx.Emit(e)
		}
		tx.Notify(notice)
		return nil
	})
}

func executionOf(n run.New) int {
	if n.Execution == nil {
		return 0
	}
	return n.Execution.Number
}

// entryRows numbers entries after last. An entry without a time gets now.
func entryRows(runID string, last int64, execution int, entries []api.NewEntry, now time.Time) [][]any {
	rows := make([][]any, len(entries))
	for i, e := range entries {
		at := e.CreatedAt
		if at.IsZero() {
			at = now
		}
		rows[i] = []any{runID, last + int64(i) + 1, string(e.Type), micros(at), execution, string(e.Data)}
	}
	return rows
}

// eventOf fills in what every event of a run has.
func eventOf(e run.Event, r run.Run) run.Event {
	if e.RunID == "" {
		e.RunID = r.ID
	}
	if e.TeamUID == "" {
		e.TeamUID = r.TeamUID
	}
	return e
}
