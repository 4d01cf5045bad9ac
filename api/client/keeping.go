package client

import (
	"context"

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
