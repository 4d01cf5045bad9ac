package server_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// stores is where memory stores are kept.
const stores = "/memory_stores"

func (w *world) store(owner string) api.MemoryStore {
	w.t.Helper()
	return decode[api.MemoryStore](w.post(stores, map[string]any{"owner_type": owner, "description": "d"}).want(201))
}

func (w *world) memories(store, query string) []api.Memory {
	w.t.Helper()
	return decode[api.ListMemoriesResponse](w.get(stores + "/" + store + "/memories" + query).want(200)).Memories
}

// remember writes what the reference's client would: nulls where it has nothing.
func (w *world) remember(store, content string) answer {
	w.t.Helper()
	return w.post(stores+"/"+store+"/memories", map[string]any{"content": content, "version": nil, "source": "MANUAL", "source_id": nil, "reason": "why"})
}

// TestMemoryStory is a memory's life over the wire.
func TestMemoryStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.store("team")
	path := stores + "/" + s.Uid
	m := decode[api.MemoryWritten](w.remember(s.Uid, "Releases are cut on Thursdays.").want(200))
	other := decode[api.MemoryWritten](w.remember(s.Uid, "The release branch is called stable; thursdays it is frozen.").want(200))
	if found := w.memories(s.Uid, "?q="+url.QueryEscape("Stable Thursday")); len(found) != 2 || found[0].Uid != other.MemoryId {
		t.Errorf("found %+v", found)
	}
	if found := w.memories(s.Uid, "?q=nothing"); len(found) != 0 {
		t.Errorf("found %+v", found)
	}
	again := decode[api.MemoryWritten](w.put(path+"/memories/"+m.MemoryId, map[string]any{"content": "On Fridays.", "version": nil, "reason": "changed"}).want(200))
	list := w.memories(s.Uid, "")
	if again.MemoryId != m.MemoryId || again.VersionId == m.VersionId || list[0].Uid != m.MemoryId || list[0].Content != "On Fridays." ||
		list[0].Source != "MANUAL" || list[0].VersionId != again.VersionId || list[0].IsTombstoned {
		t.Errorf("after a correction %+v", list)
	}
	versions := decode[api.ListMemoryVersionsResponse](w.get(path + "/memories/" + m.MemoryId + "/versions").want(200)).Versions
	if len(versions) != 2 || versions[0].Version != "2" || versions[0].Reason != "changed" || versions[1].Content != "Releases are cut on Thursdays." || versions[1].Author.Uid != w.me().UID {
		t.Errorf("versions %+v", versions)
	}
	w.remove(path + "/memories/" + m.MemoryId).want(204)
	w.remove(path+"/memories/"+m.MemoryId).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "memory")
	w.put(path+"/memories/"+m.MemoryId, map[string]any{"content": "x"}).want(404)
	if list := w.memories(s.Uid, ""); len(list) != 1 {
		t.Errorf("living %+v", list)
	}
	if list := w.memories(s.Uid, "?include_tombstones=true"); len(list) != 2 || !list[1].IsTombstoned || list[1].TombstonedAt.IsZero() {
		t.Errorf("with tombstones %+v", list)
	}
	w.get(path + "/memories/" + m.MemoryId + "/versions").want(200)
	if got := decode[api.MemoryStore](w.put(path, map[string]any{"description": nil}).want(200)); got.Description != "" {
		t.Errorf("described %+v", got)
	}
	for field, body := range map[string]map[string]any{
		"content":                      {"content": " "},
		"content: must be at most":     {"content": strings.Repeat("x", 17<<10)},
		"reason":                       {"content": "c", "reason": strings.Repeat("x", 1001)},
		"version":                      {"content": "c", "version": "a\x1bb"},
		"source: \"GUESS\" is not one": {"content": "c", "source": "GUESS"},
	} {
		w.post(path+"/memories", body).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, field)
	}
	w.post(stores, map[string]any{"owner_type": "service_account"}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "owner_type")
	w.get(stores+"/nope/memories").wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "memory store")
}

// TestWhoReachesMemories: one's own is one's own, the team's is the team's, a viewer reads.
func TestWhoReachesMemories(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, graceKey := w.person("grace", identity.RoleMember)
	grace := w.as(graceKey)
	own, shared := grace.store("user"), w.store("team")
	w.get(stores + "/" + own.Uid).want(404)
	w.remember(own.Uid, "c").want(404)
	grace.remember(own.Uid, "c").want(200)
	grace.remember(shared.Uid, "c").want(200)
	viewer := w.as(w.keyWith(identity.RoleViewer))
	if list := viewer.memories(shared.Uid, ""); len(list) != 1 {
		t.Errorf("a viewer sees %+v", list)
	}
	viewer.remember(shared.Uid, "c").want(403)
	a := w.agent(map[string]any{"name": "a"})
	key := w.as(w.agentKey(a.Uid))
	key.remember(shared.Uid, "c").wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "read")
	key.remember(a.Memory.AutoMemory.Store.Uid, "c").want(200)
	key.get(stores + "/" + own.Uid).want(404)
	over := w.as(w.keyOf(identity.User{UID: w.me().UID}, decode[api.Team](w.post("/teams", api.RenameRequest{Name: "other"}).want(201)).Uid))
	over.get(stores + "/" + shared.Uid).want(404)
	if list := decode[api.ListMemoryStoresResponse](over.get(stores).want(200)).MemoryStores; len(list) != 0 {
		t.Errorf("another team sees %+v", list)
	}
	// A person's own store is not given to what is everybody's.
	ref := []api.MemoryStoreRef{{Uid: own.Uid, Access: api.MemoryStoreRefAccessReadOnly, Instructions: "i"}}
	grace.post(agents, map[string]any{"name": "b", "memory": map[string]any{"attached_stores": ref}}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "memory.attached_stores[0].uid")
	grace.post("/agent/run", api.RunAgentRequest{Prompt: "p", Config: api.AmbientAgentConfig{MemoryStores: ref}}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "config.memory_stores[0].uid")
	no := false
	grace.post("/agent/run", api.RunAgentRequest{Prompt: "p", Team: &no, Config: api.AmbientAgentConfig{MemoryStores: ref}}).want(200)
	w.post("/agent/run", api.RunAgentRequest{Prompt: "p", Config: api.AmbientAgentConfig{MemoryStores: ref}}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "memory store")
}

// TestAgentMemory: an agent has a store of its own unless it is to have none, and others attached; its
// runs reach these and no others.
func TestAgentMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	shared, hidden := w.store("team"), w.store("team")
	ref := map[string]any{"uid": shared.Uid, "access": "read_only", "instructions": "Look."}
	a := w.agent(map[string]any{"name": "a", "memory": map[string]any{"attached_stores": []any{ref}}})
	own := a.Memory.AutoMemory.Store
	if !a.Memory.AutoMemory.Enabled || own.OwnerUid != a.Uid || own.OwnerType != api.MemoryOwnerTypeServiceAccount || own.Access != "read_write" || len(a.Memory.AttachedStores) != 1 {
		t.Errorf("memory %+v", a.Memory)
	}
	if none := w.agent(map[string]any{"name": "none", "memory": map[string]any{"auto_memory": map[string]any{"enabled": false}}}); none.Memory.AutoMemory.Enabled || none.Memory.AutoMemory.Store.Uid != "" {
		t.Errorf("memory %+v", none.Memory)
	}
	users := decode[api.ListMemoryStoreAgentsResponse](w.get(stores + "/" + shared.Uid + "/agents").want(200)).Agents
	if len(users) != 1 || users[0].Name != "a" || users[0].Access != "read_only" || users[0].Instructions != "Look." {
		t.Errorf("users %+v", users)
	}
	local := decode[api.LocalRunResponse](w.as(w.agentKey(a.Uid)).post("/agent/local-runs", api.LocalRunRequest{Prompt: "p"}).want(200))
	if r := w.run(local.RunId); len(r.AgentConfig.MemoryStores) != 2 {
		t.Errorf("stores of the run %+v", r.AgentConfig.MemoryStores)
	}
	inside := w.as(local.RunToken)
	if list := decode[api.ListMemoryStoresResponse](inside.get(stores).want(200)).MemoryStores; len(list) != 2 {
		t.Errorf("a run sees %+v", list)
	}
	inside.remember(own.Uid, "Tests need Redis.").want(200)
	inside.remember(shared.Uid, "c").wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "read")
	inside.get(stores + "/" + shared.Uid + "/memories").want(200)
	inside.get(stores + "/" + hidden.Uid + "/memories").want(404)
	inside.post(stores, map[string]any{}).want(403)
	inside.put(stores+"/"+own.Uid, map[string]any{"description": "x"}).want(403)
	m := w.memories(own.Uid, "")
	if len(m) != 1 || m[0].Source != "RUN" || m[0].SourceRunId != local.RunId {
		t.Errorf("what it wrote %+v", m)
	}
	versions := decode[api.ListMemoryVersionsResponse](w.get(stores + "/" + own.Uid + "/memories/" + m[0].Uid + "/versions").want(200)).Versions
	if versions[0].Author.Uid != a.Uid || versions[0].Author.Type != api.UserProfileTypeServiceAccount || versions[0].RunId != local.RunId {
		t.Errorf("who wrote it %+v", versions)
	}

	path := agents + "/" + a.Uid
	for field, refs := range map[string][]any{
		"memory.attached_stores[1].uid":  {ref, ref},
		"memory.attached_stores[0]":      {map[string]any{"uid": shared.Uid, "access": "read_only", "instructions": " "}},
		"memory.attached_stores[0].acce": {map[string]any{"uid": shared.Uid, "access": "all", "instructions": "i"}},
	} {
		w.put(path, map[string]any{"memory": map[string]any{"attached_stores": refs}}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, field)
	}
	w.put(path, map[string]any{"memory": map[string]any{"attached_stores": []any{map[string]any{"uid": "nope", "access": "read_only", "instructions": "i"}}}}).want(404)
	if got := decode[api.AgentResponse](w.put(path, map[string]any{"memory": map[string]any{"attached_stores": nil}}).want(200)); len(got.Memory.AttachedStores) != 1 {
		t.Errorf("null made of it %+v", got.Memory)
	}
	got := decode[api.AgentResponse](w.put(path, map[string]any{"memory": map[string]any{"attached_stores": []any{}}}).want(200))
	if len(got.Memory.AttachedStores) != 0 || !got.Memory.AutoMemory.Enabled {
		t.Errorf("empty made of it %+v", got.Memory)
	}
}
