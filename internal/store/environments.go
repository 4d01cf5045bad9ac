package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Environments keeps environments: catalog.EnvironmentStore.
type Environments struct{ db *DB }

// NewEnvironments keeps environments in db.
func NewEnvironments(db *DB) Environments { return Environments{db} }

var _ catalog.EnvironmentStore = Environments{}

const selectEnvironments = `SELECT uid, owner_type, owner_uid, config, creator, editor, created_at, updated_at
	FROM environments WHERE deleted_at = 0 AND `

// Put stores an environment, replacing one with the same uid but keeping its creator and its time of
// creation.
func (s Environments) Put(ctx context.Context, e catalog.Environment) error {
	config, err := encode(e.Config)
	if err != nil {
		return err
	}
	creator, err := encode(e.Creator)
	if err != nil {
		return err
	}
	editor, err := encode(e.Editor)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, e.UID, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO environments (uid, owner_type, owner_uid, config, creator, editor, created_at,
				updated_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
			ON CONFLICT (uid) DO UPDATE SET owner_type = excluded.owner_type, owner_uid = excluded.owner_uid,
				config = excluded.config, editor = excluded.editor, updated_at = excluded.updated_at, deleted_at = 0`,
			e.UID, string(e.Owner.Type), e.Owner.UID, config, creator, editor, micros(e.CreatedAt), micros(e.UpdatedAt))
		return err
	})
}

// Get returns an environment that was not deleted.
func (s Environments) Get(ctx context.Context, uid string) (catalog.Environment, error) {
	e, err := one(scanEnvironment)(s.db.query(ctx, selectEnvironments+"uid = $1", uid))
	if errors.Is(err, sql.ErrNoRows) {
		return e, api.NotFound("environment", uid)
	}
	return e, public("read environment", err)
}

// Delete hides an environment for good; its runs keep naming it.
func (s Environments) Delete(ctx context.Context, uid string) error {
	now := micros(s.db.now())
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		n, err := tx.Exec("UPDATE environments SET deleted_at = $1 WHERE uid = $2 AND deleted_at = 0", now, uid)
		if err == nil && n == 0 {
			return api.NotFound("environment", uid)
		}
		return err
	})
}

// List returns the environments of the given teams and of the user, newest change first.
func (s Environments) List(ctx context.Context, teamUIDs []string, userUID string) ([]catalog.Environment, error) {
	var c clause
	owners := c.owners("", teamUIDs, userUID)
	if owners == "" {
		return nil, nil
	}
	list, err := all(scanEnvironment)(s.db.queryOnce(ctx,
		selectEnvironments+owners+" ORDER BY updated_at DESC, uid", c.args...))
	return list, public("read environments", err)
}

func scanEnvironment(row scanner) (e catalog.Environment, err error) {
	var config, creator, editor string
	var created, updated int64
	err = row.Scan(&e.UID, &e.Owner.Type, &e.Owner.UID, &config, &creator, &editor, &created, &updated)
	if err != nil {
		return e, err
	}
	e.CreatedAt, e.UpdatedAt = fromMicros(created), fromMicros(updated)
	return e, errors.Join(decode(config, &e.Config), decode(creator, &e.Creator), decode(editor, &e.Editor))
}

// LastRuns returns the most recent run of each environment that has one.
func (s Environments) LastRuns(ctx context.Context, uids []string) (map[string]api.EnvironmentLastTask, error) {
	last := map[string]api.EnvironmentLastTask{}
	for _, uid := range uids {
		if uid == "" {
			continue
		}
		// environment_id <> '' lets the partial index serve this: one step of it per environment.
		t, err := one(scanLastTask)(s.db.query(ctx, `SELECT id, title, state, created_at, updated_at, started_at FROM runs
			WHERE environment_id = $1 AND environment_id <> '' AND owner_type <> '`+nowhere+`'
			ORDER BY created_at DESC LIMIT 1`, uid))
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, public("read last run of environment", err)
		}
		last[uid] = t
	}
	return last, nil
}

func scanLastTask(row scanner) (t api.EnvironmentLastTask, err error) {
	var created, updated, started int64
	err = row.Scan(&t.Id, &t.Title, &t.State, &created, &updated, &started)
	t.CreatedAt, t.UpdatedAt, t.StartedAt = fromMicros(created), fromMicros(updated), fromMicros(started)
	return t, err
}

// ownedBy is a prefix and an owner as the condition of a clause.
func (c *clause) ownedBy(prefix string, o identity.Owner) string {
	return fmt.Sprintf("%[1]sowner_type = %[2]s AND %[1]sowner_uid = %[3]s", prefix, c.arg(string(o.Type)), c.arg(o.UID))
}

// owners is the condition that a row of the table prefix names ("" or "r.") belongs to one of the
// teams or to the user. It is empty when there is nobody it could belong to.
func (c *clause) owners(prefix string, teamUIDs []string, userUID string) string {
	var any []string
	for _, uid := range teamUIDs {
		any = append(any, c.ownedBy(prefix, identity.Owner{Type: api.ScopeTypeTeam, UID: uid}))
	}
	if userUID != "" {
		any = append(any, c.ownedBy(prefix, identity.Owner{Type: api.ScopeTypeUser, UID: userUID}))
	}
	if len(any) == 0 {
		return ""
	}
	return "(" + strings.Join(any, " OR ") + ")"
}

// LastOfSkills returns when the newest run of each skill was created, among those of the owners.
func (s Environments) LastOfSkills(ctx context.Context, owners []identity.Owner, skills []string) (map[string]time.Time, error) {
	last := map[string]time.Time{}
	for _, skill := range skills {
		for _, o := range owners {
			// Ids begin with the time they were made: one step of the index runs_agent finds the newest.
			at, err := one(scanMicros)(s.db.query(ctx, `SELECT created_at FROM runs
				WHERE owner_type = $1 AND owner_uid = $2 AND skill = $3 ORDER BY id DESC LIMIT 1`, string(o.Type), o.UID, skill))
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return nil, public("read last run of skill", err)
			}
			if at.After(last[skill]) {
				last[skill] = at
			}
		}
	}
	return last, nil
}

func scanMicros(row scanner) (time.Time, error) {
	var at int64
	err := row.Scan(&at)
	return fromMicros(at), err
}
