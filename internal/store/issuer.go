package store

import (
	"context"
	"encoding/hex"

	"github.com/cadrehq/cadre/internal/identity/issuer"
)

// Issuer keeps the keys that tokens of runs are signed with: issuer.Store.
type Issuer struct{ db *DB }

// NewIssuer keeps keys in db.
func NewIssuer(db *DB) Issuer { return Issuer{db} }

var _ issuer.Store = Issuer{}

// Keys returns all keys, the oldest first.
func (s Issuer) Keys(ctx context.Context) ([]issuer.Key, error) {
	list, err := all(scanIssuerKey)(s.db.query(ctx, `SELECT generation, kid, public, sealed, signs_from, created_at
		FROM issuer_keys ORDER BY generation`))
	return list, public("read issuer keys", err)
}

func scanIssuerKey(row scanner) (k issuer.Key, err error) {
	var public, sealed string
	var from, created int64
	if err = row.Scan(&k.Generation, &k.ID, &public, &sealed, &from, &created); err != nil {
		return k, err
	}
	k.Public, k.SignsFrom, k.CreatedAt = []byte(public), fromMicros(from), fromMicros(created)
	k.Sealed, err = hex.DecodeString(sealed)
	return k, err
}

// AddKey stores a key unless there is one of its generation.
func (s Issuer) AddKey(ctx context.Context, k issuer.Key) error {
	return s.db.Write(ctx, "issuer", func(tx *Tx) error {
		n, err := tx.Exec(`INSERT INTO issuer_keys (generation, kid, public, sealed, signs_from, created_at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (generation) DO NOTHING`,
			k.Generation, k.ID, string(k.Public), hex.EncodeToString(k.Sealed), micros(k.SignsFrom), micros(k.CreatedAt))
		if err == nil && n == 0 {
			return issuer.ErrTaken
		}
		return err
	})
}

// DropKeys deletes the keys of smaller generations.
func (s Issuer) DropKeys(ctx context.Context, before int64) error {
	return s.db.Write(ctx, "issuer", func(tx *Tx) error {
		return tx.Send("DELETE FROM issuer_keys WHERE generation < $1", before)
	})
}
