package client

import (
	"context"

	"github.com/cadrehq/cadre/api"
)

// MemoryStores lists the memory stores the caller may read, oldest first.
func (c *Client) MemoryStores(ctx context.Context) ([]api.MemoryStore, error) {
	v, err := Read[api.ListMemoryStoresResponse](c.raw.ListMemoryStores(ctx))
	return v.MemoryStores, err
}

// MemoryStore returns one store.
func (c *Client) MemoryStore(ctx context.Context, uid string) (api.MemoryStore, error) {
	return Read[api.MemoryStore](c.raw.GetMemoryStore(ctx, uid))
}

// CreateMemoryStore makes a store of the team or of the caller.
func (c *Client) CreateMemoryStore(ctx context.Context, req api.CreateMemoryStoreRequest) (api.MemoryStore, error) {
	return Read[api.MemoryStore](c.raw.CreateMemoryStore(ctx, req))
}

// DescribeMemoryStore changes what is said of a store.
func (c *Client) DescribeMemoryStore(ctx context.Context, uid, description string) (api.MemoryStore, error) {
	return Read[api.MemoryStore](c.raw.UpdateMemoryStore(ctx, uid, api.UpdateMemoryStoreRequest{Description: description}))
}

// MemoryStoreAgents lists the agents that a store is attached to, by name.
func (c *Client) MemoryStoreAgents(ctx context.Context, uid string) ([]api.MemoryStoreAgent, error) {
	v, err := Read[api.ListMemoryStoreAgentsResponse](c.raw.ListMemoryStoreAgents(ctx, uid))
	return v.Agents, err
}

// Memories lists the memories of a store as asked for: latest change first, or by words.
func (c *Client) Memories(ctx context.Context, storeUID string, params api.ListMemoriesParams) ([]api.Memory, error) {
	v, err := Read[api.ListMemoriesResponse](c.raw.ListMemories(ctx, storeUID, &params))
	return v.Memories, err
}

// CreateMemory remembers something new.
func (c *Client) CreateMemory(ctx context.Context, storeUID string, req api.CreateMemoryRequest) (api.MemoryWritten, error) {
	return Read[api.MemoryWritten](c.raw.CreateMemory(ctx, storeUID, req))
}

// UpdateMemory makes a memory say something else; what it said stays as a version.
func (c *Client) UpdateMemory(ctx context.Context, storeUID, uid string, req api.UpdateMemoryRequest) (api.MemoryWritten, error) {
	return Read[api.MemoryWritten](c.raw.UpdateMemory(ctx, storeUID, uid, req))
}

// DeleteMemory forgets a memory; its versions can still be listed.
func (c *Client) DeleteMemory(ctx context.Context, storeUID, uid string) error {
	return none(c.raw.DeleteMemory(ctx, storeUID, uid))
}

// MemoryVersions lists what a memory has said, latest first.
func (c *Client) MemoryVersions(ctx context.Context, storeUID, uid string) ([]api.MemoryVersion, error) {
	v, err := Read[api.ListMemoryVersionsResponse](c.raw.ListMemoryVersions(ctx, storeUID, uid))
	return v.Versions, err
}
