package store

import (
	"context"
	"encoding/json"

	"github.com/cadrehq/cadre/internal/run"
)

var insertEvents = newInsert("lifecycle_events",
	"seq", "run_id", "team_uid", "execution_id", "type", "state", "message", "ref_id", "at", "data")

const selectEvents = `SELECT seq, run_id, team_uid, execution_id, type, state, message, ref_id, at, data
	FROM lifecycle_events `

// storeEvents numbers the group's events after the last one and stores them. The lock is held until
// the commit is visible, so that no reader sees a number before all smaller ones.
func (g *attempt) storeEvents() error {
	if len(g.events) == 0 {
		return nil
	}
	if err := g.lock(lockEvents); err != nil {
		return err
	}
	send := func(query string, args ...any) error { return g.w.link.send(g.ctx, query, args...) }
	if g.w.db.dialect == postgres || len(g.events) == 1 {
		// The engine numbers them, so that all of it is one round trip with the commit.
		for _, e := range g.events {
			if err := send(appendEvent, g.eventValues(e)...); err != nil {
				return err
			}
		}
		return nil
	}
	last, err := one(value[int64])(g.w.link.query(g.ctx, "SELECT coalesce(max(seq), 0) FROM lifecycle_events"))
	if err != nil {
		return err
	}
	rows := make([][]any, len(g.events))
	for i, e := range g.events {
		rows[i] = append([]any{last + int64(i) + 1}, g.eventValues(e)...)
	}
	return insertEvents.rows(send, rows)
}

// appendEvent gives an event the next number; the lock must be held.
const appendEvent = `INSERT INTO lifecycle_events
	(seq, run_id, team_uid, execution_id, type, state, message, ref_id, at, data)
	VALUES ((SELECT coalesce(max(seq), 0) + 1 FROM lifecycle_events), $1, $2, $3, $4, $5, $6, $7, $8, $9)`

// eventValues are an event's columns after its number.
func (g *attempt) eventValues(e run.Event) []any {
	at := e.At
	if at.IsZero() {
		at = g.w.db.now()
	}
	return []any{e.RunID, e.TeamUID, e.ExecutionID, string(e.Type), string(e.State), e.Message, e.RefID,
		micros(at), string(e.Data)}
}

// Events reads the feed of lifecycle events.
type Events struct{ db *DB }

// NewEvents reads events from db.
func NewEvents(db *DB) Events { return Events{db} }

// After returns at most limit events with a number above seq, in order. A number that was seen means
// that every smaller one was there to be seen.
func (s Events) After(ctx context.Context, seq int64, limit int) ([]run.Event, error) {
	events, err := all(scanEvent)(s.db.query(ctx, selectEvents+"WHERE seq > $1 ORDER BY seq LIMIT $2", seq, limit))
	return events, public("read events", err)
}

// Last returns the number of the newest event, 0 before the first.
func (s Events) Last(ctx context.Context) (int64, error) {
	n, err := one(value[int64])(s.db.query(ctx, "SELECT coalesce(max(seq), 0) FROM lifecycle_events"))
	return n, public("read last event", err)
}

func scanEvent(row scanner) (e run.Event, err error) {
	var at int64
	var data string
	err = row.Scan(&e.Seq, &e.RunID, &e.TeamUID, &e.ExecutionID, &e.Type, &e.State, &e.Message, &e.RefID, &at, &data)
	e.At = fromMicros(at)
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	return e, err
}
