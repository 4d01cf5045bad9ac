package client

import (
	"context"
	"crypto/rand"

	"github.com/cadrehq/cadre/api"
)

// ArchiveRun puts an ended run away, with all runs below it.
func (c *Client) ArchiveRun(ctx context.Context, runID string) (api.KeptRun, error) {
	return Read[api.KeptRun](c.raw.ArchiveRun(ctx, runID))
}

// UnarchiveRun fetches a run back that was put away, with all runs below it.
func (c *Client) UnarchiveRun(ctx context.Context, runID string) (api.KeptRun, error) {
	return Read[api.KeptRun](c.raw.UnarchiveRun(ctx, runID))
}

// DeleteRun deletes an ended run for good, with all runs below it.
func (c *Client) DeleteRun(ctx context.Context, runID string) (api.KeptRun, error) {
	return Read[api.KeptRun](c.raw.DeleteRun(ctx, runID))
}

// ArchiveRuns puts many runs away: those named, or a page of those selected. The rest begins at the
// answer's next_cursor.
func (c *Client) ArchiveRuns(ctx context.Context, req api.KeepRunsRequest) (api.KeptRuns, error) {
	return Read[api.KeptRuns](c.raw.ArchiveRuns(ctx, req))
}

// UnarchiveRuns is the opposite of ArchiveRuns.
func (c *Client) UnarchiveRuns(ctx context.Context, req api.KeepRunsRequest) (api.KeptRuns, error) {
	return Read[api.KeptRuns](c.raw.UnarchiveRuns(ctx, req))
}

// DeleteRuns deletes many runs for good, as ArchiveRuns puts them away.
func (c *Client) DeleteRuns(ctx context.Context, req api.KeepRunsRequest) (api.KeptRuns, error) {
	return Read[api.KeptRuns](c.raw.DeleteRuns(ctx, req))
}

// ForkRun starts a run that begins with a copy of another one's conversation. A request whose answer is
// lost is sent again and makes no second fork.
func (c *Client) ForkRun(ctx context.Context, runID string, req api.ForkRunRequest) (api.RunAgentResponse, error) {
	params := api.ForkRunParams{IdempotencyKey: rand.Text()}
	return Read[api.RunAgentResponse](c.raw.ForkRun(ctx, runID, &params, req))
}

// ForkConversation copies a conversation and returns the id of the copy.
func (c *Client) ForkConversation(ctx context.Context, conversationID, title string) (string, error) {
	v, err := Read[api.ForkConversationResponse](c.raw.ForkConversation(ctx, conversationID, api.ForkConversationRequest{Title: title}))
	return v.ForkedConversationId, err
}

// RetryRun asks once more for what a failed or cancelled run was asked for: by a new run, or by the same
// one if its agent never began.
func (c *Client) RetryRun(ctx context.Context, runID string) (api.RunAgentResponse, error) {
	params := api.RetryRunParams{IdempotencyKey: rand.Text()}
	return Read[api.RunAgentResponse](c.raw.RetryRun(ctx, runID, &params))
}
