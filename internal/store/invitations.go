package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const selectInvitations = `SELECT i.uid, i.hash, i.team_uid, t.name, i.email, i.role, i.creator_uid, i.created_at, i.expires_at
	FROM invitations i JOIN teams t ON t.uid = i.team_uid WHERE `

func scanInvitation(row scanner) (i identity.Invitation, err error) {
	var hash string
	var created, expires int64
	err = row.Scan(&i.UID, &hash, &i.TeamUID, &i.TeamName, &i.Email, &i.Role, &i.CreatorUID, &created, &expires)
	if err != nil {
		return i, err
	}
	i.CreatedAt, i.ExpiresAt = fromMicros(created), fromMicros(expires)
	i.Hash, err = hex.DecodeString(hash)
	return i, err
}

// PutInvitation stores an invitation.
func (s Identity) PutInvitation(ctx context.Context, i identity.Invitation) error {
	return s.db.Write(ctx, i.TeamUID, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO invitations (uid, hash, team_uid, email, role, creator_uid, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			i.UID, hex.EncodeToString(i.Hash), i.TeamUID, i.Email, string(i.Role), i.CreatorUID, micros(i.CreatedAt), micros(i.ExpiresAt))
		return err
	})
}

// InvitationByHash returns the invitation with the given hash, expired ones too.
func (s Identity) InvitationByHash(ctx context.Context, hash []byte) (identity.Invitation, error) {
	i, err := one(scanInvitation)(s.db.query(ctx, selectInvitations+"i.hash = $1", hex.EncodeToString(hash)))
	return i, found("read invitation", "invitation", "", err)
}

// Invitations lists a team's, newest first.
func (s Identity) Invitations(ctx context.Context, teamUID string) ([]identity.Invitation, error) {
	list, err := all(scanInvitation)(s.db.query(ctx, selectInvitations+"i.team_uid = $1 ORDER BY i.created_at DESC, i.uid", teamUID))
	return list, public("list invitations", err)
}

// DeleteInvitation deletes one of a team.
func (s Identity) DeleteInvitation(ctx context.Context, teamUID, uid string) error {
	return s.db.Write(ctx, teamUID, func(tx *Tx) error {
		n, err := tx.Exec("DELETE FROM invitations WHERE team_uid = $1 AND uid = $2", teamUID, uid)
		if err == nil && n == 0 {
			err = api.NotFound("invitation", uid)
		}
		return err
	})
}

// AcceptInvitation deletes an invitation and makes whoever decide names a member: see
// identity.InvitationStore.
func (s Identity) AcceptInvitation(ctx context.Context, hash []byte, decide func(identity.Invitation, *identity.User) (identity.User, error)) error {
	key, now := hex.EncodeToString(hash), s.db.now()
	return s.db.Write(ctx, key, func(tx *Tx) error {
		i, err := one(scanInvitation)(tx.Query(selectInvitations+"i.hash = $1"+tx.forUpdate("i"), key))
		if err != nil {
			return found("read invitation", "invitation", "", err)
		}
		var holder *identity.User
		u, err := one(scanUser)(tx.Query(selectUsers+"WHERE u.email = $1 AND u.email <> ''", i.Email))
		switch {
		case err == nil:
			holder = &u
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		who, err := decide(i, holder)
		if err != nil {
			return err
		}
		if holder == nil || holder.UID != who.UID {
			if err := insertUser(tx, who); err != nil {
				return err
			}
		}
		// Who is a member already stays what they are.
		if _, err := tx.Exec(`INSERT INTO members (team_uid, user_uid, role, source, created_at) VALUES ($1, $2, $3, '', $4)
			ON CONFLICT (team_uid, user_uid) DO NOTHING`, i.TeamUID, who.UID, string(i.Role), micros(now)); err != nil {
			return err
		}
		_, err = tx.Exec("DELETE FROM invitations WHERE hash = $1", key)
		return err
	})
}
