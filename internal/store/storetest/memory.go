package storetest

import (
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/memory"
)

func shelf(teamUID string, kind api.MemoryOwnerType, owner string, at time.Time) memory.Store {
	return memory.Store{UID: newID(), TeamUID: teamUID, OwnerType: kind, OwnerUID: owner, Description: "d", CreatedAt: at, UpdatedAt: at.Add(time.Second)}
}

// remembered is a memory with every member set, and its first version.
func remembered(store string, at time.Time) (memory.Memory, memory.Version) {
	m := memory.Memory{UID: newID(), StoreUID: store, Content: "c1", Number: 1, VersionUID: newID(), Source: memory.SourceRun, SourceID: "s",
		SourceRunID: "r", CreatedAt: at, UpdatedAt: at}
	return m, memory.Version{UID: m.VersionUID, MemoryUID: m.UID, Number: 1, Label: "one", Content: "c1", Reason: "why",
		Author: api.UserProfile{Uid: "u"}, RunID: "r", CreatedAt: at}
}

func testMemoryStores(b *bundle) {
	team, own, others := shelf(red.UID, api.MemoryOwnerTypeTeam, red.UID, noon), shelf(red.UID, api.MemoryOwnerTypeUser, ann.UID, noon.Add(time.Second)), shelf(red.UID, api.MemoryOwnerTypeUser, "bob", noon)
	foreign := shelf(blue.UID, api.MemoryOwnerTypeTeam, blue.UID, noon)
	for _, s := range []memory.Store{own, team, others, foreign} {
		b.ok(b.memories.InsertStore(b.ctx, s, 3))
	}
	b.code(b.memories.InsertStore(b.ctx, shelf(red.UID, api.MemoryOwnerTypeTeam, red.UID, noon), 3), api.PlatformErrorCodeOperationNotSupported)
	list, err := b.memories.Stores(b.ctx, red.UID, ann.UID)
	b.ok(err)
	same(b, "stores", list, []memory.Store{team, own})
	changed, err := b.memories.ChangeStore(b.ctx, own.UID, func(s *memory.Store) error { s.Description, s.UpdatedAt = "new", noon; return nil })
	b.ok(err)
	own.Description, own.UpdatedAt = "new", noon
	same(b, "changed", changed, own)
	got, err := b.memories.Store(b.ctx, own.UID)
	b.ok(err)
	same(b, "store", got, own)
	_, err = b.memories.Store(b.ctx, "x")
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.memories.ChangeStore(b.ctx, "x", func(*memory.Store) error { return nil })
	b.code(err, api.PlatformErrorCodeResourceNotFound)
}

// testAgentMemory: an agent comes with its own store, and lets go of all when it is deleted.
func testAgentMemory(b *bundle) {
	shared := shelf(red.UID, api.MemoryOwnerTypeTeam, red.UID, noon)
	b.ok(b.memories.InsertStore(b.ctx, shared, 9))
	a := somebody(red.UID, "one", noon)
	a.OwnStore = agent.OwnStore{UID: "own", Description: "mine"}
	a.Stores = []api.MemoryStoreRef{{Uid: shared.UID, Access: api.MemoryStoreRefAccessReadOnly, Instructions: "look"}}
	b.ok(b.agents.Insert(b.ctx, a, 9))
	own, err := b.memories.Store(b.ctx, "own")
	b.ok(err)
	same(b, "own", own, memory.Store{UID: "own", TeamUID: red.UID, OwnerType: api.MemoryOwnerTypeServiceAccount, OwnerUID: a.UID, Description: "mine", CreatedAt: noon, UpdatedAt: noon})
	users := func(store string) []api.MemoryStoreAgent {
		list, err := b.memories.Agents(b.ctx, store)
		b.ok(err)
		return list
	}
	same(b, "users", users(shared.UID), []api.MemoryStoreAgent{{Uid: a.UID, Name: "one", Access: "read_only", Instructions: "look"}})
	same(b, "users of its own", len(users("own")), 1)
	_, err = b.agents.Change(b.ctx, a.UID, func(a *agent.Agent) error { a.Stores[0].Access = "read_write"; return nil })
	b.ok(err)
	same(b, "access", users(shared.UID)[0].Access, "read_write")
	refused := errors.New("refused")
	_, err = b.agents.Change(b.ctx, a.UID, func(a *agent.Agent) error { a.Stores = nil; return refused })
	if !errors.Is(err, refused) || len(users(shared.UID)) != 1 {
		b.Errorf("refused change: %v, %v", err, users(shared.UID))
	}
	b.ok(b.agents.Delete(b.ctx, a.UID, func(agent.Agent) error { return nil }, noon))
	same(b, "users in the end", len(users(shared.UID))+len(users("own")), 0)
}

func testMemories(b *bundle) {
	st := shelf(red.UID, api.MemoryOwnerTypeTeam, red.UID, noon)
	b.ok(b.memories.InsertStore(b.ctx, st, 9))
	first, v1 := remembered(st.UID, noon)
	second, w1 := remembered(st.UID, noon.Add(time.Second))
	b.ok(b.memories.Insert(b.ctx, first, v1, 2))
	b.ok(b.memories.Insert(b.ctx, second, w1, 2))
	third, x1 := remembered(st.UID, noon)
	b.code(b.memories.Insert(b.ctx, third, x1, 2), api.PlatformErrorCodeOperationNotSupported)
	third.StoreUID = "x"
	b.code(b.memories.Insert(b.ctx, third, x1, 2), api.PlatformErrorCodeResourceNotFound)
	living, err := b.memories.Living(b.ctx, st.UID)
	b.ok(err)
	same(b, "living", living, []memory.Memory{second, first})

	// Of many versions the latest are kept.
	for n := 2; n <= 5; n++ {
		_, err := b.memories.Change(b.ctx, st.UID, first.UID, 3, func(m *memory.Memory) (*memory.Version, error) {
			m.Content, m.Number, m.VersionUID, m.UpdatedAt = "c"+strconv.Itoa(n), n, newID(), noon.Add(time.Duration(n)*time.Second)
			return &memory.Version{UID: m.VersionUID, MemoryUID: m.UID, Number: n, Label: "l", Content: m.Content, CreatedAt: m.UpdatedAt}, nil
		})
		b.ok(err)
	}
	versions, err := b.memories.Versions(b.ctx, first.UID)
	b.ok(err)
	if len(versions) != 3 || versions[0].Content != "c5" || versions[2].Content != "c3" {
		b.Errorf("versions %+v", versions)
	}
	versions, err = b.memories.Versions(b.ctx, second.UID)
	b.ok(err)
	same(b, "versions", versions, []memory.Version{w1})
	refused := errors.New("refused")
	if _, err := b.memories.Change(b.ctx, st.UID, second.UID, 3, func(*memory.Memory) (*memory.Version, error) { return nil, refused }); !errors.Is(err, refused) {
		b.Errorf("refused change: %v", err)
	}
	_, err = b.memories.Change(b.ctx, "other", second.UID, 3, func(*memory.Memory) (*memory.Version, error) { return nil, nil })
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.memories.Memory(b.ctx, "other", second.UID)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	gone, err := b.memories.Change(b.ctx, st.UID, second.UID, 3, func(m *memory.Memory) (*memory.Version, error) { m.TombstonedAt = noon; return nil, nil })
	b.ok(err)
	tombstones, err := b.memories.Tombstones(b.ctx, st.UID, 9)
	b.ok(err)
	same(b, "tombstones", tombstones, []memory.Memory{gone})
	living, err = b.memories.Living(b.ctx, st.UID)
	b.ok(err)
	same(b, "still living", len(living), 1)
}

// testMemoryLimit holds when many remember at once.
func testMemoryLimit(b *bundle) {
	st := shelf(red.UID, api.MemoryOwnerTypeTeam, red.UID, noon)
	b.ok(b.memories.InsertStore(b.ctx, st, 9))
	var kept atomic.Int32
	each(clients, func(int) {
		m, v := remembered(st.UID, noon)
		switch err := b.memories.Insert(b.ctx, m, v, 3); {
		case err == nil:
			kept.Add(1)
		case api.CodeOf(err) != api.PlatformErrorCodeOperationNotSupported:
			b.Error(err)
		}
	})
	same(b, "kept", kept.Load(), 3)
}
