package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
)

// Uploads keeps promises to take files: blob.UploadStore and run.Uploads.
type Uploads struct{ db *DB }

// NewUploads keeps uploads in db.
func NewUploads(db *DB) Uploads { return Uploads{db} }

var (
	_ blob.UploadStore = Uploads{}
	_ run.Uploads      = Uploads{}
)

const uploadColumns = `id, run_id, execution, owner, purpose, batch, name, mime_type, detail, size, most, state, blob_id,
	crc32c, created_at, stored_at, expires_at`

const selectUploads = "SELECT " + uploadColumns + " FROM uploads "

func scanUpload(row scanner) (u blob.Upload, err error) {
	var created, stored, expires, crc int64
	err = row.Scan(&u.ID, &u.RunID, &u.Execution, &u.Owner, &u.Purpose, &u.Batch, &u.Name, &u.MimeType, &u.Detail, &u.Size,
		&u.Most, &u.State, &u.BlobID, &crc, &created, &stored, &expires)
	u.CRC32C = uint32(crc)
	u.CreatedAt, u.StoredAt, u.ExpiresAt = fromMicros(created), fromMicros(stored), fromMicros(expires)
	return u, err
}

// Promise stores uploads, or promises those anew that are there.
func (s Uploads) Promise(ctx context.Context, uploads ...blob.Upload) error {
	if len(uploads) == 0 {
		return nil
	}
	return s.db.Write(ctx, uploads[0].RunID, func(tx *Tx) error {
		for _, u := range uploads {
			n, err := tx.Exec(`INSERT INTO uploads (`+uploadColumns+`)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', 0, $13, 0, $14)
				ON CONFLICT (id) DO UPDATE SET execution = excluded.execution, mime_type = excluded.mime_type,
				expires_at = excluded.expires_at WHERE uploads.state <> 'closed' AND uploads.run_id = excluded.run_id`,
				u.ID, u.RunID, u.Execution, u.Owner, string(u.Purpose), u.Batch, u.Name, u.MimeType, u.Detail, u.Size, u.Most,
				string(u.State), micros(u.CreatedAt), micros(u.ExpiresAt))
			if err != nil {
				return err
			}
			if n == 0 {
				return blob.ErrFinal
			}
		}
		return nil
	})
}

// Get returns one upload.
func (s Uploads) Get(ctx context.Context, id string) (blob.Upload, error) {
	u, err := one(scanUpload)(s.db.query(ctx, selectUploads+"WHERE id = $1", id))
	if errors.Is(err, sql.ErrNoRows) {
		return u, api.NotFound("upload", id)
	}
	return u, public("read upload", err)
}

// ofRun bounds the uploads of one run that are read at once; what a run may have is far below.
const ofRun = 2000

// OfRun lists a run's uploads for some purposes, oldest first.
func (s Uploads) OfRun(ctx context.Context, runID string, purposes ...blob.Purpose) (list []blob.Upload, err error) {
	for _, p := range purposes {
		some, err := all(scanUpload)(s.db.query(ctx, selectUploads+
			"WHERE run_id = $1 AND purpose = $2 ORDER BY created_at, id LIMIT $3", runID, string(p), ofRun))
		if err != nil {
			return nil, public("read uploads of run", err)
		}
		list = append(list, some...)
	}
	return list, nil
}

// OfOwner lists what waits for a run to take it over, at most limit: of one batch, or of all.
func (s Uploads) OfOwner(ctx context.Context, owner, batch string, limit int) ([]blob.Upload, error) {
	query, args := selectUploads+"WHERE owner = $1 AND run_id = '' LIMIT $2", []any{owner, limit}
	if batch != "" {
		query, args = selectUploads+"WHERE owner = $1 AND batch = $2 AND run_id = '' ORDER BY created_at, id LIMIT $3", []any{owner, batch, limit}
	}
	list, err := all(scanUpload)(s.db.query(ctx, query, args...))
	return list, public("read waiting uploads", err)
}

// lockUpload reads an upload for a change.
func lockUpload(tx *Tx, id string) (blob.Upload, error) {
	u, err := one(scanUpload)(tx.Query(selectUploads+"WHERE id = $1"+tx.forUpdate("uploads"), id))
	if errors.Is(err, sql.ErrNoRows) {
		return u, api.NotFound("upload", id)
	}
	return u, err
}

// Fill notes what arrived for an upload.
func (s Uploads) Fill(ctx context.Context, id string, m blob.Meta, crc32c uint32, state blob.UploadState, atMost int64) (replaced string, err error) {
	err = s.db.Write(ctx, m.RunID, func(tx *Tx) error {
		u, err := lockUpload(tx, id)
		if err != nil {
			return err
		}
		if u.State == blob.UploadClosed || u.RunID != m.RunID {
			return blob.ErrFinal
		}
		if replaced = u.BlobID; replaced != "" { // first, so that it makes room for the other one
			if err := dropBlob(tx, u.RunID, replaced); err != nil {
				return err
			}
		}
		if err := countBlob(tx, m, atMost); err != nil {
			return err
		}
		at := s.db.now()
		if err := insertBlobs.into(tx, []any{m.ID, m.RunID, string(m.Kind), m.Name, m.MimeType, m.Size, micros(at)}); err != nil {
			return err
		}
		return tx.Send("UPDATE uploads SET blob_id = $1, crc32c = $2, stored_at = $3, state = $4 WHERE id = $5",
			m.ID, int64(crc32c), micros(at), string(state), id)
	})
	return replaced, err
}

// Close makes files of a run final, all of them or none: api.NotFound when one is not there as it is
// known to the caller.
func (s Uploads) Close(ctx context.Context, runID string, uploads ...blob.Upload) error {
	return s.db.Write(ctx, runID, func(tx *Tx) error {
		for _, u := range uploads {
			n, err := tx.Exec("UPDATE uploads SET state = 'closed' WHERE id = $1 AND run_id = $2 AND blob_id = $3 AND blob_id <> ''",
				u.ID, runID, u.BlobID)
			if err != nil {
				return err
			}
			if n == 0 {
				return api.NotFound("upload", u.ID)
			}
		}
		return nil
	})
}

// Drop forgets uploads of a run, with the rows of their blobs, and returns the ids of those.
func (s Uploads) Drop(ctx context.Context, runID string, ids ...string) (blobs []string, err error) {
	err = s.db.Write(ctx, runID, func(tx *Tx) error {
		blobs = nil
		for _, id := range ids {
			u, err := lockUpload(tx, id)
			if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound || err == nil && u.RunID != runID {
				continue
			}
			if err != nil {
				return err
			}
			if u.BlobID != "" {
				blobs = append(blobs, u.BlobID)
			}
			if err := dropUpload(tx, u); err != nil {
				return err
			}
		}
		return nil
	})
	return blobs, err
}

func dropUpload(tx *Tx, u blob.Upload) error {
	if u.BlobID != "" {
		if err := dropBlob(tx, u.RunID, u.BlobID); err != nil {
			return err
		}
	}
	return tx.Send("DELETE FROM uploads WHERE id = $1", u.ID)
}

// Expired lists open uploads whose time was over before.
func (s Uploads) Expired(ctx context.Context, before time.Time, limit int) ([]blob.Upload, error) {
	list, err := all(scanUpload)(s.db.query(ctx, selectUploads+
		"WHERE state = 'open' AND expires_at < $1 ORDER BY expires_at LIMIT $2", micros(before), limit))
	return list, public("read expired uploads", err)
}

// Forget drops an upload that is still open and over.
func (s Uploads) Forget(ctx context.Context, u blob.Upload, before time.Time) (dropped bool, err error) {
	err = s.db.Write(ctx, u.RunID, func(tx *Tx) error {
		now, err := lockUpload(tx, u.ID)
		if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		// What came since changed it: the next look decides anew.
		if dropped = now == u && now.State == blob.UploadOpen && now.ExpiresAt.Before(before); !dropped {
			return nil
		}
		return dropUpload(tx, now)
	})
	return dropped, err
}

// adoptUploads gives uploads that waited for a run to a new one. One that is gone, incomplete or taken is
// run.ErrTaken.
func adoptUploads(tx *Tx, runID string, ids []string) error {
	for _, id := range ids {
		u, err := lockUpload(tx, id)
		if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound || err == nil && (u.RunID != "" || u.BlobID == "") {
			return run.ErrTaken
		}
		if err != nil {
			return err
		}
		if err := tx.Send("UPDATE uploads SET run_id = $1, state = 'closed' WHERE id = $2", runID, id); err != nil {
			return err
		}
		if err := tx.Send("UPDATE blobs SET run_id = $1 WHERE id = $2", runID, u.BlobID); err != nil {
			return err
		}
	}
	return nil
}

// Format keeps what format a run's harness has its conversation in, and returns what was kept first.
func (s Uploads) Format(ctx context.Context, runID, format string) (kept string, err error) {
	err = s.db.Write(ctx, runID, func(tx *Tx) error {
		if _, err := tx.Exec(`INSERT INTO external_conversations (run_id, format, created_at) VALUES ($1, $2, $3)
			ON CONFLICT (run_id) DO NOTHING`, runID, format, micros(s.db.now())); err != nil {
			return err
		}
		kept, err = one(value[string])(tx.Query("SELECT format FROM external_conversations WHERE run_id = $1", runID))
		return err
	})
	return kept, err
}

// Known returns those of the ids that have a row.
func (s Blobs) Known(ctx context.Context, ids []string) (known []string, err error) {
	for chunk := range chunksOf(ids) {
		some, err := all(value[string])(s.db.queryOnce(ctx, "SELECT id FROM blobs WHERE id IN ("+placeholders(1, len(chunk))+")", chunk...))
		if err != nil {
			return nil, public("look for blobs", err)
		}
		known = append(known, some...)
	}
	return slices.Clip(known), nil
}
