package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

// defining is a request for a definition as the catalogue takes it.
func defining[C any](config C, team *bool, dryRun bool) catalog.Request[C] {
	return catalog.Request[C]{Config: config, Team: team, DryRun: dryRun}
}

// items shows definitions, none as an empty list.
func items[C, T any](list []catalog.Definition[C], item func(catalog.Definition[C]) T) []T {
	out := make([]T, 0, len(list))
	for _, d := range list {
		out = append(out, item(d))
	}
	return out
}

// GetRules serves GET /rules.
func (a *API) GetRules(ctx context.Context, _ api.GetRulesRequestObject) (api.GetRulesResponseObject, error) {
	list, err := a.cfg.Rules.List(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := api.GetRules200JSONResponse{Rules: make([]api.Rules, 0, len(list))}
	for _, r := range list {
		out.Rules = append(out.Rules, r.Wire())
	}
	return out, nil
}

// PutRules serves PUT /rules.
func (a *API) PutRules(ctx context.Context, req api.PutRulesRequestObject) (api.PutRulesResponseObject, error) {
	r, err := a.cfg.Rules.Put(ctx, actorOf(ctx), *req.Body, req.Params.DryRun)
	if err != nil {
		return nil, err
	}
	return api.PutRules200JSONResponse(r.Wire()), nil
}

// ListBaseImages serves GET /base-images.
func (a *API) ListBaseImages(context.Context, api.ListBaseImagesRequestObject) (api.ListBaseImagesResponseObject, error) {
	return api.ListBaseImages200JSONResponse{Images: orEmpty(a.cfg.BaseImages)}, nil
}

// GetAppliedConfiguration serves GET /applied-configuration.
func (a *API) GetAppliedConfiguration(ctx context.Context, req api.GetAppliedConfigurationRequestObject) (api.GetAppliedConfigurationResponseObject, error) {
	r, err := a.cfg.Applied.Get(ctx, actorOf(ctx), req.Params.Set, req.Params.Team)
	if err != nil {
		return nil, err
	}
	return api.GetAppliedConfiguration200JSONResponse(r.Wire()), nil
}

// PutAppliedConfiguration serves PUT /applied-configuration.
func (a *API) PutAppliedConfiguration(ctx context.Context, req api.PutAppliedConfigurationRequestObject) (api.PutAppliedConfigurationResponseObject, error) {
	r, err := a.cfg.Applied.Put(ctx, actorOf(ctx), *req.Body)
	if err != nil {
		return nil, err
	}
	return api.PutAppliedConfiguration200JSONResponse(r.Wire()), nil
}
