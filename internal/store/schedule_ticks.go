package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

var insertTicks = newInsert("schedule_ticks",
	"schedule_id", "tick_at", "manual", "first_at", "outcome", "run_id", "reason", "recorded_at")

// takeTick makes a run the outcome of a tick and moves the schedule on, within the run's own
// transaction; run.ErrTickTaken when the schedule does not stand there any more.
func takeTick(tx *Tx, r run.Run, t run.Tick) error {
	now, id := micros(r.CreatedAt), t.ScheduleID
	var n int64
	var err error
	if t.Manual {
		n, err = tx.Exec(`UPDATE schedules SET last_ran_at = $2, last_run_id = $3, last_error = ''
			WHERE id = $1 AND deleted_at = 0`, id, now, r.ID)
	} else {
		n, err = tx.Exec(`UPDATE schedules SET last_ran_at = $2, last_run_id = $3, last_error = '', tick_at = $4,
				due_at = $5, held = 0, attempts = 0, claimed_until = 0
			WHERE id = $1 AND deleted_at = 0 AND rev = $6 AND tick_at = $7 AND tick_at > 0`,
			id, now, r.ID, micros(t.Next), micros(t.Due), t.Rev, micros(t.From))
	}
	if err != nil {
		return err
	}
	if n == 0 {
		return run.ErrTickTaken
	}
	return insertTicks.into(tx, []any{id, micros(t.At), flag(t.Manual), micros(t.First),
		string(api.ScheduleTickOutcomeStarted), r.ID, "", now})
}

// Settle stores outcomes and sets the schedule's clock, if the schedule still stands where it did.
func (s Schedules) Settle(ctx context.Context, from schedule.Schedule, to schedule.Clock, outcomes ...schedule.Outcome) error {
	rows := make([][]any, len(outcomes))
	for i, o := range outcomes {
		rows[i] = []any{o.ScheduleID, micros(o.At), flag(o.Manual), micros(o.First), string(o.Outcome), o.RunID, o.Reason, micros(o.RecordedAt)}
	}
	return s.db.Write(ctx, from.ID, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE schedules SET claimed_until = 0, tick_at = $4, due_at = $5, held = $6, attempts = $7,
				last_ran_at = $8, last_run_id = $9, last_error = $10
			WHERE id = $1 AND deleted_at = 0 AND rev = $2 AND tick_at = $3 AND tick_at > 0`,
			append([]any{from.ID, from.Rev, micros(from.Tick)}, clockValues(to)...)...)
		if err == nil && n == 0 {
			err = run.ErrTickTaken
		}
		if err != nil {
			return err
		}
		return insertTicks.into(tx, rows...)
	})
}

// NextDue is when the first schedule is due that nobody has a claim on now.
func (s Schedules) NextDue(ctx context.Context, now time.Time) (time.Time, error) {
	us, err := one(value[int64])(s.db.query(ctx, `SELECT due_at FROM schedules WHERE due_at > 0 AND claimed_until <= $1
		ORDER BY due_at LIMIT 1`, micros(now)))
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return fromMicros(us), public("read next schedule", err)
}

// Claim takes up to limit schedules that are due, the earliest first.
func (s Schedules) Claim(ctx context.Context, now, until time.Time, limit int) ([]schedule.Schedule, error) {
	var due []schedule.Schedule
	err := s.db.Write(ctx, "", func(tx *Tx) error {
		var err error
		due, err = all(scanSchedule)(tx.Query(selectSchedules+`s.due_at > 0 AND s.due_at <= $1 AND s.claimed_until <= $1
			ORDER BY s.due_at LIMIT $2`+tx.forUpdateFree("s"), micros(now), limit))
		if err != nil {
			return err
		}
		for _, c := range due {
			if err := tx.Send("UPDATE schedules SET claimed_until = $1 WHERE id = $2", micros(until), c.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// openRun is the condition of the index runs_scheduled, to be found by it.
const openRun = "r.schedule_id <> '' AND r.state NOT IN ('SUCCEEDED', 'FAILED', 'ERROR', 'CANCELLED')"

// Release makes those schedules due that wait for runs which have all ended.
func (s Schedules) Release(ctx context.Context, now time.Time) (int, error) {
	waiting, err := one(value[int])(s.db.query(ctx, "SELECT count(*) FROM schedules WHERE held = 1 AND due_at = 0"))
	if err != nil || waiting == 0 {
		return 0, public("read waiting schedules", err)
	}
	free, err := all(value[string])(s.db.query(ctx, `SELECT s.id FROM schedules s WHERE s.held = 1 AND s.due_at = 0
		AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.schedule_id = s.id AND `+openRun+`) ORDER BY s.id`))
	if err != nil || len(free) == 0 {
		return waiting, public("read waiting schedules", err)
	}
	err = s.db.Write(ctx, "", func(tx *Tx) error {
		for _, id := range free {
			if err := tx.Send("UPDATE schedules SET due_at = $1 WHERE id = $2 AND held = 1 AND due_at = 0", micros(now), id); err != nil {
				return err
			}
		}
		return nil
	})
	return waiting - len(free), err
}

// OpenRuns lists the runs of a schedule that have not ended.
func (s Schedules) OpenRuns(ctx context.Context, scheduleID string, limit int) ([]string, error) {
	ids, err := all(value[string])(s.db.query(ctx, "SELECT r.id FROM runs r WHERE r.schedule_id = $1 AND "+openRun+
		" ORDER BY r.id LIMIT $2", scheduleID, limit))
	return ids, public("read runs of schedule", err)
}

// Forget deletes up to limit outcomes of ticks before a time.
func (s Schedules) Forget(ctx context.Context, before time.Time, limit int) (int, error) {
	var n int64
	err := s.db.Write(ctx, "", func(tx *Tx) (err error) {
		n, err = tx.Exec(`DELETE FROM schedule_ticks WHERE (schedule_id, tick_at, manual) IN
			(SELECT schedule_id, tick_at, manual FROM schedule_ticks WHERE recorded_at < $1 ORDER BY recorded_at LIMIT $2)`,
			micros(before), limit)
		return err
	})
	return int(n), err
}
