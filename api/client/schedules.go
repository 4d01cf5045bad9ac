package client

import (
	"context"
	"net/url"
	"strconv"

	"github.com/cadrehq/cadre/api"
)

// Schedules lists the schedules the caller may see, by name.
func (c *Client) Schedules(ctx context.Context) ([]api.ScheduledAgentItem, error) {
	v, err := Read[api.ListScheduledAgentsResponse](c.raw.ListSchedules(ctx))
	return v.Schedules, err
}

// Schedule returns one schedule.
func (c *Client) Schedule(ctx context.Context, id string) (api.ScheduledAgentItem, error) {
	return Read[api.ScheduledAgentItem](c.raw.GetSchedule(ctx, id))
}

// CreateSchedule stores a schedule.
func (c *Client) CreateSchedule(ctx context.Context, req api.CreateScheduledAgentRequest, opts ...api.RequestEditorFn) (api.ScheduledAgentItem, error) {
	return Read[api.ScheduledAgentItem](c.raw.CreateSchedule(ctx, nil, req, opts...))
}

// UpdateSchedule replaces the definition of a schedule.
func (c *Client) UpdateSchedule(ctx context.Context, id string, req api.UpdateScheduledAgentRequest, opts ...api.RequestEditorFn) (api.ScheduledAgentItem, error) {
	return Read[api.ScheduledAgentItem](c.raw.UpdateSchedule(ctx, id, nil, req, opts...))
}

// DeleteSchedule deletes a schedule; its runs stay.
func (c *Client) DeleteSchedule(ctx context.Context, id string) error {
	_, err := Read[api.DeleteScheduledAgentResponse](c.raw.DeleteSchedule(ctx, id))
	return err
}

// PauseSchedule stops a schedule from starting runs.
func (c *Client) PauseSchedule(ctx context.Context, id string) (api.ScheduledAgentItem, error) {
	return Read[api.ScheduledAgentItem](c.raw.PauseSchedule(ctx, id))
}

// ResumeSchedule lets a schedule go on with its first tick from now.
func (c *Client) ResumeSchedule(ctx context.Context, id string) (api.ScheduledAgentItem, error) {
	return Read[api.ScheduledAgentItem](c.raw.ResumeSchedule(ctx, id))
}

// RunSchedule starts a run of a schedule beside its ticks.
func (c *Client) RunSchedule(ctx context.Context, id string) (api.RunAgentResponse, error) {
	return Read[api.RunAgentResponse](c.raw.RunSchedule(ctx, id))
}

// ScheduleTicks lists what became of the latest limit ticks of a schedule, latest first, from a
// cursor on ("" is the latest), and the cursor of the rest ("" when there is none).
func (c *Client) ScheduleTicks(ctx context.Context, id, cursor string, limit int) ([]api.ScheduleTick, string, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	v, err := Read[api.ListScheduleTicksResponse](c.raw.ListScheduleTicks(ctx, id, nil, Query(q)))
	return v.Ticks, v.PageInfo.NextCursor, err
}

// PreviewSchedule tells when an expression would fire.
func (c *Client) PreviewSchedule(ctx context.Context, req api.SchedulePreviewRequest) (api.SchedulePreview, error) {
	return Read[api.SchedulePreview](c.raw.PreviewSchedule(ctx, req))
}
