package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

// Events lists what happened to a run, oldest first.
func (s Runs) Events(ctx context.Context, runID string) ([]run.Event, error) {
	list, err := all(scanEvent)(s.db.query(ctx, selectEvents+"WHERE run_id = $1 ORDER BY seq", runID))
	return list, public("read events of run", err)
}

// Children lists the ids of each run's direct children, oldest first. Runs without any are not in
// the map.
func (s Runs) Children(ctx context.Context, runIDs ...string) (map[string][]string, error) {
	type child struct{ parent, id string }
	scan := func(row scanner) (c child, err error) {
		err = row.Scan(&c.parent, &c.id)
		return c, err
	}
	byParent := map[string][]string{}
	for chunk := range chunksOf(runIDs) {
		// parent_id <> '' lets the partial index serve this.
		list, err := all(scan)(s.db.queryOnce(ctx, "SELECT parent_id, id FROM runs WHERE parent_id <> '' AND parent_id IN ("+
			placeholders(1, len(chunk))+") AND owner_type <> '"+nowhere+"' ORDER BY parent_id, created_at, id", chunk...))
		if err != nil {
			return nil, public("read children", err)
		}
		for _, c := range list {
			byParent[c.parent] = append(byParent[c.parent], c.id)
		}
	}
	return byParent, nil
}

// Working counts a team's runs that hold one of its places, stopping at atMost (0: never).
func (s Runs) Working(ctx context.Context, teamUID string, atMost int) (int, error) {
	n, err := countWorking(s.db.on(ctx), teamUID, atMost)
	return n, public("count working runs", err)
}

// LastEvent returns the number of the latest event of a type of a run, 0 when there is none.
func (s Runs) LastEvent(ctx context.Context, runID string, t run.EventType) (int64, error) {
	n, err := one(value[int64])(s.db.query(ctx, `SELECT seq FROM lifecycle_events WHERE run_id = $1 AND type = $2
		ORDER BY seq DESC LIMIT 1`, runID, string(t)))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return n, public("read last event of run", err)
}

var insertClientEvents = newInsert("client_events", "run_id", "uuid", "name", "at", "duration_us", "failed")

// NoteClient keeps a client's event of a run, unless it is kept already or the run has most of them.
func (s Runs) NoteClient(ctx context.Context, runID string, e run.ClientEvent, most int) error {
	return s.db.Write(ctx, runID, func(tx *Tx) error {
		kept, err := all(value[string])(tx.Query("SELECT uuid FROM client_events WHERE run_id = $1", runID))
		if err != nil || len(kept) >= most || slices.Contains(kept, e.UUID) {
			return err
		}
		return insertClientEvents.into(tx, []any{runID, e.UUID, e.Name, micros(e.At), e.Duration.Microseconds(), flag(e.Failed)})
	})
}

// ClientEvents lists what clients told of a run, oldest first.
func (s Runs) ClientEvents(ctx context.Context, runID string) ([]run.ClientEvent, error) {
	list, err := all(func(row scanner) (e run.ClientEvent, err error) {
		var at, duration, failed int64
		err = row.Scan(&e.UUID, &e.Name, &at, &duration, &failed)
		e.At, e.Duration, e.Failed = fromMicros(at), time.Duration(duration)*time.Microsecond, failed != 0
		return e, err
	})(s.db.query(ctx, "SELECT uuid, name, at, duration_us, failed FROM client_events WHERE run_id = $1 ORDER BY at, uuid", runID))
	return list, public("read client events", err)
}
