package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Identity keeps users, teams, keys and the server's own secrets: identity.Store.
type Identity struct{ db *DB }

// NewIdentity keeps identities in db.
func NewIdentity(db *DB) Identity { return Identity{db} }

var _ identity.Store = Identity{}

// Bootstrap creates the first team, its admin and the admin's key, unless any user exists.
func (s Identity) Bootstrap(ctx context.Context, t identity.Team, u identity.User, k identity.Key) (bool, error) {
	var created bool
	err := s.db.Write(ctx, "", func(tx *Tx) error {
		created = false
		if err := tx.lockNames(); err != nil {
			return err
		}
		users, err := one(value[int])(tx.Query("SELECT count(*) FROM (SELECT 1 FROM users LIMIT 1) AS u"))
		if err != nil || users > 0 {
			return err
		}
		created = true
		if _, err := tx.Exec("INSERT INTO teams (uid, name, created_at) VALUES ($1, $2, $3)",
			t.UID, t.Name, micros(t.CreatedAt)); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO users (uid, name, email, created_at) VALUES ($1, $2, $3, $4)",
			u.UID, u.Name, u.Email, micros(u.CreatedAt)); err != nil {
			return err
		}
		if _, err := tx.Exec("INSERT INTO members (team_uid, user_uid, role) VALUES ($1, $2, $3)",
			t.UID, u.UID, string(k.Role)); err != nil {
			return err
		}
		return putKey(tx, k)
	})
	return created && err == nil, err
}

// First returns the oldest team and, of its members, the oldest user: those of Bootstrap.
func (s Identity) First(ctx context.Context) (teamUID, userUID string, err error) {
	pair := func(row scanner) (uids [2]string, err error) {
		err = row.Scan(&uids[0], &uids[1])
		return uids, err
	}
	uids, err := one(pair)(s.db.query(ctx, `SELECT m.team_uid, m.user_uid FROM members m JOIN teams t ON t.uid = m.team_uid
		JOIN users u ON u.uid = m.user_uid ORDER BY t.created_at, u.created_at LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return "", "", api.NotFound("team", "first")
	}
	return uids[0], uids[1], public("read first team", err)
}

// PutKey stores a key, replacing one with the same uid.
func (s Identity) PutKey(ctx context.Context, k identity.Key) error {
	return s.db.Write(ctx, k.UID, func(tx *Tx) error { return putKey(tx, k) })
}

func putKey(tx *Tx, k identity.Key) error {
	_, err := tx.Exec(`INSERT INTO api_keys (uid, name, hash, suffix, user_uid, team_uid, role, created_at,
			expires_at, last_used_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (uid) DO UPDATE SET name = excluded.name, hash = excluded.hash, suffix = excluded.suffix,
			user_uid = excluded.user_uid, team_uid = excluded.team_uid, role = excluded.role,
			created_at = excluded.created_at, expires_at = excluded.expires_at,
			last_used_at = excluded.last_used_at, revoked_at = excluded.revoked_at`,
		k.UID, k.Name, hex.EncodeToString(k.Hash), k.Suffix, k.UserUID, k.TeamUID, string(k.Role),
		micros(k.CreatedAt), micros(k.ExpiresAt), micros(k.LastUsedAt), micros(k.RevokedAt))
	return err
}

// keyOwner is a key with whom it stands for.
type keyOwner struct {
	key  identity.Key
	user identity.User
	team identity.Team
}

// KeyByHash returns the key with the given hash, its user and its team; api.NotFound when there is
// none. Revoked and expired keys are returned: whether they count is the caller's business.
func (s Identity) KeyByHash(ctx context.Context, hash []byte) (identity.Key, identity.User, identity.Team, error) {
	o, err := one(scanKey)(s.db.query(ctx, `SELECT k.uid, k.name, k.hash, k.suffix, k.user_uid, k.team_uid, k.role,
			k.created_at, k.expires_at, k.last_used_at, k.revoked_at,
			u.uid, u.name, u.email, u.created_at, t.uid, t.name, t.created_at
		FROM api_keys k JOIN users u ON u.uid = k.user_uid JOIN teams t ON t.uid = k.team_uid
		WHERE k.hash = $1`, hex.EncodeToString(hash)))
	if errors.Is(err, sql.ErrNoRows) {
		err = api.Fail(api.PlatformErrorCodeResourceNotFound, "no such key")
	}
	return o.key, o.user, o.team, public("read key", err)
}

func scanKey(row scanner) (o keyOwner, err error) {
	var hash string
	var created, expires, used, revoked, userCreated, teamCreated int64
	k, u, t := &o.key, &o.user, &o.team
	err = row.Scan(&k.UID, &k.Name, &hash, &k.Suffix, &k.UserUID, &k.TeamUID, &k.Role, &created, &expires, &used,
		&revoked, &u.UID, &u.Name, &u.Email, &userCreated, &t.UID, &t.Name, &teamCreated)
	if err != nil {
		return o, err
	}
	k.CreatedAt, k.ExpiresAt, k.LastUsedAt = fromMicros(created), fromMicros(expires), fromMicros(used)
	k.RevokedAt, u.CreatedAt, t.CreatedAt = fromMicros(revoked), fromMicros(userCreated), fromMicros(teamCreated)
	k.Hash, err = hex.DecodeString(hash)
	return o, err
}

// Touch notes when keys were last used. A time older than the stored one changes nothing.
func (s Identity) Touch(ctx context.Context, lastUsed map[string]time.Time) error {
	uids := slices.Sorted(maps.Keys(lastUsed)) // one order of locking for everybody
	return s.db.Write(ctx, "", func(tx *Tx) error {
		for _, uid := range uids {
			if _, err := tx.Exec("UPDATE api_keys SET last_used_at = $1 WHERE uid = $2 AND last_used_at < $1",
				micros(lastUsed[uid]), uid); err != nil {
				return err
			}
		}
		return nil
	})
}

// Secret returns the named server secret, storing candidate when there is none yet.
func (s Identity) Secret(ctx context.Context, name string, candidate []byte) ([]byte, error) {
	var text string
	err := s.db.Write(ctx, "", func(tx *Tx) error {
		if _, err := tx.Exec("INSERT INTO server_secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
			name, base64.StdEncoding.EncodeToString(candidate)); err != nil {
			return err
		}
		var err error
		text, err = one(value[string])(tx.Query("SELECT value FROM server_secrets WHERE name = $1", name))
		return err
	})
	if err != nil {
		return nil, err
	}
	secret, err := base64.StdEncoding.DecodeString(text)
	return secret, public("decode server secret", err)
}
