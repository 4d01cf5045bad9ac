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

// Insert stores a blob's row. An id that exists is a conflict.
func (s Blobs) Insert(ctx context.Context, m blob.Meta) error {
	at := m.CreatedAt
	if at.IsZero() {
		at = s.db.now()
	}
	return s.db.Write(ctx, m.RunID, func(tx *Tx) error {
		return insertBlobs.into(tx, []any{m.ID, m.RunID, string(m.Kind), m.Name, m.MimeType, m.Size, micros(at)})
	})
}

// Get returns one row.
func (s Blobs) Get(ctx context.Context, id string) (blob.Meta, error) {
	m, err := one(scanBlob)(s.db.query(ctx, selectBlobs+"WHERE id = $1", id))
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
