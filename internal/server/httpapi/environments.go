package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

// ListEnvironments serves GET /agent/environments.
func (a *API) ListEnvironments(ctx context.Context, req api.ListEnvironmentsRequestObject) (api.ListEnvironmentsResponseObject, error) {
	list, err := a.cfg.Environments.List(ctx, actorOf(ctx), req.Params.SortBy == api.ListEnvironmentsParamsSortByName)
	if err != nil {
		return nil, err
	}
	last, err := a.cfg.Environments.LastRuns(ctx, list...)
	if err != nil {
		return nil, err
	}
	out := make([]api.CloudEnvironment, 0, len(list))
	for _, e := range list {
		out = append(out, environmentItem(e, last))
	}
	return api.ListEnvironments200JSONResponse{Environments: out}, nil
}

// GetEnvironment serves GET /agent/environments/{environmentId}.
func (a *API) GetEnvironment(ctx context.Context, req api.GetEnvironmentRequestObject) (api.GetEnvironmentResponseObject, error) {
	e, err := a.cfg.Environments.Get(ctx, actorOf(ctx), req.EnvironmentId)
	if err != nil {
		return nil, err
	}
	item, err := a.environment(ctx, e)
	return api.GetEnvironment200JSONResponse{EnvironmentJSONResponse: item}, err
}

// CreateEnvironment serves POST /agent/environments.
func (a *API) CreateEnvironment(ctx context.Context, req api.CreateEnvironmentRequestObject) (api.CreateEnvironmentResponseObject, error) {
	e, err := a.cfg.Environments.Create(ctx, actorOf(ctx), defining(req.Body.Config, req.Body.Team, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	item := api.EnvironmentJSONResponse(environmentItem(e, nil))
	return api.CreateEnvironment201JSONResponse{EnvironmentJSONResponse: item}, nil
}

// UpdateEnvironment serves PUT /agent/environments/{environmentId}.
func (a *API) UpdateEnvironment(ctx context.Context, req api.UpdateEnvironmentRequestObject) (api.UpdateEnvironmentResponseObject, error) {
	e, err := a.cfg.Environments.Update(ctx, actorOf(ctx), req.EnvironmentId, defining(req.Body.Config, nil, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	item, err := a.environment(ctx, e)
	return api.UpdateEnvironment200JSONResponse{EnvironmentJSONResponse: item}, err
}

// DeleteEnvironment serves DELETE /agent/environments/{environmentId}.
func (a *API) DeleteEnvironment(ctx context.Context, req api.DeleteEnvironmentRequestObject) (api.DeleteEnvironmentResponseObject, error) {
	if err := a.cfg.Environments.Delete(ctx, actorOf(ctx), req.EnvironmentId); err != nil {
		return nil, err
	}
	return api.DeleteEnvironment204Response{}, nil
}

func (a *API) environment(ctx context.Context, e catalog.Environment) (api.EnvironmentJSONResponse, error) {
	last, err := a.cfg.Environments.LastRuns(ctx, e)
	if err != nil {
		return api.EnvironmentJSONResponse{}, err
	}
	return api.EnvironmentJSONResponse(environmentItem(e, last)), nil
}

func environmentItem(e catalog.Environment, last map[string]api.EnvironmentLastTask) api.CloudEnvironment {
	item := api.CloudEnvironment{
		Uid: e.UID, Config: e.Config, LastUpdated: e.UpdatedAt,
		Scope:   api.Scope{Type: e.Owner.Type, Uid: e.Owner.UID},
		Creator: e.Creator, LastEditor: e.Editor,
	}
	if task, ok := last[e.UID]; ok {
		item.LastTaskCreated = task
		item.LastTaskRunTimestamp = task.CreatedAt
		item.SetupFailed = catalog.SetupFailed(task)
	}
	return item
}
