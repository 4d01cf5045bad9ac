package store

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/memory"
)

const selectStores = `SELECT s.uid, s.team_uid, s.owner_type, s.owner_uid, s.description, s.created_at, s.updated_at
	FROM memory_stores s WHERE `

func scanStore(row scanner) (s memory.Store, err error) {
	var created, updated int64
	err = row.Scan(&s.UID, &s.TeamUID, &s.OwnerType, &s.OwnerUID, &s.Description, &created, &updated)
	s.CreatedAt, s.UpdatedAt = fromMicros(created), fromMicros(updated)
	return s, err
}

var insertStores = newInsert("memory_stores", "uid", "team_uid", "owner_type", "owner_uid", "description", "created_at", "updated_at")

func insertStore(tx *Tx, s memory.Store) error {
	return insertStores.into(tx, []any{s.UID, s.TeamUID, string(s.OwnerType), s.OwnerUID, s.Description, micros(s.CreatedAt), micros(s.UpdatedAt)})
}

// InsertStore stores a new store unless its team has limit of them.
func (s Memories) InsertStore(ctx context.Context, st memory.Store, limit int) error {
	// A team's inserts come one after the other: the count holds, between servers but for a few.
	return s.db.Write(ctx, st.TeamUID, func(tx *Tx) error {
		n, err := one(value[int])(tx.Query("SELECT count(*) FROM memory_stores WHERE team_uid = $1", st.TeamUID))
		if err != nil {
			return err
		}
		if n >= limit {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "a team may have at most %d memory stores", limit)
		}
		return insertStore(tx, st)
	})
}

// Store returns one store.
func (s Memories) Store(ctx context.Context, uid string) (memory.Store, error) {
	st, err := one(scanStore)(s.db.query(ctx, selectStores+"s.uid = $1", uid))
	return st, found("read memory store", "memory store", uid, err)
}

// Stores lists a team's stores, oldest first, without those of other people than the one named.
func (s Memories) Stores(ctx context.Context, teamUID, userUID string) ([]memory.Store, error) {
	list, err := all(scanStore)(s.db.query(ctx, selectStores+`s.team_uid = $1 AND (s.owner_type <> 'user' OR s.owner_uid = $2)
		ORDER BY s.created_at, s.uid`, teamUID, userUID))
	return list, public("read memory stores", err)
}

// ChangeStore stores what decide makes of what is said of a store.
func (s Memories) ChangeStore(ctx context.Context, uid string, decide func(*memory.Store) error) (memory.Store, error) {
	var st memory.Store
	err := s.db.Write(ctx, uid, func(tx *Tx) error {
		var err error
		if st, err = one(scanStore)(tx.Query(selectStores+"s.uid = $1"+tx.forUpdate("s"), uid)); err != nil {
			return found("read memory store", "memory store", uid, err)
		}
		if err := decide(&st); err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE memory_stores SET description = $2, updated_at = $3 WHERE uid = $1", uid, st.Description, micros(st.UpdatedAt))
		return err
	})
	return st, err
}

// Agents lists the agents that a store is attached to, by name.
func (s Memories) Agents(ctx context.Context, storeUID string) ([]api.MemoryStoreAgent, error) {
	list, err := all(func(row scanner) (a api.MemoryStoreAgent, err error) {
		return a, row.Scan(&a.Uid, &a.Name, &a.Access, &a.Instructions)
	})(s.db.query(ctx, `SELECT a.uid, a.name, m.access, m.instructions FROM memory_attachments m JOIN agents a ON a.uid = m.agent_uid
		WHERE m.store_uid = $1 AND a.deleted_at = 0 ORDER BY a.name, a.uid`, storeUID))
	return list, public("read agents of memory store", err)
}

// attach makes the stores that an agent uses those its definition names.
func attach(tx *Tx, agentUID string, refs []api.MemoryStoreRef) error {
	if _, err := tx.Exec("DELETE FROM memory_attachments WHERE agent_uid = $1", agentUID); err != nil {
		return err
	}
	for _, r := range refs {
		if _, err := tx.Exec(`INSERT INTO memory_attachments (agent_uid, store_uid, access, instructions) VALUES ($1, $2, $3, $4)`,
			agentUID, r.Uid, string(r.Access), r.Instructions); err != nil {
			return err
		}
	}
	return nil
}
