package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

// Sessions reads the entries of runs: session.Heads.
type Sessions struct{ db *DB }

// NewSessions reads sessions from db.
func NewSessions(db *DB) Sessions { return Sessions{db} }

var _ session.Heads = Sessions{}

// Entries returns at most limit entries with seq > after, in order.
func (s Sessions) Entries(ctx context.Context, runID string, after int64, limit int) ([]api.Entry, error) {
	list, err := all(scanEntry)(s.db.query(ctx, `SELECT seq, type, created_at, execution, data FROM entries
		WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`, runID, after, limit))
	return list, public("read entries", err)
}

func scanEntry(row scanner) (e api.Entry, err error) {
	var created int64
	var data string
	err = row.Scan(&e.Seq, &e.Type, &created, &e.Execution, &data)
	e.CreatedAt, e.Data = fromMicros(created), json.RawMessage(data)
	return e, err
}

// selectHeads knows nothing of runs that are not there for anybody.
const selectHeads = "SELECT id, last_seq, state, live, execution, last_command FROM runs WHERE owner_type <> '" + nowhere + "' AND "

// Head returns where a session stands.
func (s Sessions) Head(ctx context.Context, runID string) (session.Head, error) {
	h, err := one(scanHead)(s.db.query(ctx, selectHeads+"id = $1", runID))
	if errors.Is(err, sql.ErrNoRows) {
		return h.Head, api.NotFound("run", runID)
	}
	return h.Head, public("read session head", err)
}

// Heads returns where sessions stand, by run. Unknown runs are missing.
func (s Sessions) Heads(ctx context.Context, runIDs []string) (map[string]session.Head, error) {
	heads := make(map[string]session.Head, len(runIDs))
	for chunk := range chunksOf(runIDs) {
		list, err := all(scanHead)(s.db.queryOnce(ctx, selectHeads+"id IN ("+placeholders(1, len(chunk))+")", chunk...))
		if err != nil {
			return nil, public("read session heads", err)
		}
		for _, h := range list {
			heads[h.runID] = h.Head
		}
	}
	return heads, nil
}

type storedHead struct {
	runID string
	session.Head
}

func scanHead(row scanner) (h storedHead, err error) {
	var live int64
	err = row.Scan(&h.runID, &h.LastSeq, &h.State, &live, &h.Execution, &h.LastCommand)
	h.Live = live != 0
	return h, err
}
