package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/dispatch"
	"github.com/cadrehq/cadre/internal/run"
)

// selectLeases reads live executions x with their runs r.
const selectLeases = `SELECT x.run_id, x.id, x.host, r.team_uid, x.worker, x.state, x.lease_until
	FROM executions x JOIN runs r ON r.id = x.run_id WHERE x.ended_at = 0 AND `

func scanLease(row scanner) (l dispatch.Lease, err error) {
	var until int64
	var state run.ExecutionState
	err = row.Scan(&l.RunID, &l.ExecutionID, &l.Host, &l.TeamUID, &l.Worker, &state, &until)
	l.LeaseUntil, l.Claimed = fromMicros(until), state != run.ExecutionAssigned
	return l, err
}

// Expired returns live executions whose lease ends before the given time, soonest first.
func (s Dispatch) Expired(ctx context.Context, before time.Time, limit int) ([]dispatch.Lease, error) {
	list, err := all(scanLease)(s.db.query(ctx, selectLeases+
		"x.lease_until < $1 ORDER BY x.lease_until, x.id LIMIT $2", micros(before), limit))
	return list, public("read expired leases", err)
}

// Unclaimed returns live executions that were offered to a worker but not claimed, oldest first.
func (s Dispatch) Unclaimed(ctx context.Context, limit int) ([]dispatch.Lease, error) {
	list, err := all(scanLease)(s.db.query(ctx, selectLeases+
		"x.state = 'assigned' AND x.worker <> '' ORDER BY x.created_at, x.id LIMIT $1", limit))
	return list, public("read unclaimed executions", err)
}

// Live returns those of the given executions that are live.
func (s Dispatch) Live(ctx context.Context, executionIDs []string) ([]dispatch.Lease, error) {
	var live []dispatch.Lease
	for chunk := range chunksOf(executionIDs) {
		list, err := all(scanLease)(s.db.queryOnce(ctx, selectLeases+
			"x.id IN ("+placeholders(1, len(chunk))+") ORDER BY x.id", chunk...))
		if err != nil {
			return nil, public("read live executions", err)
		}
		live = append(live, list...)
	}
	return live, nil
}

// Latest returns the live execution of a run.
func (s Dispatch) Latest(ctx context.Context, runID string) (dispatch.Lease, error) {
	l, err := one(scanLease)(s.db.query(ctx, selectLeases+"x.run_id = $1 ORDER BY x.number DESC LIMIT 1", runID))
	if errors.Is(err, sql.ErrNoRows) {
		return l, api.NotFound("live execution of run", runID)
	}
	return l, public("read live execution", err)
}

// Overdue returns the live executions of runs that have been INPROGRESS without a pause since before
// the given time, longest first.
func (s Dispatch) Overdue(ctx context.Context, activeSince time.Time, limit int) ([]dispatch.Lease, error) {
	list, err := all(scanLease)(s.db.query(ctx, selectLeases+`x.number = r.execution AND r.live = 1
		AND r.state = 'INPROGRESS' AND r.active_at > 0 AND r.active_at < $1 ORDER BY r.active_at, r.id LIMIT $2`,
		micros(activeSince), limit))
	return list, public("read overdue executions", err)
}

// largestRenewal bounds the executions one statement renews.
const largestRenewal = 256

// renewal is the statements that find and renew so many executions.
type renewal struct{ live, renew string }

// renewals are by number of executions: 1, 4, 16, 64 and 256, since statements are kept by their text.
var renewals = sync.OnceValue(func() map[int]renewal {
	all := map[int]renewal{}
	for size := 1; size <= largestRenewal; size *= 4 {
		all[size] = renewal{
			"SELECT id FROM executions WHERE ended_at = 0 AND id IN (" + placeholders(1, size) + ") ORDER BY id",
			"UPDATE executions SET lease_until = $1 WHERE lease_until < $2 AND ended_at = 0 AND id IN (" + placeholders(3, size) + ")",
		}
	}
	return all
})

// Renew extends the leases of live executions and returns the ids that are no longer live. A lease
// is never shortened.
func (s Dispatch) Renew(ctx context.Context, executionIDs []string, until time.Time) ([]string, error) {
	ids := slices.Compact(slices.Sorted(slices.Values(executionIDs))) // one order of locking for everybody
	live := map[string]bool{}
	err := s.db.Write(ctx, "", func(tx *Tx) error {
		clear(live)
		for chunk := range slices.Chunk(ids, largestRenewal) {
			found, err := renew(tx, chunk, until)
			if err != nil {
				return err
			}
			for _, id := range found {
				live[id] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ids, func(id string) bool { return live[id] }), nil
}

// renew extends the leases of at most largestRenewal executions and returns those that are live.
func renew(tx *Tx, ids []string, until time.Time) (live []string, err error) {
	size := 1
	for size < len(ids) {
		size *= 4
	}
	args := make([]any, 2+size)
	args[0], args[1] = micros(until), micros(until)
	for i := range size {
		args[2+i] = ids[min(i, len(ids)-1)] // what is left of the statement names the last one again
	}
	text := renewals()[size]
	live, err = all(value[string])(tx.Query(text.live+tx.forUpdate("executions"), args[2:]...))
	if err != nil || len(live) == 0 {
		return live, err
	}
	return live, tx.Send(text.renew, args...)
}

// Shorten makes the leases of live executions that end after from end at to.
func (s Dispatch) Shorten(ctx context.Context, from, to time.Time) error {
	return s.db.Write(ctx, "", func(tx *Tx) error {
		_, err := tx.Exec("UPDATE executions SET lease_until = $1 WHERE ended_at = 0 AND lease_until > $2", micros(to), micros(from))
		return err
	})
}
