package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/memory"
)

// Agents keeps the named identities of teams, and what teams' runs default to: agent.Store.
type Agents struct{ db *DB }

// NewAgents keeps agents in db.
func NewAgents(db *DB) Agents { return Agents{db} }

var _ agent.Store = Agents{}

// selectAgents reads agents for scanAgent. Add a condition.
const selectAgents = `SELECT a.uid, a.team_uid, a.name, a.is_default, a.definition, a.creator, a.editor, a.created_at,
	a.updated_at, (SELECT count(*) FROM agents o WHERE o.team_uid = a.team_uid AND o.deleted_at = 0
		AND (o.created_at, o.uid) < (a.created_at, a.uid))
	FROM agents a WHERE a.deleted_at = 0 AND `

func scanAgent(row scanner) (a agent.Agent, err error) {
	var definition, creator, editor string
	var isDefault, created, updated int64
	err = row.Scan(&a.UID, &a.TeamUID, &a.Name, &isDefault, &definition, &creator, &editor, &created, &updated, &a.Older)
	if err != nil {
		return a, err
	}
	a.Default, a.CreatedAt, a.UpdatedAt = isDefault != 0, fromMicros(created), fromMicros(updated)
	return a, errors.Join(decode(definition, &a.Definition), decode(creator, &a.Creator), decode(editor, &a.Editor))
}

// defaultAgentPrefix and the uid of a team make the uid of the agent that it has from its first day, in
// migration 40, too.
const defaultAgentPrefix = "default-"

func insertDefaultAgent(tx *Tx, t identity.Team) error {
	return insertAgent(tx, agent.Agent{
		UID: defaultAgentPrefix + t.UID, TeamUID: t.UID, Name: "Default", Default: true, CreatedAt: t.CreatedAt, UpdatedAt: t.CreatedAt,
	})
}

var insertAgents = newInsert("agents",
	"uid", "team_uid", "name", "is_default", "definition", "creator", "editor", "created_at", "updated_at", "deleted_at")

func insertAgent(tx *Tx, a agent.Agent) error {
	texts, err := agentTexts(a)
	if err != nil {
		return err
	}
	return insertAgents.into(tx, []any{
		a.UID, a.TeamUID, a.Name, flag(a.Default), texts[0], texts[1], texts[2], micros(a.CreatedAt), micros(a.UpdatedAt), 0,
	})
}

// agentTexts are an agent's definition, creator and editor as columns.
func agentTexts(a agent.Agent) (texts [3]string, err error) {
	for i, v := range []any{a.Definition, a.Creator, a.Editor} {
		if texts[i], err = encode(v); err != nil {
			return texts, err
		}
	}
	return texts, nil
}

// Insert stores a new agent unless its team has one with its name, or limit of them.
func (s Agents) Insert(ctx context.Context, a agent.Agent, limit int) error {
	return s.db.Write(ctx, a.TeamUID, func(tx *Tx) error {
		if err := freeName(tx, a); err != nil {
			return err
		}
		n, err := one(value[int])(tx.Query("SELECT count(*) FROM agents WHERE team_uid = $1 AND deleted_at = 0", a.TeamUID))
		if err != nil {
			return err
		}
		if n >= limit {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "a team may have at most %d agents here: delete some", limit)
		}
		if err := insertAgent(tx, a); err != nil {
			return err
		}
		if a.OwnStore.UID != "" {
			if err := insertStore(tx, memory.Store{
				UID: a.OwnStore.UID, TeamUID: a.TeamUID, OwnerType: api.MemoryOwnerTypeServiceAccount, OwnerUID: a.UID,
				Description: a.OwnStore.Description, CreatedAt: a.CreatedAt, UpdatedAt: a.CreatedAt,
			}); err != nil {
				return err
			}
		}
		return attach(tx, a.UID, a.Memory())
	})
}

// freeName refuses a name that another agent of the team has. It settles it between servers, too.
func freeName(tx *Tx, a agent.Agent) error {
	if err := tx.lockNames(); err != nil {
		return err
	}
	n, err := one(value[int])(tx.Query(`SELECT count(*) FROM agents WHERE team_uid = $1 AND name = $2 AND uid <> $3
		AND deleted_at = 0`, a.TeamUID, a.Name, a.UID))
	if err == nil && n > 0 {
		return api.Invalid("name", "%q is taken by another agent of the team", a.Name)
	}
	return err
}

// Get returns an agent that was not deleted.
func (s Agents) Get(ctx context.Context, uid string) (agent.Agent, error) {
	a, err := one(scanAgent)(s.db.query(ctx, selectAgents+"a.uid = $1", uid))
	return a, found("read agent", "agent", uid, err)
}

// List returns a team's agents, oldest first.
func (s Agents) List(ctx context.Context, teamUID string) ([]agent.Agent, error) {
	list, err := all(scanAgent)(s.db.query(ctx, selectAgents+"a.team_uid = $1 ORDER BY a.created_at, a.uid", teamUID))
	return list, public("read agents", err)
}

// Change stores what decide makes of an agent.
func (s Agents) Change(ctx context.Context, uid string, decide func(*agent.Agent) error) (agent.Agent, error) {
	var a agent.Agent
	err := s.db.Write(ctx, uid, func(tx *Tx) error {
		var err error
		if a, err = lockAgent(tx, uid); err != nil {
			return err
		}
		name := a.Name
		if err := decide(&a); err != nil {
			return err
		}
		if a.Name != name {
			if err := freeName(tx, a); err != nil {
				return err
			}
		}
		texts, err := agentTexts(a)
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE agents SET name = $2, definition = $3, editor = $4, updated_at = $5 WHERE uid = $1",
			uid, a.Name, texts[0], texts[2], micros(a.UpdatedAt))
		if err != nil {
			return err
		}
		return attach(tx, uid, a.Memory())
	})
	return a, err
}

func lockAgent(tx *Tx, uid string) (agent.Agent, error) {
	a, err := one(scanAgent)(tx.Query(selectAgents+"a.uid = $1"+tx.forUpdate("a"), uid))
	return a, found("read agent", "agent", uid, err)
}

// Delete hides an agent for good revokes its API keys with it, and lets go of its memory stores.
func (s Agents) Delete(ctx context.Context, uid string, decide func(agent.Agent) error, at time.Time) error {
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		a, err := lockAgent(tx, uid)
		if err != nil {
			return err
		}
		if err := decide(a); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE agents SET deleted_at = $2 WHERE uid = $1", uid, micros(at)); err != nil {
			return err
		}
		if err := attach(tx, uid, nil); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE api_keys SET revoked_at = $2 WHERE owner_type = 'agent' AND owner_uid = $1
			AND revoked_at = 0`, uid, micros(at))
		return err
	})
}

// Defaults are what a team's runs get when nobody says.
func (s Agents) Defaults(ctx context.Context, teamUID string) (agent.Defaults, error) {
	d, err := one(scanDefaults)(s.db.query(ctx, "SELECT defaults FROM team_defaults WHERE team_uid = $1", teamUID))
	if errors.Is(err, sql.ErrNoRows) {
		return d, nil
	}
	return d, public("read team's defaults", err)
}

// ChangeDefaults stores what decide makes of a team's defaults.
func (s Agents) ChangeDefaults(ctx context.Context, teamUID string, decide func(*agent.Defaults) error) (agent.Defaults, error) {
	var d agent.Defaults
	err := s.db.Write(ctx, teamUID, func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO team_defaults (team_uid, defaults) VALUES ($1, '') ON CONFLICT (team_uid) DO NOTHING", teamUID)
		if err != nil {
			return err
		}
		d, err = one(scanDefaults)(tx.Query("SELECT d.defaults FROM team_defaults d WHERE d.team_uid = $1"+tx.forUpdate("d"), teamUID))
		if err != nil {
			return err
		}
		if err := decide(&d); err != nil {
			return err
		}
		text, err := encode(d)
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE team_defaults SET defaults = $2 WHERE team_uid = $1", teamUID, text)
		return err
	})
	return d, err
}

func scanDefaults(row scanner) (d agent.Defaults, err error) {
	var text string
	if err := row.Scan(&text); err != nil {
		return d, err
	}
	return d, decode(text, &d)
}
