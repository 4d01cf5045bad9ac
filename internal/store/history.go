package store

import (
	"context"

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
			placeholders(1, len(chunk))+") ORDER BY parent_id, created_at, id", chunk...))
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
