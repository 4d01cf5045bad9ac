package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Identity keeps people, teams, keys, what they sign in with and the server's own secrets:
// identity.Store.
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
		if err := insertTeam(tx, t); err != nil {
			return err
		}
		if err := insertUser(tx, u); err != nil {
			return err
		}
		if err := putMember(tx, t.UID, identity.Member{User: u, Role: k.Role, CreatedAt: u.CreatedAt}); err != nil {
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

// Attempt counts something guessable: see identity.Store.
func (s Identity) Attempt(ctx context.Context, subject string, decide func(identity.Attempts) (identity.Attempts, error)) error {
	return s.db.Write(ctx, subject, func(tx *Tx) error {
		// The row is made first, so that there is one to lock.
		if _, err := tx.Exec("INSERT INTO attempts (subject, count, at, until) VALUES ($1, 0, 0, 0) ON CONFLICT (subject) DO NOTHING",
			subject); err != nil {
			return err
		}
		a, err := one(scanAttempts)(tx.Query("SELECT count, at, until FROM attempts WHERE subject = $1"+tx.forUpdate("attempts"), subject))
		if err != nil {
			return err
		}
		if a, err = decide(a); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE attempts SET count = $2, at = $3, until = $4 WHERE subject = $1",
			subject, a.Count, micros(a.At), micros(a.Until))
		return err
	})
}

func scanAttempts(row scanner) (a identity.Attempts, err error) {
	var at, until int64
	err = row.Scan(&a.Count, &at, &until)
	a.At, a.Until = fromMicros(at), fromMicros(until)
	return a, err
}

// ForgetAttempts drops a subject's count.
func (s Identity) ForgetAttempts(ctx context.Context, subject string) error {
	return s.db.Write(ctx, subject, func(tx *Tx) error {
		_, err := tx.Exec("DELETE FROM attempts WHERE subject = $1", subject)
		return err
	})
}

// Prune deletes what has expired: see identity.Store.
func (s Identity) Prune(ctx context.Context, now, idle time.Time) error {
	return s.db.Write(ctx, "", func(tx *Tx) error {
		for _, query := range []string{
			"DELETE FROM signins WHERE expires_at <= $1",
			"DELETE FROM signin_links WHERE expires_at <= $1",
			"DELETE FROM invitations WHERE expires_at <= $1",
			"DELETE FROM device_grants WHERE expires_at <= $1",
		} {
			if _, err := tx.Exec(query, micros(now)); err != nil {
				return err
			}
		}
		_, err := tx.Exec("DELETE FROM attempts WHERE at <= $1", micros(idle))
		return err
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

// found turns the absence of a row into resource_not_found, and other errors into what a caller may see.
func found(act, noun, id string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return api.NotFound(noun, id)
	}
	return public(act, err)
}
