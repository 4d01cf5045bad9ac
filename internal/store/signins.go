package store

import (
	"context"
	"encoding/hex"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const selectSignIns = `SELECT uid, hash, user_uid, team_uid, method, device, address, created_at, seen_at, expires_at
	FROM signins WHERE `

func scanSignIn(row scanner) (s identity.SignIn, err error) {
	var hash string
	var created, seen, expires int64
	err = row.Scan(&s.UID, &hash, &s.UserUID, &s.TeamUID, &s.Method, &s.Device, &s.Address, &created, &seen, &expires)
	if err != nil {
		return s, err
	}
	s.CreatedAt, s.SeenAt, s.ExpiresAt = fromMicros(created), fromMicros(seen), fromMicros(expires)
	s.Hash, err = hex.DecodeString(hash)
	return s, err
}

// PutSignIn stores a sign-in.
func (s Identity) PutSignIn(ctx context.Context, in identity.SignIn) error {
	return s.db.Write(ctx, in.UserUID, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO signins (uid, hash, user_uid, team_uid, method, device, address, created_at, seen_at,
			expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			in.UID, hex.EncodeToString(in.Hash), in.UserUID, in.TeamUID, in.Method, in.Device, in.Address,
			micros(in.CreatedAt), micros(in.SeenAt), micros(in.ExpiresAt))
		return err
	})
}

// SignInByHash returns the sign-in with the given hash, expired ones too.
func (s Identity) SignInByHash(ctx context.Context, hash []byte) (identity.SignIn, error) {
	in, err := one(scanSignIn)(s.db.query(ctx, selectSignIns+"hash = $1", hex.EncodeToString(hash)))
	return in, found("read sign-in", "sign-in", "", err)
}

// SignIns lists a person's, latest use first.
func (s Identity) SignIns(ctx context.Context, userUID string) ([]identity.SignIn, error) {
	list, err := all(scanSignIn)(s.db.query(ctx, selectSignIns+"user_uid = $1 ORDER BY seen_at DESC, uid", userUID))
	return list, public("list sign-ins", err)
}

// ChooseTeam changes the team a sign-in works for.
func (s Identity) ChooseTeam(ctx context.Context, uid, teamUID string) error {
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		n, err := tx.Exec("UPDATE signins SET team_uid = $2 WHERE uid = $1", uid, teamUID)
		if err == nil && n == 0 {
			err = api.NotFound("sign-in", uid)
		}
		return err
	})
}

// EndSignIns ends a person's sign-ins: the one with this uid, or all but it.
func (s Identity) EndSignIns(ctx context.Context, userUID, uid string, others bool) (int, error) {
	query := "DELETE FROM signins WHERE user_uid = $1 AND uid = $2"
	if others {
		query = "DELETE FROM signins WHERE user_uid = $1 AND uid <> $2"
	}
	var ended int64
	err := s.db.Write(ctx, userUID, func(tx *Tx) (err error) {
		ended, err = tx.Exec(query, userUID, uid)
		return err
	})
	return int(ended), err
}

// PutLink stores a link.
func (s Identity) PutLink(ctx context.Context, l identity.Link) error {
	return s.db.Write(ctx, l.UserUID, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO signin_links (hash, user_uid, creator_uid, expires_at) VALUES ($1, $2, $3, $4)",
			hex.EncodeToString(l.Hash), l.UserUID, l.CreatorUID, micros(l.ExpiresAt))
		return err
	})
}

// TakeLink returns a link and deletes it, so that it works once.
func (s Identity) TakeLink(ctx context.Context, hash []byte) (identity.Link, error) {
	key := hex.EncodeToString(hash)
	l := identity.Link{Hash: hash}
	err := s.db.Write(ctx, key, func(tx *Tx) error {
		var err error
		l, err = one(func(row scanner) (l identity.Link, err error) {
			var expires int64
			err = row.Scan(&l.UserUID, &l.CreatorUID, &expires)
			l.Hash, l.ExpiresAt = hash, fromMicros(expires)
			return l, err
		})(tx.Query("SELECT user_uid, creator_uid, expires_at FROM signin_links WHERE hash = $1"+tx.forUpdate("signin_links"), key))
		if err != nil {
			return found("read sign-in link", "link", "", err)
		}
		_, err = tx.Exec("DELETE FROM signin_links WHERE hash = $1", key)
		return err
	})
	return l, err
}
