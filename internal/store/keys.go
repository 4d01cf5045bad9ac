package store

import (
	"context"
	"encoding/hex"
	"maps"
	"slices"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
)

const selectKeys = `SELECT uid, name, hash, suffix, owner_type, owner_uid, team_uid, role, scopes, creator_uid,
	created_at, expires_at, last_used_at, revoked_at FROM api_keys WHERE `

// PutKey stores a key, replacing one with the same uid.
func (s Identity) PutKey(ctx context.Context, k identity.Key) error {
	return s.db.Write(ctx, k.UID, func(tx *Tx) error { return putKey(tx, k) })
}

// putKey also fills user_uid, which an older server reads: the person answerable for the key.
func putKey(tx *Tx, k identity.Key) error {
	_, err := tx.Exec(`INSERT INTO api_keys (uid, name, hash, suffix, owner_type, owner_uid, team_uid, role, scopes,
			creator_uid, user_uid, created_at, expires_at, last_used_at, revoked_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (uid) DO UPDATE SET name = excluded.name, hash = excluded.hash, suffix = excluded.suffix,
			owner_type = excluded.owner_type, owner_uid = excluded.owner_uid, team_uid = excluded.team_uid,
			role = excluded.role, scopes = excluded.scopes, creator_uid = excluded.creator_uid,
			user_uid = excluded.user_uid, created_at = excluded.created_at, expires_at = excluded.expires_at,
			last_used_at = excluded.last_used_at, revoked_at = excluded.revoked_at`,
		k.UID, k.Name, hex.EncodeToString(k.Hash), k.Suffix, string(k.OwnerType), k.OwnerUID, k.TeamUID, string(k.Role),
		k.Scopes.String(), k.CreatorUID, k.CreatorUID, micros(k.CreatedAt), micros(k.ExpiresAt), micros(k.LastUsedAt),
		micros(k.RevokedAt))
	return err
}

// KeyByHash returns the key with the given hash, revoked and expired ones too.
func (s Identity) KeyByHash(ctx context.Context, hash []byte) (identity.Key, error) {
	k, err := one(scanKey)(s.db.query(ctx, selectKeys+"hash = $1", hex.EncodeToString(hash)))
	return k, found("read key", "key", "", err)
}

// Keys lists keys that are not revoked, newest first.
func (s Identity) Keys(ctx context.Context, userUID, teamUID string) ([]identity.Key, error) {
	list, err := all(scanKey)(s.db.query(ctx, selectKeys+`revoked_at = 0 AND (owner_type = 'user' AND owner_uid = $1
		OR owner_type <> 'user' AND team_uid = $2) ORDER BY created_at DESC, uid`, userUID, teamUID))
	return list, public("list keys", err)
}

// ChangeKey changes name and end of a key.
func (s Identity) ChangeKey(ctx context.Context, uid string, decide func(*identity.Key) error) error {
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		k, err := one(scanKey)(tx.Query(selectKeys+"uid = $1"+tx.forUpdate("api_keys"), uid))
		if err != nil {
			return found("read key", "key", uid, err)
		}
		if err := decide(&k); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE api_keys SET name = $2, expires_at = $3, revoked_at = $4 WHERE uid = $1",
			uid, k.Name, micros(k.ExpiresAt), micros(k.RevokedAt))
		return err
	})
}

func scanKey(row scanner) (k identity.Key, err error) {
	var hash, scopes string
	var created, expires, used, revoked int64
	err = row.Scan(&k.UID, &k.Name, &hash, &k.Suffix, &k.OwnerType, &k.OwnerUID, &k.TeamUID, &k.Role, &scopes,
		&k.CreatorUID, &created, &expires, &used, &revoked)
	if err != nil {
		return k, err
	}
	k.CreatedAt, k.ExpiresAt = fromMicros(created), fromMicros(expires)
	k.LastUsedAt, k.RevokedAt = fromMicros(used), fromMicros(revoked)
	if k.Hash, err = hex.DecodeString(hash); err != nil {
		return k, err
	}
	k.Scopes, err = identity.ParseScopes(scopes)
	return k, err
}

// Touch notes when keys and sign-ins were last used. A time older than the stored one changes nothing.
func (s Identity) Touch(ctx context.Context, lastUsed map[string]time.Time) error {
	uids := slices.Sorted(maps.Keys(lastUsed)) // one order of locking for everybody
	return s.db.Write(ctx, "", func(tx *Tx) error {
		for _, query := range []string{
			"UPDATE api_keys SET last_used_at = $1 WHERE uid = $2 AND last_used_at < $1",
			"UPDATE signins SET seen_at = $1 WHERE uid = $2 AND seen_at < $1",
		} {
			for _, uid := range uids {
				if err := tx.Send(query, micros(lastUsed[uid]), uid); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
