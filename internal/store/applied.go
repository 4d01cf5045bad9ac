package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Applied keeps the records of what was applied: catalog.AppliedStore.
type Applied struct{ db *DB }

// NewApplied keeps records in db.
func NewApplied(db *DB) Applied { return Applied{db} }

var _ catalog.AppliedStore = Applied{}

// Get returns the record of a set; an empty one of revision 0 when there is none.
func (s Applied) Get(ctx context.Context, owner identity.Owner, set string) (catalog.Applied, error) {
	a, err := one(scanApplied)(s.db.query(ctx, `SELECT revision, things, editor, updated_at FROM applied
		WHERE owner_type = $1 AND owner_uid = $2 AND set_name = $3`, string(owner.Type), owner.UID, set))
	a.Owner, a.Set = owner, set
	if errors.Is(err, sql.ErrNoRows) {
		return a, nil
	}
	return a, public("read record", err)
}

func scanApplied(row scanner) (a catalog.Applied, err error) {
	var things, editor string
	var updated int64
	if err = row.Scan(&a.Revision, &things, &editor, &updated); err != nil {
		return a, err
	}
	a.UpdatedAt = fromMicros(updated)
	return a, errors.Join(decode(things, &a.Things), decode(editor, &a.Editor))
}

// Put replaces the record of the revision before.
func (s Applied) Put(ctx context.Context, a catalog.Applied) error {
	things, err := encode(a.Things)
	if err != nil {
		return err
	}
	editor, err := encode(a.Editor)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, a.Owner.UID, func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO applied (owner_type, owner_uid, set_name, revision, things, editor, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (owner_type, owner_uid, set_name) DO UPDATE SET revision = excluded.revision,
				things = excluded.things, editor = excluded.editor, updated_at = excluded.updated_at
			WHERE applied.revision = excluded.revision - 1`,
			string(a.Owner.Type), a.Owner.UID, a.Set, a.Revision, things, editor, micros(a.UpdatedAt))
		if err == nil && n == 0 {
			return catalog.ErrAppliedMeanwhile
		}
		return err
	})
}
