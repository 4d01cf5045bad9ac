package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

// ListMcpServers serves GET /mcp-servers.
func (a *API) ListMcpServers(ctx context.Context, req api.ListMcpServersRequestObject) (api.ListMcpServersResponseObject, error) {
	list, err := a.cfg.Servers.List(ctx, actorOf(ctx), req.Params.SortBy == api.ListMcpServersParamsSortByName)
	if err != nil {
		return nil, err
	}
	return api.ListMcpServers200JSONResponse{McpServers: items(list, serverItem)}, nil
}

// GetMcpServer serves GET /mcp-servers/{serverUid}.
func (a *API) GetMcpServer(ctx context.Context, req api.GetMcpServerRequestObject) (api.GetMcpServerResponseObject, error) {
	d, err := a.cfg.Servers.Get(ctx, actorOf(ctx), req.ServerUid)
	if err != nil {
		return nil, err
	}
	return api.GetMcpServer200JSONResponse{SharedMcpServerJSONResponse: api.SharedMcpServerJSONResponse(serverItem(d))}, nil
}

// CreateMcpServer serves POST /mcp-servers.
func (a *API) CreateMcpServer(ctx context.Context, req api.CreateMcpServerRequestObject) (api.CreateMcpServerResponseObject, error) {
	d, err := a.cfg.Servers.Create(ctx, actorOf(ctx), defining(req.Body.Config, req.Body.Team, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	return api.CreateMcpServer201JSONResponse{SharedMcpServerJSONResponse: api.SharedMcpServerJSONResponse(serverItem(d))}, nil
}

// UpdateMcpServer serves PUT /mcp-servers/{serverUid}.
func (a *API) UpdateMcpServer(ctx context.Context, req api.UpdateMcpServerRequestObject) (api.UpdateMcpServerResponseObject, error) {
	d, err := a.cfg.Servers.Update(ctx, actorOf(ctx), req.ServerUid, defining(req.Body.Config, nil, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	return api.UpdateMcpServer200JSONResponse{SharedMcpServerJSONResponse: api.SharedMcpServerJSONResponse(serverItem(d))}, nil
}

// DeleteMcpServer serves DELETE /mcp-servers/{serverUid}.
func (a *API) DeleteMcpServer(ctx context.Context, req api.DeleteMcpServerRequestObject) (api.DeleteMcpServerResponseObject, error) {
	if err := a.cfg.Servers.Delete(ctx, actorOf(ctx), req.ServerUid); err != nil {
		return nil, err
	}
	return api.DeleteMcpServer204Response{}, nil
}

func serverItem(d catalog.Server) api.SharedMcpServer {
	return api.SharedMcpServer{
		Uid: d.UID, Config: d.Config, CreatedAt: d.CreatedAt, LastUpdated: d.UpdatedAt,
		Scope: api.Scope{Type: d.Owner.Type, Uid: d.Owner.UID}, Creator: d.Creator, LastEditor: d.Editor,
	}
}
