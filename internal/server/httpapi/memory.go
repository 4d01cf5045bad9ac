package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/memory"
)

// Memory keeps what agents remember: memory.Service. It checks what the actor may reach.
type Memory interface {
	CreateStore(ctx context.Context, actor identity.Actor, req api.CreateMemoryStoreRequest) (memory.Store, error)
	Stores(ctx context.Context, actor identity.Actor) ([]memory.Store, error)
	Store(ctx context.Context, actor identity.Actor, uid string) (memory.Store, error)
	Describe(ctx context.Context, actor identity.Actor, uid, description string) (memory.Store, error)
	Agents(ctx context.Context, actor identity.Actor, uid string) ([]api.MemoryStoreAgent, error)
	List(ctx context.Context, actor identity.Actor, storeUID, words string, tombstones bool) ([]memory.Memory, error)
	Add(ctx context.Context, actor identity.Actor, storeUID string, req api.CreateMemoryRequest) (memory.Memory, error)
	Rewrite(ctx context.Context, actor identity.Actor, storeUID, uid string, req api.UpdateMemoryRequest) (memory.Memory, error)
	Forget(ctx context.Context, actor identity.Actor, storeUID, uid string) error
	Versions(ctx context.Context, actor identity.Actor, storeUID, uid string) ([]memory.Version, error)
}

// ListMemoryStores serves GET /memory_stores.
func (a *API) ListMemoryStores(ctx context.Context, _ api.ListMemoryStoresRequestObject) (api.ListMemoryStoresResponseObject, error) {
	list, err := a.cfg.Memory.Stores(ctx, actorOf(ctx))
	return api.ListMemoryStores200JSONResponse{MemoryStores: wires(list, memory.Store.Wire)}, err
}

// wires shows things as the API does; an empty list is not absent.
func wires[T, W any](list []T, wire func(T) W) []W {
	out := make([]W, 0, len(list))
	for _, one := range list {
		out = append(out, wire(one))
	}
	return out
}

// CreateMemoryStore serves POST /memory_stores.
func (a *API) CreateMemoryStore(ctx context.Context, req api.CreateMemoryStoreRequestObject) (api.CreateMemoryStoreResponseObject, error) {
	s, err := a.cfg.Memory.CreateStore(ctx, actorOf(ctx), *req.Body)
	return api.CreateMemoryStore201JSONResponse{MemoryStoreJSONResponse: api.MemoryStoreJSONResponse(s.Wire())}, err
}

// GetMemoryStore serves GET /memory_stores/{storeUid}.
func (a *API) GetMemoryStore(ctx context.Context, req api.GetMemoryStoreRequestObject) (api.GetMemoryStoreResponseObject, error) {
	s, err := a.cfg.Memory.Store(ctx, actorOf(ctx), req.StoreUid)
	return api.GetMemoryStore200JSONResponse{MemoryStoreJSONResponse: api.MemoryStoreJSONResponse(s.Wire())}, err
}

// UpdateMemoryStore serves PUT /memory_stores/{storeUid}.
func (a *API) UpdateMemoryStore(ctx context.Context, req api.UpdateMemoryStoreRequestObject) (api.UpdateMemoryStoreResponseObject, error) {
	s, err := a.cfg.Memory.Describe(ctx, actorOf(ctx), req.StoreUid, req.Body.Description)
	return api.UpdateMemoryStore200JSONResponse{MemoryStoreJSONResponse: api.MemoryStoreJSONResponse(s.Wire())}, err
}

// ListMemoryStoreAgents serves GET /memory_stores/{storeUid}/agents.
func (a *API) ListMemoryStoreAgents(ctx context.Context, req api.ListMemoryStoreAgentsRequestObject) (api.ListMemoryStoreAgentsResponseObject, error) {
	list, err := a.cfg.Memory.Agents(ctx, actorOf(ctx), req.StoreUid)
	return api.ListMemoryStoreAgents200JSONResponse{Agents: append([]api.MemoryStoreAgent{}, list...)}, err
}

// ListMemories serves GET /memory_stores/{storeUid}/memories.
func (a *API) ListMemories(ctx context.Context, req api.ListMemoriesRequestObject) (api.ListMemoriesResponseObject, error) {
	list, err := a.cfg.Memory.List(ctx, actorOf(ctx), req.StoreUid, req.Params.Q, req.Params.IncludeTombstones)
	return api.ListMemories200JSONResponse{Memories: wires(list, memory.Memory.Wire)}, err
}

// CreateMemory serves POST /memory_stores/{storeUid}/memories.
func (a *API) CreateMemory(ctx context.Context, req api.CreateMemoryRequestObject) (api.CreateMemoryResponseObject, error) {
	m, err := a.cfg.Memory.Add(ctx, actorOf(ctx), req.StoreUid, *req.Body)
	return api.CreateMemory200JSONResponse{MemoryWrittenJSONResponse: written(m)}, err
}

// UpdateMemory serves PUT /memory_stores/{storeUid}/memories/{memoryUid}.
func (a *API) UpdateMemory(ctx context.Context, req api.UpdateMemoryRequestObject) (api.UpdateMemoryResponseObject, error) {
	m, err := a.cfg.Memory.Rewrite(ctx, actorOf(ctx), req.StoreUid, req.MemoryUid, *req.Body)
	return api.UpdateMemory200JSONResponse{MemoryWrittenJSONResponse: written(m)}, err
}

func written(m memory.Memory) api.MemoryWrittenJSONResponse {
	return api.MemoryWrittenJSONResponse{MemoryId: m.UID, VersionId: m.VersionUID}
}

// DeleteMemory serves DELETE /memory_stores/{storeUid}/memories/{memoryUid}.
func (a *API) DeleteMemory(ctx context.Context, req api.DeleteMemoryRequestObject) (api.DeleteMemoryResponseObject, error) {
	return api.DeleteMemory204Response{}, a.cfg.Memory.Forget(ctx, actorOf(ctx), req.StoreUid, req.MemoryUid)
}

// ListMemoryVersions serves GET /memory_stores/{storeUid}/memories/{memoryUid}/versions.
func (a *API) ListMemoryVersions(ctx context.Context, req api.ListMemoryVersionsRequestObject) (api.ListMemoryVersionsResponseObject, error) {
	list, err := a.cfg.Memory.Versions(ctx, actorOf(ctx), req.StoreUid, req.MemoryUid)
	return api.ListMemoryVersions200JSONResponse{Versions: wires(list, memory.Version.Wire)}, err
}
