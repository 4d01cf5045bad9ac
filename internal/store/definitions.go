package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

// Definitions keeps the definitions of one kind, in a table of its own: catalog.Store. All those tables
// have the same columns, but that only kinds with unique names have one for the name.
type Definitions[C any] struct {
	db          *DB
	table, noun string
	// name is nil for a kind whose names are not unique.
	name func(C) string
}

// NamedDefinitions keeps definitions of a kind with unique names: catalog.NamedStore.
type NamedDefinitions[C any] struct{ Definitions[C] }

var (
	_ catalog.NamedStore[api.ComputeRunnerConfig]   = NamedDefinitions[api.ComputeRunnerConfig]{}
	_ catalog.NamedStore[api.SavedPromptConfig]     = NamedDefinitions[api.SavedPromptConfig]{}
	_ catalog.NamedStore[api.SharedMcpServerConfig] = NamedDefinitions[api.SharedMcpServerConfig]{}
)

// NewRunners keeps runners in db.
func NewRunners(db *DB) NamedDefinitions[api.ComputeRunnerConfig] {
	return NamedDefinitions[api.ComputeRunnerConfig]{Definitions[api.ComputeRunnerConfig]{
		db, "runners", "runner", func(c api.ComputeRunnerConfig) string { return c.Name },
	}}
}

// NewPrompts keeps saved prompts in db.
func NewPrompts(db *DB) NamedDefinitions[api.SavedPromptConfig] {
	return NamedDefinitions[api.SavedPromptConfig]{Definitions[api.SavedPromptConfig]{
		db, "prompts", "saved prompt", func(c api.SavedPromptConfig) string { return c.Name },
	}}
}

// NewServers keeps MCP servers in db.
func NewServers(db *DB) NamedDefinitions[api.SharedMcpServerConfig] {
	return NamedDefinitions[api.SharedMcpServerConfig]{Definitions[api.SharedMcpServerConfig]{
		db, "mcp_servers", "MCP server", func(c api.SharedMcpServerConfig) string { return c.Name },
	}}
}

// selecting reads definitions for scanDefinition. Add a condition.
func (s Definitions[C]) selecting() string {
	return `SELECT uid, owner_type, owner_uid, config, creator, editor, created_at, updated_at FROM ` + s.table +
		` WHERE deleted_at = 0 AND `
}

// Insert stores a new definition unless its owner has limit of them already, or one of its name.
func (s Definitions[C]) Insert(ctx context.Context, d catalog.Definition[C], limit int) error {
	text, err := definitionTexts(d)
	if err != nil {
		return err
	}
	// The owner's inserts come one after the other: the count holds, between servers but for a few.
	return s.db.Write(ctx, d.Owner.UID, func(tx *Tx) error {
		n, err := one(value[int])(tx.Query("SELECT count(*) FROM "+s.table+` WHERE deleted_at = 0 AND owner_type = $1
			AND owner_uid = $2`, string(d.Owner.Type), d.Owner.UID))
		if err != nil {
			return err
		}
		if n >= limit {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "there may be at most %d of a kind here: delete some", limit)
		}
		args := []any{d.UID, string(d.Owner.Type), d.Owner.UID, text.config, text.creator, text.editor, micros(d.CreatedAt), micros(d.UpdatedAt)}
		if s.name == nil {
			return tx.Send("INSERT INTO "+s.table+` (uid, owner_type, owner_uid, config, creator, editor, created_at,
				updated_at, deleted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`, args...)
		}
		if err := s.checkName(tx, d); err != nil {
			return err
		}
		return tx.Send("INSERT INTO "+s.table+` (uid, owner_type, owner_uid, config, creator, editor, created_at,
			updated_at, deleted_at, name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)`, append(args, s.name(d.Config))...)
	})
}

// checkName refuses a name that another of the owner's has, in words. Against another server that stores
// one at the same moment there is the index.
func (s Definitions[C]) checkName(tx *Tx, d catalog.Definition[C]) error {
	n, err := one(value[int])(tx.Query("SELECT count(*) FROM "+s.table+` WHERE deleted_at = 0 AND owner_type = $1
		AND owner_uid = $2 AND name = $3 AND uid <> $4`, string(d.Owner.Type), d.Owner.UID, s.name(d.Config), d.UID))
	if err != nil || n == 0 {
		return err
	}
	f := api.Fail(api.PlatformErrorCodeConflict, "config.name: there is a %s named %q already", s.noun, s.name(d.Config))
	f.Field, f.Retryable = "config.name", new(bool)
	return f
}

// Get returns a definition that was not deleted.
func (s Definitions[C]) Get(ctx context.Context, uid string) (catalog.Definition[C], error) {
	d, err := one(scanDefinition[C])(s.db.query(ctx, s.selecting()+"uid = $1", uid))
	return d, s.found(uid, err)
}

func (s Definitions[C]) found(uid string, err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return api.NotFound(s.noun, uid)
	}
	return public("read "+s.noun, err)
}

// List returns the definitions of the given teams and of the user, newest change first.
func (s Definitions[C]) List(ctx context.Context, teamUIDs []string, userUID string) ([]catalog.Definition[C], error) {
	var c clause
	owners := c.owners("", teamUIDs, userUID)
	if owners == "" {
		return nil, nil
	}
	list, err := all(scanDefinition[C])(s.db.queryOnce(ctx, s.selecting()+owners+" ORDER BY updated_at DESC, uid", c.args...))
	return list, public("list "+s.noun, err)
}

// Named returns those of the given teams and of the user that have the name.
func (s NamedDefinitions[C]) Named(ctx context.Context, teamUIDs []string, userUID, name string) ([]catalog.Definition[C], error) {
	var c clause
	owners := c.owners("", teamUIDs, userUID)
	if owners == "" {
		return nil, nil
	}
	list, err := all(scanDefinition[C])(s.db.queryOnce(ctx, s.selecting()+owners+" AND name = "+c.arg(name)+" ORDER BY uid", c.args...))
	return list, public("find "+s.noun, err)
}

// Change stores what decide makes of a definition. Its uid, owner, creator and creation stay.
func (s Definitions[C]) Change(ctx context.Context, uid string, decide func(*catalog.Definition[C])) (catalog.Definition[C], error) {
	var d catalog.Definition[C]
	err := s.db.Write(ctx, uid, func(tx *Tx) error {
		var err error
		if d, err = one(scanDefinition[C])(tx.Query(s.selecting()+"uid = $1"+tx.forUpdate(s.table), uid)); err != nil {
			return s.found(uid, err)
		}
		decide(&d)
		text, err := definitionTexts(d)
		if err != nil {
			return err
		}
		args := []any{uid, text.config, text.editor, micros(d.UpdatedAt)}
		if s.name == nil {
			return tx.Send("UPDATE "+s.table+" SET config = $2, editor = $3, updated_at = $4 WHERE uid = $1", args...)
		}
		if err := s.checkName(tx, d); err != nil {
			return err
		}
		return tx.Send("UPDATE "+s.table+" SET config = $2, editor = $3, updated_at = $4, name = $5 WHERE uid = $1",
			append(args, s.name(d.Config))...)
	})
	return d, err
}

// Delete hides a definition for good; runs keep naming it.
func (s Definitions[C]) Delete(ctx context.Context, uid string) error {
	now := micros(s.db.now())
	return s.db.Write(ctx, uid, func(tx *Tx) error {
		n, err := tx.Exec("UPDATE "+s.table+" SET deleted_at = $1 WHERE uid = $2 AND deleted_at = 0", now, uid)
		if err == nil && n == 0 {
			return api.NotFound(s.noun, uid)
		}
		return err
	})
}

type texts struct{ config, creator, editor string }

func definitionTexts[C any](d catalog.Definition[C]) (t texts, err error) {
	for to, v := range map[*string]any{&t.config: d.Config, &t.creator: d.Creator, &t.editor: d.Editor} {
		if *to, err = encode(v); err != nil {
			return t, err
		}
	}
	return t, nil
}

func scanDefinition[C any](row scanner) (d catalog.Definition[C], err error) {
	var config, creator, editor string
	var created, updated int64
	err = row.Scan(&d.UID, &d.Owner.Type, &d.Owner.UID, &config, &creator, &editor, &created, &updated)
	if err != nil {
		return d, err
	}
	d.CreatedAt, d.UpdatedAt = fromMicros(created), fromMicros(updated)
	return d, errors.Join(decode(config, &d.Config), decode(creator, &d.Creator), decode(editor, &d.Editor))
}
