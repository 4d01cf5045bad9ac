// Package memory owns what agents remember between runs: stores of short texts, their versions, and who
// may read and write which. It refuses to decide what is worth remembering: people and agents write.
package memory

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Bounds. A store is listed and searched whole, so that it stays what a person can look through.
const (
	maxDescription = 1000     // characters
	maxContent     = 16 << 10 // bytes of one memory
	maxReason      = 1000     // characters
	maxLabel       = 128      // bytes of a version's label and of a source's id
	maxMemories    = 500      // living ones of a store
	maxStores      = 1000     // of a team
	// keptVersions and keptTombstones bound what is kept of what was.
	keptVersions   = 100
	keptTombstones = 500
)

// Store is a place for memories. Times are UTC with microsecond precision.
type Store struct {
	UID         string
	TeamUID     string
	OwnerType   api.MemoryOwnerType
	OwnerUID    string // person, agent or team
	Description string
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Wire is the store as the API shows it.
func (s Store) Wire() api.MemoryStore {
	return api.MemoryStore{
		Uid: s.UID, OwnerType: s.OwnerType, OwnerUid: s.OwnerUID, Description: s.Description,
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt,
	}
}

// Memory is one text that is remembered, as it is now.
type Memory struct {
	UID         string
	StoreUID    string
	Content     string
	Number      int    // of its latest version, from 1
	VersionUID  string // of the latest version
	Source      Source
	SourceID    string // what its author calls where it is from
	SourceRunID string // the run that made it
	CreatedAt   time.Time
	UpdatedAt   time.Time
	// TombstonedAt is when it was deleted. It is kept, so that its versions can be looked at.
	TombstonedAt time.Time
}

// Source says where a memory is from.
type Source string

// The sources.
const (
	SourceManual Source = "MANUAL" // a person, or a program on its own account
	SourceRun    Source = "RUN"
)

// Wire is the memory as the API shows it.
func (m Memory) Wire() api.Memory {
	return api.Memory{
		Uid: m.UID, Content: m.Content, VersionId: m.VersionUID, Source: string(m.Source), SourceId: m.SourceID,
		SourceRunId: m.SourceRunID, IsTombstoned: !m.TombstonedAt.IsZero(), TombstonedAt: m.TombstonedAt,
		CreatedAt: m.CreatedAt, UpdatedAt: m.UpdatedAt,
	}
}

// Version is what a memory was from a moment on.
type Version struct {
	UID       string
	MemoryUID string
	Number    int
	Label     string // what its author calls it; its number unless they say
	Content   string
	Reason    string
	Author    api.UserProfile
	RunID     string // the run that wrote it
	CreatedAt time.Time
}

// Wire is the version as the API shows it.
func (v Version) Wire() api.MemoryVersion {
	return api.MemoryVersion{
		Uid: v.UID, Version: v.Label, Content: v.Content, Reason: v.Reason, CreatedAt: v.CreatedAt, Author: v.Author, RunId: v.RunID,
	}
}

// Keep keeps stores and memories. Every method that changes something is one transaction; a decide
// function is called with the row locked, perhaps more than once, and its error undoes everything. What
// is not there is resource_not_found.
type Keep interface {
	// InsertStore stores a new store unless its team has limit of them.
	InsertStore(ctx context.Context, s Store, limit int) error
	Store(ctx context.Context, uid string) (Store, error)
	// Stores lists a team's stores, oldest first, without those of other people than the one named.
	Stores(ctx context.Context, teamUID, userUID string) ([]Store, error)
	ChangeStore(ctx context.Context, uid string, decide func(*Store) error) (Store, error)
	// Agents lists the agents that a store is attached to, by name.
	Agents(ctx context.Context, storeUID string) ([]api.MemoryStoreAgent, error)

	// Insert stores a new memory with its first version unless its store has limit living ones.
	Insert(ctx context.Context, m Memory, v Version, limit int) error
	Memory(ctx context.Context, storeUID, uid string) (Memory, error)
	// Living lists a store's memories that were not deleted, latest change first.
	Living(ctx context.Context, storeUID string) ([]Memory, error)
	// Tombstones lists those that were, latest first, at most limit.
	Tombstones(ctx context.Context, storeUID string, limit int) ([]Memory, error)
	// Change stores what decide makes of a memory. A version it returns is kept with it, and of more
	// than keep versions the oldest go.
	Change(ctx context.Context, storeUID, uid string, keep int, decide func(*Memory) (*Version, error)) (Memory, error)
	// Versions lists a memory's, latest first.
	Versions(ctx context.Context, memoryUID string) ([]Version, error)
}
