package store

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/memory"
)

// Memories keeps what agents remember: memory.Keep.
type Memories struct{ db *DB }

// NewMemories keeps memories in db.
func NewMemories(db *DB) Memories { return Memories{db} }

var _ memory.Keep = Memories{}

const selectMemories = `SELECT m.uid, m.store_uid, m.content, m.number, m.version_uid, m.source, m.source_id,
	m.source_run_id, m.created_at, m.updated_at, m.tombstoned_at FROM memories m WHERE `

func scanMemory(row scanner) (m memory.Memory, err error) {
	var created, updated, gone int64
	err = row.Scan(&m.UID, &m.StoreUID, &m.Content, &m.Number, &m.VersionUID, &m.Source, &m.SourceID, &m.SourceRunID,
		&created, &updated, &gone)
	m.CreatedAt, m.UpdatedAt, m.TombstonedAt = fromMicros(created), fromMicros(updated), fromMicros(gone)
	return m, err
}

var (
	insertMemories = newInsert("memories", "uid", "store_uid", "content", "number", "version_uid", "source", "source_id",
		"source_run_id", "created_at", "updated_at", "tombstoned_at")
	insertVersions = newInsert("memory_versions", "memory_uid", "number", "uid", "label", "content", "reason", "author",
		"run_id", "created_at")
)

func insertVersion(tx *Tx, v memory.Version) error {
	author, err := encode(v.Author)
	if err != nil {
		return err
	}
	return insertVersions.into(tx, []any{v.MemoryUID, v.Number, v.UID, v.Label, v.Content, v.Reason, author, v.RunID, micros(v.CreatedAt)})
}

// Insert stores a new memory with its first version unless its store has limit living ones.
func (s Memories) Insert(ctx context.Context, m memory.Memory, v memory.Version, limit int) error {
	return s.db.Write(ctx, m.StoreUID, func(tx *Tx) error {
		// The store's row is locked, so that the count holds.
		if _, err := one(scanStore)(tx.Query(selectStores+"s.uid = $1"+tx.forUpdate("s"), m.StoreUID)); err != nil {
			return found("read memory store", "memory store", m.StoreUID, err)
		}
		n, err := one(value[int])(tx.Query("SELECT count(*) FROM memories WHERE store_uid = $1 AND tombstoned_at = 0", m.StoreUID))
		if err != nil {
			return err
		}
		if n >= limit {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "a memory store holds at most %d memories: merge or delete some", limit)
		}
		if err := insertMemories.into(tx, []any{m.UID, m.StoreUID, m.Content, m.Number, m.VersionUID, string(m.Source), m.SourceID,
			m.SourceRunID, micros(m.CreatedAt), micros(m.UpdatedAt), micros(m.TombstonedAt)}); err != nil {
			return err
		}
		return insertVersion(tx, v)
	})
}

// Memory returns a memory of a store, also one that was deleted.
func (s Memories) Memory(ctx context.Context, storeUID, uid string) (memory.Memory, error) {
	m, err := one(scanMemory)(s.db.query(ctx, selectMemories+"m.uid = $1 AND m.store_uid = $2", uid, storeUID))
	return m, found("read memory", "memory", uid, err)
}

// Living lists a store's memories that were not deleted, latest change first.
func (s Memories) Living(ctx context.Context, storeUID string) ([]memory.Memory, error) {
	list, err := all(scanMemory)(s.db.query(ctx, selectMemories+`m.store_uid = $1 AND m.tombstoned_at = 0
		ORDER BY m.updated_at DESC, m.uid DESC`, storeUID))
	return list, public("read memories", err)
}

// Tombstones lists a store's deleted memories, latest first.
func (s Memories) Tombstones(ctx context.Context, storeUID string, limit int) ([]memory.Memory, error) {
	list, err := all(scanMemory)(s.db.query(ctx, selectMemories+`m.store_uid = $1 AND m.tombstoned_at > 0
		ORDER BY m.tombstoned_at DESC, m.uid DESC LIMIT $2`, storeUID, limit))
	return list, public("read memories", err)
}

// Change stores what decide makes of a memory, and a version it returns.
func (s Memories) Change(ctx context.Context, storeUID, uid string, keep int, decide func(*memory.Memory) (*memory.Version, error)) (memory.Memory, error) {
	var m memory.Memory
	err := s.db.Write(ctx, storeUID, func(tx *Tx) error {
		var err error
		m, err = one(scanMemory)(tx.Query(selectMemories+"m.uid = $1 AND m.store_uid = $2"+tx.forUpdate("m"), uid, storeUID))
		if err != nil {
			return found("read memory", "memory", uid, err)
		}
		v, err := decide(&m)
		if err != nil {
			return err
		}
		if _, err = tx.Exec(`UPDATE memories SET content = $2, number = $3, version_uid = $4, updated_at = $5, tombstoned_at = $6
			WHERE uid = $1`, uid, m.Content, m.Number, m.VersionUID, micros(m.UpdatedAt), micros(m.TombstonedAt)); err != nil || v == nil {
			return err
		}
		if err := insertVersion(tx, *v); err != nil {
			return err
		}
		_, err = tx.Exec("DELETE FROM memory_versions WHERE memory_uid = $1 AND number <= $2", uid, m.Number-keep)
		return err
	})
	return m, err
}

// Versions lists what a memory has said, latest first.
func (s Memories) Versions(ctx context.Context, memoryUID string) ([]memory.Version, error) {
	list, err := all(scanVersion)(s.db.query(ctx, `SELECT uid, memory_uid, number, label, content, reason, author, run_id, created_at
		FROM memory_versions WHERE memory_uid = $1 ORDER BY number DESC`, memoryUID))
	return list, public("read versions of memory", err)
}

func scanVersion(row scanner) (v memory.Version, err error) {
	var author string
	var created int64
	err = row.Scan(&v.UID, &v.MemoryUID, &v.Number, &v.Label, &v.Content, &v.Reason, &author, &v.RunID, &created)
	if err != nil {
		return v, err
	}
	v.CreatedAt = fromMicros(created)
	return v, decode(author, &v.Author)
}
