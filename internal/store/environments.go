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
type Environments struct {
	Definitions[api.CloudEnvironmentConfig]
}

// NewEnvironments keeps environments in db.
func NewEnvironments(db *DB) Environments {
	return Environments{Definitions[api.CloudEnvironmentConfig]{db: db, table: "environments", noun: "environment"}}
}

var _ catalog.EnvironmentStore = Environments{}

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
