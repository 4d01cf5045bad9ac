package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
)

// Blobs keeps the rows of blobs: blob.Store.
type Blobs struct{ db *DB }

// NewBlobs keeps blob rows in db.
func NewBlobs(db *DB) Blobs { return Blobs{db} }

var _ blob.Store = Blobs{}

var insertBlobs = newInsert("blobs", "id", "run_id", "kind", "name", "mime_type", "size", "created_at")

const selectBlobs = "SELECT id, run_id, kind, name, mime_type, size, created_at FROM blobs "

// Insert stores a blob's row and counts it to its run. An id that exists is a conflict, and a run that
// would have more than atMost bytes with it is blob.ErrFull.
func (s Blobs) Insert(ctx context.Context, m blob.Meta, atMost int64) error {
	at := m.CreatedAt
	if at.IsZero() {
		at = s.db.now()
	}
	return s.db.Write(ctx, m.RunID, func(tx *Tx) error {
		if err := countBlob(tx, m, atMost); err != nil {
			return err
		}
		return insertBlobs.into(tx, []any{m.ID, m.RunID, string(m.Kind), m.Name, m.MimeType, m.Size, micros(at)})
	})
}

// countBlob adds a blob to what its run has stored. What comes with a prompt is stored before its run,
// which counts it when it is inserted.
func countBlob(tx *Tx, m blob.Meta, atMost int64) error {
	var owner string
	stored, err := one(func(r scanner) (n int64, err error) { return n, r.Scan(&n, &owner) })(
		tx.Query("SELECT r.blob_bytes, r.owner_type FROM runs r WHERE r.id = $1"+tx.forUpdate("r"), m.RunID))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner == nowhere {
		return api.NotFound("run", m.RunID) // nobody would take it away again
	}
	if atMost > 0 && stored+m.Stored() > atMost {
		return blob.ErrFull
	}
	return tx.Send("UPDATE runs SET blob_bytes = $1 WHERE id = $2", stored+m.Stored(), m.RunID)
}

// dropBlob forgets a blob of a locked run. One that is gone, or another's, is left alone.
func dropBlob(tx *Tx, runID, id string) error {
	m, err := one(scanBlob)(tx.Query(selectBlobs+"WHERE id = $1", id))
	if errors.Is(err, sql.ErrNoRows) || err == nil && m.RunID != runID {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.Send("DELETE FROM blobs WHERE id = $1", id); err != nil {
		return err
	}
	return tx.Send("UPDATE runs SET blob_bytes = blob_bytes - $1 WHERE id = $2", m.Stored(), runID)
}

// Get returns one row. Those of deleted runs are not there, although it may take a moment until they are gone.
func (s Blobs) Get(ctx context.Context, id string) (blob.Meta, error) {
	m, err := one(scanBlob)(s.db.query(ctx, selectBlobs+"WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM runs r "+
		"WHERE r.id = blobs.run_id AND r.owner_type = '"+nowhere+"')", id))
	if errors.Is(err, sql.ErrNoRows) {
		return m, api.NotFound("blob", id)
	}
	return m, public("read blob", err)
}

// ByRun lists a run's blobs, oldest first.
func (s Blobs) ByRun(ctx context.Context, runID string) ([]blob.Meta, error) {
	list, err := all(scanBlob)(s.db.query(ctx, selectBlobs+"WHERE run_id = $1 ORDER BY created_at, id", runID))
	return list, public("read blobs of run", err)
}

func scanBlob(row scanner) (m blob.Meta, err error) {
	var created int64
	err = row.Scan(&m.ID, &m.RunID, &m.Kind, &m.Name, &m.MimeType, &m.Size, &created)
	m.CreatedAt = fromMicros(created)
	return m, err
}
