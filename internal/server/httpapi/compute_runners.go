package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

// ListRunners serves GET /runners.
func (a *API) ListRunners(ctx context.Context, req api.ListRunnersRequestObject) (api.ListRunnersResponseObject, error) {
	list, err := a.cfg.ComputeRunners.List(ctx, actorOf(ctx), req.Params.SortBy == api.ListRunnersParamsSortByName)
	if err != nil {
		return nil, err
	}
	return api.ListRunners200JSONResponse{Runners: items(list, runnerItem)}, nil
}

// GetRunner serves GET /runners/{runnerUid}.
func (a *API) GetRunner(ctx context.Context, req api.GetRunnerRequestObject) (api.GetRunnerResponseObject, error) {
	d, err := a.cfg.ComputeRunners.Get(ctx, actorOf(ctx), req.RunnerUid)
	if err != nil {
		return nil, err
	}
	return api.GetRunner200JSONResponse{ComputeRunnerJSONResponse: api.ComputeRunnerJSONResponse(runnerItem(d))}, nil
}

// CreateRunner serves POST /runners.
func (a *API) CreateRunner(ctx context.Context, req api.CreateRunnerRequestObject) (api.CreateRunnerResponseObject, error) {
	d, err := a.cfg.ComputeRunners.Create(ctx, actorOf(ctx), defining(req.Body.Config, req.Body.Team, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	return api.CreateRunner201JSONResponse{ComputeRunnerJSONResponse: api.ComputeRunnerJSONResponse(runnerItem(d))}, nil
}

// UpdateRunner serves PUT /runners/{runnerUid}.
func (a *API) UpdateRunner(ctx context.Context, req api.UpdateRunnerRequestObject) (api.UpdateRunnerResponseObject, error) {
	d, err := a.cfg.ComputeRunners.Update(ctx, actorOf(ctx), req.RunnerUid, defining(req.Body.Config, nil, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	return api.UpdateRunner200JSONResponse{ComputeRunnerJSONResponse: api.ComputeRunnerJSONResponse(runnerItem(d))}, nil
}

// DeleteRunner serves DELETE /runners/{runnerUid}.
func (a *API) DeleteRunner(ctx context.Context, req api.DeleteRunnerRequestObject) (api.DeleteRunnerResponseObject, error) {
	if err := a.cfg.ComputeRunners.Delete(ctx, actorOf(ctx), req.RunnerUid); err != nil {
		return nil, err
	}
	return api.DeleteRunner204Response{}, nil
}

func runnerItem(d catalog.Runner) api.ComputeRunner {
	return api.ComputeRunner{
		Uid: d.UID, Config: d.Config, CreatedAt: d.CreatedAt, LastUpdated: d.UpdatedAt,
		Scope: api.Scope{Type: d.Owner.Type, Uid: d.Owner.UID}, Creator: d.Creator, LastEditor: d.Editor,
	}
}
