package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/internal/run"
)

var insertExecutions = newInsert("executions",
	"id", "run_id", "number", "state", "host", "worker", "backend", "lease_until", "created_at",
	"claimed_at", "started_at", "ended_at", "end_reason", "next_index", "acted", "snapshot", "snapshot_seq")

func executionValues(x run.Execution) []any {
	return []any{x.ID, x.RunID, x.Number, string(x.State), x.Host, x.Worker, x.Backend, micros(x.LeaseUntil),
		micros(x.CreatedAt), micros(x.ClaimedAt), micros(x.StartedAt), micros(x.EndedAt), x.EndReason,
		x.NextIndex, flag(x.Acted), x.Snapshot, x.SnapshotSeq}
}

const selectExecutions = `SELECT id, run_id, number, state, host, worker, backend, lease_until, created_at,
	claimed_at, started_at, ended_at, end_reason, next_index, acted, snapshot, snapshot_seq FROM executions `

func scanExecution(row scanner) (x run.Execution, err error) {
	var lease, created, claimed, started, ended, acted int64
	err = row.Scan(&x.ID, &x.RunID, &x.Number, &x.State, &x.Host, &x.Worker, &x.Backend, &lease, &created,
		&claimed, &started, &ended, &x.EndReason, &x.NextIndex, &acted, &x.Snapshot, &x.SnapshotSeq)
	x.LeaseUntil, x.CreatedAt, x.ClaimedAt = fromMicros(lease), fromMicros(created), fromMicros(claimed)
	x.StartedAt, x.EndedAt, x.Acted = fromMicros(started), fromMicros(ended), acted != 0
	return x, err
}

// latestExecution reads the execution a run counts as its latest, nil before the first.
func latestExecution(query querier, r run.Run) (*run.Execution, error) {
	if r.Execution == 0 {
		return nil, nil
	}
	x, err := one(scanExecution)(query(selectExecutions+"WHERE run_id = $1 AND number = $2", r.ID, r.Execution))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &x, err
}

// putExecution inserts x when its number is new and else replaces what may change of it. The lease
// is only written when the decision changed it: Renew may have extended it meanwhile.
func putExecution(tx *Tx, x run.Execution, have *run.Execution) error {
	if have == nil || have.Number != x.Number {
		return insertExecutions.into(tx, executionValues(x))
	}
	if x == *have {
		return nil
	}
	lease := x.LeaseUntil
	if lease.Equal(have.LeaseUntil) {
		return tx.Send(`UPDATE executions SET state = $1, worker = $2, backend = $3, claimed_at = $4,
			started_at = $5, ended_at = $6, end_reason = $7, next_index = $8, acted = $9, snapshot = $10,
			snapshot_seq = $11 WHERE id = $12`,
			string(x.State), x.Worker, x.Backend, micros(x.ClaimedAt), micros(x.StartedAt), micros(x.EndedAt),
			x.EndReason, x.NextIndex, flag(x.Acted), x.Snapshot, x.SnapshotSeq, x.ID)
	}
	return tx.Send(`UPDATE executions SET state = $1, worker = $2, backend = $3, claimed_at = $4,
		started_at = $5, ended_at = $6, end_reason = $7, next_index = $8, acted = $9, snapshot = $10,
		snapshot_seq = $11, lease_until = $12 WHERE id = $13`,
		string(x.State), x.Worker, x.Backend, micros(x.ClaimedAt), micros(x.StartedAt), micros(x.EndedAt),
		x.EndReason, x.NextIndex, flag(x.Acted), x.Snapshot, x.SnapshotSeq, micros(lease), x.ID)
}

// Executions lists a run's executions, oldest first.
func (s Runs) Executions(ctx context.Context, runID string) ([]run.Execution, error) {
	list, err := all(scanExecution)(s.db.query(ctx, selectExecutions+"WHERE run_id = $1 ORDER BY number", runID))
	return list, public("read executions", err)
}
