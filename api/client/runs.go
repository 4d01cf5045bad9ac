package client

import (
	"context"
	"crypto/rand"
	"iter"
	"net/url"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
)

// CreateRun starts a run. The run is durable when this returns; it waits for a worker of its host. A
// request whose answer is lost is sent again and starts no second run.
func (c *Client) CreateRun(ctx context.Context, req api.RunAgentRequest) (api.RunAgentResponse, error) {
	params := api.CreateRunParams{IdempotencyKey: rand.Text()}
	return Read[api.RunAgentResponse](c.raw.CreateRun(ctx, &params, req))
}

// CreateLocalRun registers a run that the caller carries out itself, with the token its runner uses.
// A request whose answer is lost is sent again and registers no second run.
func (c *Client) CreateLocalRun(ctx context.Context, req api.LocalRunRequest) (api.LocalRunResponse, error) {
	params := api.CreateLocalRunParams{IdempotencyKey: rand.Text()}
	return Read[api.LocalRunResponse](c.raw.CreateLocalRun(ctx, &params, req))
}

// GetRun returns one run.
func (c *Client) GetRun(ctx context.Context, runID string) (api.RunItem, error) {
	return Read[api.RunItem](c.raw.GetRun(ctx, runID))
}

// ListRuns returns one page of runs. Members of params left zero do not filter.
func (c *Client) ListRuns(ctx context.Context, params api.ListRunsParams) (api.ListRunsResponse, error) {
	return Read[api.ListRunsResponse](c.raw.ListRuns(ctx, nil, Query(RunsQuery(params))))
}

// Runs lists every run that matches, fetching pages as they are needed. params.Limit is the size of
// a page. It stops after the first error.
func (c *Client) Runs(ctx context.Context, params api.ListRunsParams) iter.Seq2[api.RunItem, error] {
	return func(yield func(api.RunItem, error) bool) {
		for {
			page, err := c.ListRuns(ctx, params)
			if err != nil {
				yield(api.RunItem{}, err)
				return
			}
			for _, r := range page.Runs {
				if !yield(r, nil) {
					return
				}
			}
			next := page.PageInfo.NextCursor
			if !page.PageInfo.HasNextPage || next == "" || next == params.Cursor {
				return
			}
			params.Cursor = next
		}
	}
}

// RunsQuery is the query string of a list of runs: only what is set, times in RFC 3339.
func RunsQuery(p api.ListRunsParams) url.Values {
	q := url.Values{}
	if p.Limit != nil {
		q.Set("limit", strconv.Itoa(*p.Limit))
	}
	for name, value := range map[string]string{
		"cursor": p.Cursor, "sort_by": string(p.SortBy), "sort_order": string(p.SortOrder),
		"source": string(p.Source), "execution_location": string(p.ExecutionLocation),
		"name": p.Name, "model_id": p.ModelId, "creator": p.Creator, "executor": p.Executor,
		"environment_id": p.EnvironmentId, "skill": p.Skill, "skill_spec": p.SkillSpec,
		"schedule_id": p.ScheduleId, "ancestor_run_id": p.AncestorRunId, "parent_run_id": p.ParentRunId,
		"artifact_type": string(p.ArtifactType), "archived": string(p.Archived), "q": p.Q,
		"automation_id": p.AutomationId, "factory_uid": p.FactoryUid,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for _, s := range p.State {
		q.Add("state", string(s))
	}
	for name, at := range map[string]time.Time{
		"created_after": p.CreatedAfter, "created_before": p.CreatedBefore, "updated_after": p.UpdatedAfter,
	} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	for name, value := range p.Metadata {
		q.Set("metadata["+name+"]", value)
	}
	return q
}

// CancelRun ends a run CANCELLED and kills its processes.
func (c *Client) CancelRun(ctx context.Context, runID string) error {
	return none(c.raw.CancelRun(ctx, runID))
}

// FollowUp says something to a run, whatever state it is in.
func (c *Client) FollowUp(ctx context.Context, runID string, req api.RunFollowupRequest) (api.Acknowledgement, error) {
	return Read[api.Acknowledgement](c.raw.FollowUpRun(ctx, runID, req))
}

// Interrupt stops the current turn and leaves the run waiting for the next message.
func (c *Client) Interrupt(ctx context.Context, runID string) (api.Acknowledgement, error) {
	return Read[api.Acknowledgement](c.raw.InterruptRun(ctx, runID))
}

// Requests lists what a run asked a person, oldest first, with the answers given.
func (c *Client) Requests(ctx context.Context, runID string) ([]api.RunRequest, error) {
	v, err := Read[api.ListRequestsResponse](c.raw.ListRequests(ctx, runID))
	return v.Requests, err
}

// Answer decides a request of a run.
func (c *Client) Answer(ctx context.Context, runID, requestID string, req api.AnswerRequest) (api.Acknowledgement, error) {
	return Read[api.Acknowledgement](c.raw.AnswerRequest(ctx, runID, requestID, req))
}

// Timeline lists the state changes and start-up phases of a run, oldest first.
func (c *Client) Timeline(ctx context.Context, runID string) ([]api.TimelineEvent, error) {
	v, err := Read[api.TimelineResponse](c.raw.GetTimeline(ctx, runID))
	return v.Events, err
}

// Usage lists the model calls of a run, oldest first.
func (c *Client) Usage(ctx context.Context, runID string) ([]api.UsageCall, error) {
	v, err := Read[api.ListUsageResponse](c.raw.ListUsage(ctx, runID))
	return v.Calls, err
}

// UsageSummary counts runs and what they came to, by day or by who and what they were.
func (c *Client) UsageSummary(ctx context.Context, params api.SummarizeUsageParams) (api.UsageSummary, error) {
	return Read[api.UsageSummary](c.raw.SummarizeUsage(ctx, &params))
}

// IssueIdentityToken returns a token by which others know a run. Only the run itself may ask for one.
func (c *Client) IssueIdentityToken(ctx context.Context, runID string, req api.IdentityTokenRequest) (api.IdentityTokenResponse, error) {
	return Read[api.IdentityTokenResponse](c.raw.IssueIdentityToken(ctx, runID, req))
}
