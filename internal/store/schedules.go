package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

// Schedules keeps schedules: schedule.Store and schedule.Ticks.
type Schedules struct{ db *DB }

// NewSchedules keeps schedules in db.
func NewSchedules(db *DB) Schedules { return Schedules{db} }

var (
	_ schedule.Store = Schedules{}
	_ schedule.Ticks = Schedules{}
)

var insertSchedules = newInsert("schedules",
	"id", "owner_type", "owner_uid", "team_uid", "created_at", "creator", "creator_kind", "deleted_at", "claimed_until",
	"name", "cron", "zone", "prompt", "mode", "config", "metadata", "agent_uid", "enabled", "missed", "catch_up",
	"overlap", "jitter", "starts_at", "ends_at", "editor", "updated_at", "rev", "tick_at", "due_at", "held",
	"attempts", "last_ran_at", "last_run_id", "last_error", "saved_prompt", "arguments")

// definitionValues are the columns that a change may set, from "name" on.
func definitionValues(c schedule.Schedule) ([]any, error) {
	config, err := encode(c.Config)
	if err != nil {
		return nil, err
	}
	metadata, err := encode(c.Metadata)
	if err != nil {
		return nil, err
	}
	editor, err := encode(c.Editor)
	if err != nil {
		return nil, err
	}
	values := []any{
		c.Name, c.Cron, c.Zone, c.Prompt, string(c.Mode), config, metadata, c.AgentUID, flag(c.Enabled),
		string(c.Missed), c.CatchUp, string(c.Overlap), c.Jitter.Microseconds(), micros(c.Starts), micros(c.Ends),
		editor, micros(c.UpdatedAt), c.Rev,
	}
	arguments, err := encode(c.Arguments)
	if err != nil {
		return nil, err
	}
	return append(append(values, clockValues(c.Clock)...), c.SavedPrompt, arguments), nil
}

func clockValues(k schedule.Clock) []any {
	return []any{
		micros(k.Tick), micros(k.Due), flag(k.Held), k.Attempts, micros(k.LastRan), k.LastRun, k.LastError,
	}
}

// selectSchedules reads schedules for scanSchedule. Add a condition.
const selectSchedules = `SELECT s.id, s.owner_type, s.owner_uid, s.team_uid, s.created_at, s.creator, s.creator_kind,
	s.name, s.cron, s.zone, s.prompt, s.mode, s.config, s.metadata, s.agent_uid, s.enabled, s.missed, s.catch_up,
	s.overlap, s.jitter, s.starts_at, s.ends_at, s.editor, s.updated_at, s.rev, s.tick_at, s.due_at, s.held,
	s.attempts, s.last_ran_at, s.last_run_id, s.last_error,
	s.saved_prompt, s.arguments FROM schedules s WHERE s.deleted_at = 0 AND `

func scanSchedule(row scanner) (c schedule.Schedule, err error) {
	var creator, config, metadata, editor, arguments string
	var created, updated, enabled, jitter, starts, ends, tick, due, held, ran int64
	err = row.Scan(&c.ID, &c.Owner.Type, &c.Owner.UID, &c.TeamUID, &created, &creator, &c.CreatorKind,
		&c.Name, &c.Cron, &c.Zone, &c.Prompt, &c.Mode, &config, &metadata, &c.AgentUID, &enabled, &c.Missed, &c.CatchUp,
		&c.Overlap, &jitter, &starts, &ends, &editor, &updated, &c.Rev, &tick, &due, &held,
		&c.Attempts, &ran, &c.LastRun, &c.LastError,
		&c.SavedPrompt, &arguments)
	if err != nil {
		return c, err
	}
	c.CreatedAt, c.UpdatedAt, c.Enabled, c.Held = fromMicros(created), fromMicros(updated), enabled != 0, held != 0
	c.Jitter, c.Starts, c.Ends = time.Duration(jitter)*time.Microsecond, fromMicros(starts), fromMicros(ends)
	c.Tick, c.Due, c.LastRan = fromMicros(tick), fromMicros(due), fromMicros(ran)
	return c, errors.Join(decode(creator, &c.Creator), decode(config, &c.Config), decode(metadata, &c.Metadata), decode(editor, &c.Editor),
		decode(arguments, &c.Arguments))
}

// Insert stores a new schedule unless its owner has limit of them already.
func (s Schedules) Insert(ctx context.Context, c schedule.Schedule, limit int) error {
	creator, err := encode(c.Creator)
	if err != nil {
		return err
	}
	values, err := definitionValues(c)
	if err != nil {
		return err
	}
	row := append([]any{c.ID, string(c.Owner.Type), c.Owner.UID, c.TeamUID, micros(c.CreatedAt), creator, string(c.CreatorKind), 0, 0}, values...)
	// The owner's inserts come one after the other: the count holds, between servers but for a few.
	return s.db.Write(ctx, c.Owner.UID, func(tx *Tx) error {
		n, err := one(value[int])(tx.Query(`SELECT count(*) FROM schedules WHERE owner_type = $1 AND owner_uid = $2
			AND deleted_at = 0`, string(c.Owner.Type), c.Owner.UID))
		if err != nil {
			return err
		}
		if n >= limit {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "there may be at most %d schedules here: delete some", limit)
		}
		return insertSchedules.into(tx, row)
	})
}

// Get returns a schedule that was not deleted.
func (s Schedules) Get(ctx context.Context, id string) (schedule.Schedule, error) {
	c, err := one(scanSchedule)(s.db.query(ctx, selectSchedules+"s.id = $1", id))
	return c, foundSchedule(id, err)
}

func foundSchedule(id string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return api.NotFound("schedule", id)
	}
	return public("read schedule", err)
}

// List returns the schedules of the teams and of the user, in no order.
func (s Schedules) List(ctx context.Context, teamUIDs []string, userUID string) ([]schedule.Schedule, error) {
	var c clause
	owners := c.owners("s.", teamUIDs, userUID)
	if owners == "" {
		return nil, nil
	}
	list, err := all(scanSchedule)(s.db.queryOnce(ctx, selectSchedules+owners, c.args...))
	return list, public("read schedules", err)
}

// Change stores what decide makes of a schedule, with the next revision and without a claim.
func (s Schedules) Change(ctx context.Context, id string, decide func(*schedule.Schedule) error) (schedule.Schedule, error) {
	var c schedule.Schedule
	err := s.db.Write(ctx, id, func(tx *Tx) error {
		var err error
		if c, err = one(scanSchedule)(tx.Query(selectSchedules+"s.id = $1"+tx.forUpdate("s"), id)); err != nil {
			return foundSchedule(id, err)
		}
		if err := decide(&c); err != nil {
			return err
		}
		c.Rev++
		values, err := definitionValues(c)
		if err != nil {
			return err
		}
		return tx.Send(`UPDATE schedules SET claimed_until = 0, name = $2, cron = $3, zone = $4, prompt = $5, mode = $6,
			config = $7, metadata = $8, agent_uid = $9, enabled = $10, missed = $11, catch_up = $12, overlap = $13,
			jitter = $14, starts_at = $15, ends_at = $16, editor = $17, updated_at = $18, rev = $19, tick_at = $20,
			due_at = $21, held = $22, attempts = $23, last_ran_at = $24, last_run_id = $25, last_error = $26,
			saved_prompt = $27, arguments = $28
			WHERE id = $1`, append([]any{id}, values...)...)
	})
	return c, err
}

// Delete hides a schedule for good.
func (s Schedules) Delete(ctx context.Context, id string) error {
	now := micros(s.db.now())
	return s.db.Write(ctx, id, func(tx *Tx) error {
		n, err := tx.Exec(`UPDATE schedules SET deleted_at = $1, tick_at = 0, due_at = 0, held = 0, rev = rev + 1
			WHERE id = $2 AND deleted_at = 0`, now, id)
		if err == nil && n == 0 {
			return api.NotFound("schedule", id)
		}
		return err
	})
}

// Outcomes returns what became of the ticks before a position, latest first.
func (s Schedules) Outcomes(ctx context.Context, id, cursor string, limit int) ([]schedule.Outcome, string, error) {
	at, manual, err := openTickCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	list, err := all(scanOutcome)(s.db.query(ctx, `SELECT schedule_id, tick_at, manual, first_at, outcome, run_id, reason,
			recorded_at FROM schedule_ticks WHERE schedule_id = $1 AND (tick_at, manual) < ($2, $3)
		ORDER BY tick_at DESC, manual DESC LIMIT $4`, id, at, manual, limit+1))
	if err != nil || len(list) <= limit {
		return list, "", public("read ticks", err)
	}
	last := list[limit-1]
	return list[:limit], tickCursor(last), nil
}

func scanOutcome(row scanner) (o schedule.Outcome, err error) {
	var at, manual, first, recorded int64
	err = row.Scan(&o.ScheduleID, &at, &manual, &first, &o.Outcome, &o.RunID, &o.Reason, &recorded)
	o.At, o.Manual, o.First, o.RecordedAt = fromMicros(at), manual != 0, fromMicros(first), fromMicros(recorded)
	return o, err
}

// tickCursor is the place after an outcome.
func tickCursor(o schedule.Outcome) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", micros(o.At), flag(o.Manual)))
}

func openTickCursor(text string) (at, manual int64, err error) {
	if text == "" {
		return 1 << 62, 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	left, right, ok := strings.Cut(string(b), ".")
	at, atErr := strconv.ParseInt(left, 10, 64)
	manual, manualErr := strconv.ParseInt(right, 10, 64)
	if err != nil || !ok || atErr != nil || manualErr != nil {
		return 0, 0, api.Invalid("cursor", "is not one that this list gave")
	}
	return at, manual, nil
}
