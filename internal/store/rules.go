package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Rules keeps one text of rules per owner: catalog.RuleStore.
type Rules struct{ db *DB }

// NewRules keeps rules in db.
func NewRules(db *DB) Rules { return Rules{db} }

var _ catalog.RuleStore = Rules{}

// Put replaces an owner's rules; an empty text removes them.
func (s Rules) Put(ctx context.Context, r catalog.Rules) error {
	editor, err := encode(r.Editor)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, r.Owner.UID, func(tx *Tx) error {
		if r.Text == "" {
			return tx.Send("DELETE FROM rules WHERE owner_type = $1 AND owner_uid = $2", string(r.Owner.Type), r.Owner.UID)
		}
		return tx.Send(`INSERT INTO rules (owner_type, owner_uid, text, editor, updated_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (owner_type, owner_uid) DO UPDATE SET text = excluded.text, editor = excluded.editor,
				updated_at = excluded.updated_at`,
			string(r.Owner.Type), r.Owner.UID, r.Text, editor, micros(r.UpdatedAt))
	})
}

// Of returns the rules of those of the owners that have any, in the order of owners.
func (s Rules) Of(ctx context.Context, owners ...identity.Owner) ([]catalog.Rules, error) {
	var list []catalog.Rules
	for _, o := range owners {
		r, err := one(scanRules)(s.db.query(ctx, `SELECT owner_type, owner_uid, text, editor, updated_at FROM rules
			WHERE owner_type = $1 AND owner_uid = $2`, string(o.Type), o.UID))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, public("read rules", err)
		}
		list = append(list, r)
	}
	return list, nil
}

func scanRules(row scanner) (r catalog.Rules, err error) {
	var editor string
	var updated int64
	if err = row.Scan(&r.Owner.Type, &r.Owner.UID, &r.Text, &editor, &updated); err != nil {
		return r, err
	}
	r.UpdatedAt = fromMicros(updated)
	return r, decode(editor, &r.Editor)
}
