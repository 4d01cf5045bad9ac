package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
)

// ListPrompts serves GET /prompts.
func (a *API) ListPrompts(ctx context.Context, req api.ListPromptsRequestObject) (api.ListPromptsResponseObject, error) {
	list, err := a.cfg.Prompts.List(ctx, actorOf(ctx), req.Params.SortBy == api.ListPromptsParamsSortByName)
	if err != nil {
		return nil, err
	}
	return api.ListPrompts200JSONResponse{Prompts: items(list, promptItem)}, nil
}

// GetPrompt serves GET /prompts/{promptUid}.
func (a *API) GetPrompt(ctx context.Context, req api.GetPromptRequestObject) (api.GetPromptResponseObject, error) {
	d, err := a.cfg.Prompts.Get(ctx, actorOf(ctx), req.PromptUid)
	if err != nil {
		return nil, err
	}
	return api.GetPrompt200JSONResponse{SavedPromptJSONResponse: api.SavedPromptJSONResponse(promptItem(d))}, nil
}

// CreatePrompt serves POST /prompts.
func (a *API) CreatePrompt(ctx context.Context, req api.CreatePromptRequestObject) (api.CreatePromptResponseObject, error) {
	d, err := a.cfg.Prompts.Create(ctx, actorOf(ctx), defining(req.Body.Config, req.Body.Team, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	return api.CreatePrompt201JSONResponse{SavedPromptJSONResponse: api.SavedPromptJSONResponse(promptItem(d))}, nil
}

// UpdatePrompt serves PUT /prompts/{promptUid}.
func (a *API) UpdatePrompt(ctx context.Context, req api.UpdatePromptRequestObject) (api.UpdatePromptResponseObject, error) {
	d, err := a.cfg.Prompts.Update(ctx, actorOf(ctx), req.PromptUid, defining(req.Body.Config, nil, req.Params.DryRun))
	if err != nil {
		return nil, err
	}
	return api.UpdatePrompt200JSONResponse{SavedPromptJSONResponse: api.SavedPromptJSONResponse(promptItem(d))}, nil
}

// DeletePrompt serves DELETE /prompts/{promptUid}.
func (a *API) DeletePrompt(ctx context.Context, req api.DeletePromptRequestObject) (api.DeletePromptResponseObject, error) {
	if err := a.cfg.Prompts.Delete(ctx, actorOf(ctx), req.PromptUid); err != nil {
		return nil, err
	}
	return api.DeletePrompt204Response{}, nil
}

func promptItem(d catalog.Prompt) api.SavedPrompt {
	return api.SavedPrompt{
		Uid: d.UID, Config: d.Config, CreatedAt: d.CreatedAt, LastUpdated: d.UpdatedAt,
		Scope: api.Scope{Type: d.Owner.Type, Uid: d.Owner.UID}, Creator: d.Creator, LastEditor: d.Editor,
	}
}
