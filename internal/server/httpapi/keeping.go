package httpapi

import (
	"context"
	"reflect"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// defaultKept is how many selected runs one request acts on unless the caller says otherwise.
const defaultKept = 100

// ArchiveRun serves POST /agent/runs/{runId}/archive.
func (a *API) ArchiveRun(ctx context.Context, req api.ArchiveRunRequestObject) (api.ArchiveRunResponseObject, error) {
	n, err := a.cfg.Runs.Archive(ctx, actorOf(ctx), req.RunId)
	return api.ArchiveRun200JSONResponse{KeptRunJSONResponse: keptRun(req.RunId, n)}, err
}

// UnarchiveRun serves POST /agent/runs/{runId}/unarchive.
func (a *API) UnarchiveRun(ctx context.Context, req api.UnarchiveRunRequestObject) (api.UnarchiveRunResponseObject, error) {
	n, err := a.cfg.Runs.Unarchive(ctx, actorOf(ctx), req.RunId)
	return api.UnarchiveRun200JSONResponse{KeptRunJSONResponse: keptRun(req.RunId, n)}, err
}

// DeleteRun serves DELETE /agent/runs/{runId}.
func (a *API) DeleteRun(ctx context.Context, req api.DeleteRunRequestObject) (api.DeleteRunResponseObject, error) {
	n, err := a.cfg.Runs.Delete(ctx, actorOf(ctx), req.RunId)
	return api.DeleteRun200JSONResponse{KeptRunJSONResponse: keptRun(req.RunId, n)}, err
}

func keptRun(runID string, runs int) api.KeptRunJSONResponse {
	return api.KeptRunJSONResponse{RunId: runID, Runs: runs}
}

// ArchiveRuns serves POST /agent/runs/archive.
func (a *API) ArchiveRuns(ctx context.Context, req api.ArchiveRunsRequestObject) (api.ArchiveRunsResponseObject, error) {
	done, err := a.keepMany(ctx, run.KeepArchive, *req.Body)
	return api.ArchiveRuns200JSONResponse{KeptRunsJSONResponse: done}, err
}

// UnarchiveRuns serves POST /agent/runs/unarchive.
func (a *API) UnarchiveRuns(ctx context.Context, req api.UnarchiveRunsRequestObject) (api.UnarchiveRunsResponseObject, error) {
	done, err := a.keepMany(ctx, run.KeepUnarchive, *req.Body)
	return api.UnarchiveRuns200JSONResponse{KeptRunsJSONResponse: done}, err
}

// DeleteRuns serves POST /agent/runs/delete.
func (a *API) DeleteRuns(ctx context.Context, req api.DeleteRunsRequestObject) (api.DeleteRunsResponseObject, error) {
	done, err := a.keepMany(ctx, run.KeepDelete, *req.Body)
	return api.DeleteRuns200JSONResponse{KeptRunsJSONResponse: done}, err
}

func (a *API) keepMany(ctx context.Context, how run.Keeping, body api.KeepRunsRequest) (api.KeptRunsJSONResponse, error) {
	req := run.KeepRequest{IDs: body.RunIds, DryRun: body.DryRun}
	if !reflect.ValueOf(body.Filter).IsZero() {
		q := filterOf(body.Filter)
		q.Limit, q.Cursor = defaultKept, body.Cursor
		if body.Limit != nil {
			q.Limit = *body.Limit
		}
		req.Query = &q
	}
	done, err := a.cfg.Runs.KeepMany(ctx, actorOf(ctx), how, req)
	if err != nil {
		return api.KeptRunsJSONResponse{}, err
	}
	out := api.KeptRunsJSONResponse{
		Matched: done.Matched, Changed: done.Changed, Skipped: make([]api.KeptNot, 0, len(done.Skipped)),
		NextCursor: done.Next, More: done.More, DryRun: body.DryRun,
	}
	for _, not := range done.Skipped {
		out.Skipped = append(out.Skipped, api.KeptNot{RunId: not.RunID, Reason: not.Reason})
	}
	return out, nil
}

func filterOf(f api.RunFilter) run.Query {
	return run.Query{
		States: f.State, Source: f.Source, Location: f.ExecutionLocation, Name: f.Name, ModelID: f.ModelId,
		Creator: f.Creator, Executor: f.Executor, EnvironmentID: f.EnvironmentId, Skill: f.Skill,
		ScheduleID: f.ScheduleId, ArtifactType: f.ArtifactType, CreatedAfter: f.CreatedAfter,
		CreatedBefore: f.CreatedBefore, UpdatedAfter: f.UpdatedAfter, Text: f.Q, Metadata: f.Metadata,
	}
}

// ForkRun serves POST /agent/runs/{runId}/fork.
func (a *API) ForkRun(ctx context.Context, req api.ForkRunRequestObject) (api.ForkRunResponseObject, error) {
	r, atCapacity, err := a.cfg.Runs.Fork(ctx, actorOf(ctx), req.RunId, *req.Body, sourceOf(ctx), req.Params.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	return api.ForkRun200JSONResponse{RunAcceptedJSONResponse: accepted(r, atCapacity)}, nil
}

// RetryRun serves POST /agent/runs/{runId}/retry.
func (a *API) RetryRun(ctx context.Context, req api.RetryRunRequestObject) (api.RetryRunResponseObject, error) {
	r, atCapacity, err := a.cfg.Runs.Retry(ctx, actorOf(ctx), req.RunId, sourceOf(ctx), req.Params.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	return api.RetryRun200JSONResponse{RunAcceptedJSONResponse: accepted(r, atCapacity)}, nil
}

// ForkConversation serves POST /agent/conversations/{conversationId}/fork.
func (a *API) ForkConversation(ctx context.Context, req api.ForkConversationRequestObject) (api.ForkConversationResponseObject, error) {
	r, err := a.cfg.Runs.ForkConversation(ctx, actorOf(ctx), req.ConversationId, req.Body.Title, sourceOf(ctx))
	if err != nil {
		return nil, err
	}
	return api.ForkConversation200JSONResponse{ForkedConversationId: r.ConversationID}, nil
}
