package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/internal/identity"
)

const (
	userColumns = "u.uid, u.name, u.email, u.created_at, u.disabled_at, u.operator, u.password"
	selectUsers = "SELECT " + userColumns + " FROM users u "
	selectTeams = "SELECT uid, name, created_at FROM teams "
	// The uid settles the order of those made at once.
	selectMembers = "SELECT " + userColumns + `, m.role, m.source, m.created_at FROM members m JOIN users u ON u.uid = m.user_uid
		WHERE m.team_uid = $1 ORDER BY m.created_at, u.uid`
	selectMemberships = `SELECT m.team_uid, t.name, m.role, m.source FROM members m JOIN teams t ON t.uid = m.team_uid
		WHERE m.user_uid = $1 ORDER BY m.created_at, t.created_at, t.uid`
)

// userRow is a user as columns.
type userRow struct {
	identity.User
	created, disabled, operator int64
}

func (r *userRow) dest(more ...any) []any {
	return append([]any{&r.UID, &r.Name, &r.Email, &r.created, &r.disabled, &r.operator, &r.Password}, more...)
}

func (r *userRow) user() identity.User {
	r.CreatedAt, r.DisabledAt, r.Operator = fromMicros(r.created), fromMicros(r.disabled), r.operator != 0
	return r.User
}

func scanUser(row scanner) (identity.User, error) {
	var r userRow
	err := row.Scan(r.dest()...)
	return r.user(), err
}

func scanMember(row scanner) (m identity.Member, err error) {
	var r userRow
	var created int64
	err = row.Scan(r.dest(&m.Role, &m.Source, &created)...)
	m.User, m.CreatedAt = r.user(), fromMicros(created)
	return m, err
}

func scanMembership(row scanner) (m identity.Membership, err error) {
	err = row.Scan(&m.TeamUID, &m.TeamName, &m.Role, &m.Source)
	return m, err
}

func scanTeam(row scanner) (t identity.Team, err error) {
	var created int64
	err = row.Scan(&t.UID, &t.Name, &created)
	t.CreatedAt = fromMicros(created)
	return t, err
}

func insertUser(tx *Tx, u identity.User) error {
	_, err := tx.Exec(`INSERT INTO users (uid, name, email, created_at, disabled_at, operator, password)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		u.UID, u.Name, u.Email, micros(u.CreatedAt), micros(u.DisabledAt), flag(u.Operator), u.Password)
	return err
}

// insertTeam stores a team, with the agent that every team has.
func insertTeam(tx *Tx, t identity.Team) error {
	if _, err := tx.Exec("INSERT INTO teams (uid, name, created_at) VALUES ($1, $2, $3)", t.UID, t.Name, micros(t.CreatedAt)); err != nil {
		return err
	}
	return insertDefaultAgent(tx, t)
}

// putMember adds a member or changes one, who keeps the time they joined.
func putMember(tx *Tx, teamUID string, m identity.Member) error {
	_, err := tx.Exec(`INSERT INTO members (team_uid, user_uid, role, source, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (team_uid, user_uid) DO UPDATE SET role = excluded.role, source = excluded.source`,
		teamUID, m.User.UID, string(m.Role), m.Source, micros(m.CreatedAt))
	return err
}

// User returns a person with their teams, oldest membership first.
func (s Identity) User(ctx context.Context, uid string) (identity.User, []identity.Membership, error) {
	u, err := one(scanUser)(s.db.query(ctx, selectUsers+"WHERE u.uid = $1", uid))
	if err != nil {
		return u, nil, found("read user", "user", uid, err)
	}
	teams, err := all(scanMembership)(s.db.query(ctx, selectMemberships, uid))
	return u, teams, public("read teams of user", err)
}

// UserByEmail finds a person by the stored spelling of their address.
func (s Identity) UserByEmail(ctx context.Context, email string) (identity.User, error) {
	u, err := one(scanUser)(s.db.query(ctx, selectUsers+"WHERE u.email = $1 AND u.email <> ''", email))
	return u, found("read user", "user", "", err)
}

// Users lists everybody, oldest first.
func (s Identity) Users(ctx context.Context) ([]identity.User, error) {
	list, err := all(scanUser)(s.db.query(ctx, selectUsers+"ORDER BY u.created_at, u.uid"))
	return list, public("list users", err)
}

// ChangeUser changes what is about a person: see identity.PeopleStore.
func (s Identity) ChangeUser(ctx context.Context, uid string, decide func(*identity.User) error) error {
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		// Two operators who each shut out the other come one after the other.
		if err := tx.lockNames(); err != nil {
			return err
		}
		u, err := one(scanUser)(tx.Query(selectUsers+"WHERE u.uid = $1"+tx.forUpdate("u"), uid))
		if err != nil {
			return found("read user", "user", uid, err)
		}
		operates := u.Operator && u.DisabledAt.IsZero()
		if err := decide(&u); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE users SET name = $2, email = $3, disabled_at = $4, operator = $5, password = $6 WHERE uid = $1",
			uid, u.Name, u.Email, micros(u.DisabledAt), flag(u.Operator), u.Password); err != nil {
			return err
		}
		if !u.DisabledAt.IsZero() {
			if _, err := tx.Exec("DELETE FROM invitations WHERE creator_uid = $1", uid); err != nil {
				return err
			}
			if _, err := tx.Exec("DELETE FROM signin_links WHERE creator_uid = $1", uid); err != nil {
				return err
			}
			if err := shutOut(tx, uid); err != nil {
				return err
			}
		}
		if operates && !(u.Operator && u.DisabledAt.IsZero()) {
			return keepOperator(tx)
		}
		return nil
	})
}

// keepOperator refuses a change that leaves nobody to manage the installation.
func keepOperator(tx *Tx) error {
	left, err := one(value[int])(tx.Query("SELECT count(*) FROM users WHERE operator = 1 AND disabled_at = 0"))
	if err == nil && left == 0 {
		err = identity.ErrLastOperator
	}
	return err
}

// Team returns a team.
func (s Identity) Team(ctx context.Context, uid string) (identity.Team, error) {
	t, err := one(scanTeam)(s.db.query(ctx, selectTeams+"WHERE uid = $1", uid))
	return t, found("read team", "team", uid, err)
}

// Teams lists all teams, oldest first.
func (s Identity) Teams(ctx context.Context) ([]identity.Team, error) {
	list, err := all(scanTeam)(s.db.query(ctx, selectTeams+"ORDER BY created_at, uid"))
	return list, public("list teams", err)
}

// CreateTeam stores a team with its first admin.
func (s Identity) CreateTeam(ctx context.Context, t identity.Team, adminUID string) error {
	return s.db.Write(ctx, t.UID, func(tx *Tx) error {
		if err := insertTeam(tx, t); err != nil {
			return err
		}
		return putMember(tx, t.UID, identity.Member{User: identity.User{UID: adminUID}, Role: identity.RoleAdmin, CreatedAt: t.CreatedAt})
	})
}

// ChangeTeam changes what is about a team.
func (s Identity) ChangeTeam(ctx context.Context, uid string, decide func(*identity.Team) error) error {
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		t, err := lockTeam(tx, uid)
		if err != nil {
			return err
		}
		if err := decide(&t); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE teams SET name = $2 WHERE uid = $1", uid, t.Name)
		return err
	})
}

// lockTeam reads a team and keeps others from changing it or its members.
func lockTeam(tx *Tx, uid string) (identity.Team, error) {
	t, err := one(scanTeam)(tx.Query(selectTeams+"WHERE uid = $1"+tx.forUpdate("teams"), uid))
	return t, found("read team", "team", uid, err)
}

// Members lists a team's members, oldest first.
func (s Identity) Members(ctx context.Context, teamUID string) ([]identity.Member, error) {
	list, err := all(scanMember)(s.db.query(ctx, selectMembers, teamUID))
	return list, public("list members", err)
}

// ChangeMembers changes who is in a team: see identity.PeopleStore.
func (s Identity) ChangeMembers(ctx context.Context, teamUID string, decide func([]identity.Member) (identity.MemberChange, error)) error {
	now := s.db.now()
	return s.db.Write(ctx, teamUID, func(tx *Tx) error {
		if _, err := lockTeam(tx, teamUID); err != nil {
			return err
		}
		members, err := all(scanMember)(tx.Query(selectMembers, teamUID))
		if err != nil {
			return err
		}
		change, err := decide(members)
		if err != nil {
			return err
		}
		for _, m := range change.Put {
			if err := putMember(tx, teamUID, m); err != nil {
				return err
			}
			if m.Role == identity.RoleAdmin {
				continue
			}
			if err := withdrawInvitations(tx, teamUID, m.User.UID); err != nil {
				return err
			}
		}
		for _, uid := range change.Remove {
			if err := removeMember(tx, teamUID, uid, micros(now)); err != nil {
				return err
			}
		}
		return nil
	})
}

// withdrawInvitations takes back those into a team that somebody made who may not invite any more: they
// have seen the links, and would come back by one.
func withdrawInvitations(tx *Tx, teamUID, creatorUID string) error {
	_, err := tx.Exec("DELETE FROM invitations WHERE team_uid = $1 AND creator_uid = $2", teamUID, creatorUID)
	return err
}

// removeMember takes a membership, and with it the keys and sign-ins that work by it.
func removeMember(tx *Tx, teamUID, userUID string, now int64) error {
	if _, err := tx.Exec("DELETE FROM members WHERE team_uid = $1 AND user_uid = $2", teamUID, userUID); err != nil {
		return err
	}
	if _, err := tx.Exec(`UPDATE api_keys SET revoked_at = $3
		WHERE owner_type = 'user' AND owner_uid = $2 AND team_uid = $1 AND revoked_at = 0`, teamUID, userUID, now); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM device_grants WHERE team_uid = $1 AND user_uid = $2", teamUID, userUID); err != nil {
		return err
	}
	if err := withdrawInvitations(tx, teamUID, userUID); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM signins WHERE team_uid = $1 AND user_uid = $2", teamUID, userUID)
	return err
}

// Federate finds or makes the person a provider vouches for: see identity.FederatedPerson.
func (s Identity) Federate(ctx context.Context, provider, subject, email string, decide func(*identity.FederatedPerson) (identity.User, error)) error {
	now := s.db.now()
	return s.db.Write(ctx, email, func(tx *Tx) error {
		// Two first sign-ins of one person make one account.
		if err := tx.lockNames(); err != nil {
			return err
		}
		f, err := federated(tx, provider, subject, email)
		if err != nil {
			return err
		}
		known := f.User != nil
		u, err := decide(&f)
		if err != nil {
			return err
		}
		if !known {
			if err := insertUser(tx, u); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`INSERT INTO user_logins (provider, subject, user_uid) VALUES ($1, $2, $3)
			ON CONFLICT (provider, subject) DO NOTHING`, provider, subject, u.UID); err != nil {
			return err
		}
		if f.Renew {
			if err := takeOver(tx, u.UID, micros(now)); err != nil {
				return err
			}
		}
		for _, i := range f.Accept {
			if _, err := tx.Exec("DELETE FROM invitations WHERE uid = $1", i.UID); err != nil {
				return err
			}
		}
		for _, m := range f.Join {
			if err := putMember(tx, m.TeamUID, identity.Member{User: u, Role: m.Role, Source: m.Source, CreatedAt: now}); err != nil {
				return err
			}
		}
		for _, team := range f.Leave {
			if err := removeMember(tx, team, u.UID, micros(now)); err != nil {
				return err
			}
		}
		return nil
	})
}

// takeOver ends all that opens an account.
func takeOver(tx *Tx, userUID string, now int64) error {
	if _, err := tx.Exec("UPDATE users SET password = '' WHERE uid = $1", userUID); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE api_keys SET revoked_at = $2 WHERE owner_type = 'user' AND owner_uid = $1 AND revoked_at = 0", userUID, now); err != nil {
		return err
	}
	return shutOut(tx, userUID)
}

// shutOut ends a person's sign-ins and what would make one, or a key, later.
func shutOut(tx *Tx, userUID string) error {
	for _, query := range []string{
		"DELETE FROM signins WHERE user_uid = $1",
		"DELETE FROM signin_links WHERE user_uid = $1",
		"DELETE FROM device_grants WHERE user_uid = $1",
	} {
		if _, err := tx.Exec(query, userUID); err != nil {
			return err
		}
	}
	return nil
}

// federated reads what a decision about somebody a provider vouches for needs.
func federated(tx *Tx, provider, subject, email string) (f identity.FederatedPerson, err error) {
	if f.All, err = all(scanTeam)(tx.Query(selectTeams + "ORDER BY created_at, uid" + tx.forUpdate("teams"))); err != nil {
		return f, err
	}
	u, err := one(scanUser)(tx.Query(selectUsers+"JOIN user_logins l ON l.user_uid = u.uid WHERE l.provider = $1 AND l.subject = $2", provider, subject))
	if errors.Is(err, sql.ErrNoRows) {
		u, err = one(scanUser)(tx.Query(selectUsers+"WHERE u.email = $1 AND u.email <> ''", email))
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return f, err
	default:
		f.User = &u
		if f.Teams, err = all(scanMembership)(tx.Query(selectMemberships, u.UID)); err != nil {
			return f, err
		}
		proofs, err := one(value[int])(tx.Query("SELECT count(*) FROM user_logins WHERE user_uid = $1", u.UID))
		if err != nil {
			return f, err
		}
		f.Proven = proofs > 0
		if f.OnlyAdmin, err = all(value[string])(tx.Query(`SELECT m.team_uid FROM members m WHERE m.user_uid = $1 AND m.role = 'admin'
			AND NOT EXISTS (SELECT 1 FROM members o JOIN users u ON u.uid = o.user_uid
				WHERE o.team_uid = m.team_uid AND o.user_uid <> $1 AND o.role = 'admin' AND u.disabled_at = 0)`, u.UID)); err != nil {
			return f, err
		}
	}
	f.Invited, err = all(scanInvitation)(tx.Query(selectInvitations+"i.email = $1 ORDER BY i.created_at, i.uid", email))
	return f, err
}
