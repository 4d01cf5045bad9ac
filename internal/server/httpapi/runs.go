package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// defaultPage is how many runs a page has unless the caller says otherwise.
const defaultPage = 20

// sourceHeader lets a client say what it is; anything but these counts as API.
const sourceHeader = "X-Oz-Api-Source"

// declared are the sources a caller may claim. The others are given by what starts runs by itself, or
// say that a run is carried out elsewhere.
var declared = map[api.RunSourceType]bool{
	api.RunSourceTypeAPI: true, api.RunSourceTypeCLI: true, api.RunSourceTypeWEBAPP: true,
	api.RunSourceTypeCLOUDMODE: true, api.RunSourceTypeGITHUBACTION: true,
}

// sourceOf says what started a run: its parent's run token, or what the client declares.
func sourceOf(ctx context.Context) api.RunSourceType {
	s := stateOf(ctx)
	if s.actor.Kind == identity.KindRun {
		return api.RunSourceTypeORCHESTRATION
	}
	if source := api.RunSourceType(s.source); declared[source] {
		return source
	}
	return api.RunSourceTypeAPI
}

// CreateRun serves POST /agent/runs.
func (a *API) CreateRun(ctx context.Context, req api.CreateRunRequestObject) (api.CreateRunResponseObject, error) {
	accepted, err := a.create(ctx, *req.Body, req.Params.IdempotencyKey)
	return api.CreateRun200JSONResponse{RunAcceptedJSONResponse: accepted}, err
}

// CreateRunAlias serves POST /agent/run.
func (a *API) CreateRunAlias(ctx context.Context, req api.CreateRunAliasRequestObject) (api.CreateRunAliasResponseObject, error) {
	accepted, err := a.create(ctx, *req.Body, req.Params.IdempotencyKey)
	return api.CreateRunAlias200JSONResponse{RunAcceptedJSONResponse: accepted}, err
}

func (a *API) create(ctx context.Context, req api.RunAgentRequest, key string) (api.RunAcceptedJSONResponse, error) {
	r, atCapacity, err := a.cfg.Runs.CreateOnce(ctx, actorOf(ctx), req, sourceOf(ctx), key)
	if err != nil {
		return api.RunAcceptedJSONResponse{}, err
	}
	return accepted(r, atCapacity), nil
}

// accepted answers a request that started a run.
func accepted(r run.Run, atCapacity bool) api.RunAcceptedJSONResponse {
	return api.RunAcceptedJSONResponse{RunId: r.ID, TaskId: r.ID, State: r.State, AtCapacity: atCapacity}
}

// CreateLocalRun serves POST /agent/local-runs.
func (a *API) CreateLocalRun(ctx context.Context, req api.CreateLocalRunRequestObject) (api.CreateLocalRunResponseObject, error) {
	body := *req.Body
	if claimed := api.RunSourceType(stateOf(ctx).source); body.Source == "" && run.LocalSource(claimed) {
		body.Source = api.LocalRunRequestSource(claimed)
	}
	r, x, err := a.cfg.Runs.CreateLocal(ctx, actorOf(ctx), body, req.Params.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	token, err := a.cfg.Identity.MintRun(identity.Grant{
		RunID: r.ID, ExecutionID: x.ID, Execution: x.Number, Principal: r.Executor, TeamUID: r.TeamUID,
	})
	if err != nil {
		return nil, err
	}
	return api.CreateLocalRun200JSONResponse{RunId: r.ID, ExecutionId: x.ID, RunToken: token}, nil
}

// ListRuns serves GET /agent/runs.
func (a *API) ListRuns(ctx context.Context, req api.ListRunsRequestObject) (api.ListRunsResponseObject, error) {
	q, err := queryOf(req.Params)
	if err != nil {
		return nil, err
	}
	page, err := a.cfg.Runs.List(ctx, actorOf(ctx), q)
	if err != nil {
		return nil, err
	}
	items, err := a.cfg.Runs.Items(ctx, page.Runs...)
	if err != nil {
		return nil, err
	}
	return api.ListRuns200JSONResponse{
		Runs: items, PageInfo: api.PageInfo{HasNextPage: page.Next != "", NextCursor: page.Next},
	}, nil
}

func queryOf(p api.ListRunsParams) (run.Query, error) {
	q := run.Query{
		States: p.State, Source: p.Source, Location: p.ExecutionLocation, Name: p.Name, ModelID: p.ModelId,
		Creator: p.Creator, Executor: p.Executor, EnvironmentID: p.EnvironmentId, Skill: p.SkillSpec,
		ScheduleID: p.ScheduleId, AncestorID: p.AncestorRunId, ParentID: p.ParentRunId, ArtifactType: p.ArtifactType,
		CreatedAfter: p.CreatedAfter, CreatedBefore: p.CreatedBefore, UpdatedAfter: p.UpdatedAfter,
		Text: p.Q, Archived: archivedOf(p.Archived), Metadata: p.Metadata, Sort: p.SortBy, Ascending: p.SortOrder == api.SortOrderAsc,
		Limit: defaultPage, Cursor: p.Cursor,
	}
	if p.Limit != nil {
		q.Limit = *p.Limit
	}
	if q.Sort == "" {
		q.Sort = api.RunSortUpdatedAt
	}
	if p.Skill != "" {
		if q.Skill != "" && q.Skill != p.Skill {
			return q, api.Invalid("skill", "differs from skill_spec, which means the same")
		}
		q.Skill = p.Skill
	}
	// These two are names for metadata: "automation_id" by contract, "factory_uid" because a run
	// knows its factory by it. A uid that matches nothing lists nothing.
	for key, value := range map[string]string{"automation_id": p.AutomationId, "factory_uid": p.FactoryUid} {
		if value == "" {
			continue
		}
		if q.Metadata == nil {
			q.Metadata = map[string]string{}
		}
		q.Metadata[key] = value
	}
	return q, nil
}

// archivedOf is the filter as the store knows it: the default has no word there.
func archivedOf(f api.ArchivedFilter) run.Archived {
	if f == api.ArchivedFilterExclude {
		return run.ArchivedExclude
	}
	return run.Archived(f)
}

// GetRun serves GET /agent/runs/{runId}.
func (a *API) GetRun(ctx context.Context, req api.GetRunRequestObject) (api.GetRunResponseObject, error) {
	r, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	item, err := a.cfg.Runs.Item(ctx, r)
	return api.GetRun200JSONResponse(item), err
}

// CancelRun serves POST /agent/runs/{runId}/cancel.
func (a *API) CancelRun(ctx context.Context, req api.CancelRunRequestObject) (api.CancelRunResponseObject, error) {
	r, err := a.cfg.Runs.Cancel(ctx, actorOf(ctx), req.RunId)
	return api.CancelRun200JSONResponse(r.ID), err
}

// CancelTask serves POST /agent/tasks/{runId}/cancel.
func (a *API) CancelTask(ctx context.Context, req api.CancelTaskRequestObject) (api.CancelTaskResponseObject, error) {
	r, err := a.cfg.Runs.Cancel(ctx, actorOf(ctx), req.RunId)
	return api.CancelTask200JSONResponse(r.ID), err
}

// FollowUpRun serves POST /agent/runs/{runId}/followups. The run has left an ended state before the
// answer, so that a client which polls at once does not take the old end for the new one.
func (a *API) FollowUpRun(ctx context.Context, req api.FollowUpRunRequestObject) (api.FollowUpRunResponseObject, error) {
	r, err := a.cfg.Runs.FollowUp(ctx, actorOf(ctx), req.RunId, *req.Body)
	return api.FollowUpRun200JSONResponse{AcknowledgedJSONResponse: acknowledged(r)}, err
}

// InterruptRun serves POST /agent/runs/{runId}/interrupt.
func (a *API) InterruptRun(ctx context.Context, req api.InterruptRunRequestObject) (api.InterruptRunResponseObject, error) {
	r, err := a.cfg.Runs.Interrupt(ctx, actorOf(ctx), req.RunId)
	return api.InterruptRun200JSONResponse{AcknowledgedJSONResponse: acknowledged(r)}, err
}

func acknowledged(r run.Run) api.AcknowledgedJSONResponse {
	return api.AcknowledgedJSONResponse{RunId: r.ID, State: r.State}
}

// GetTimeline serves GET /agent/runs/{runId}/timeline.
func (a *API) GetTimeline(ctx context.Context, req api.GetTimelineRequestObject) (api.GetTimelineResponseObject, error) {
	events, err := a.cfg.Runs.Timeline(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	return api.GetTimeline200JSONResponse{Events: orEmpty(events)}, nil
}

// ListUsage serves GET /agent/runs/{runId}/usage.
func (a *API) ListUsage(ctx context.Context, req api.ListUsageRequestObject) (api.ListUsageResponseObject, error) {
	if _, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId); err != nil {
		return nil, err
	}
	calls, err := a.cfg.Usage.Calls(ctx, req.RunId)
	if err != nil {
		return nil, err
	}
	out := make([]api.UsageCall, 0, len(calls))
	for _, c := range calls {
		out = append(out, api.UsageCall{
			Id: c.ID, At: c.StartedAt, Execution: c.Execution, Provider: c.Provider, ModelId: c.ModelID,
			InputTokens: c.Tokens.Input, OutputTokens: c.Tokens.Output,
			CacheReadTokens: c.Tokens.CacheRead, CacheWriteTokens: c.Tokens.CacheWrite,
			CostUsd: c.Cost.Total(), Priced: c.Priced, DurationMs: c.Duration.Milliseconds(), Status: c.Status,
		})
	}
	return api.ListUsage200JSONResponse{Calls: out}, nil
}

// orEmpty makes an absent list an empty one: clients want [], never null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
