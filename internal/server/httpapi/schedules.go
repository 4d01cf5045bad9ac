package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

// ListSchedules serves GET /agent/schedules.
func (a *API) ListSchedules(ctx context.Context, _ api.ListSchedulesRequestObject) (api.ListSchedulesResponseObject, error) {
	list, err := a.cfg.Schedules.List(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	out := api.ListSchedules200JSONResponse{Schedules: make([]api.ScheduledAgentItem, 0, len(list))}
	for _, c := range list {
		out.Schedules = append(out.Schedules, c.Wire())
	}
	return out, nil
}

// CreateSchedule serves POST /agent/schedules.
func (a *API) CreateSchedule(ctx context.Context, req api.CreateScheduleRequestObject) (api.CreateScheduleResponseObject, error) {
	create := a.cfg.Schedules.Create
	if req.Params.DryRun {
		create = a.cfg.Schedules.Plan
	}
	c, err := create(ctx, actorOf(ctx), *req.Body)
	if err != nil {
		return nil, err
	}
	return api.CreateSchedule201JSONResponse{ScheduleJSONResponse: a.schedule(ctx, c)}, nil
}

// PreviewSchedule serves POST /agent/schedules/preview.
func (a *API) PreviewSchedule(_ context.Context, req api.PreviewScheduleRequestObject) (api.PreviewScheduleResponseObject, error) {
	p, err := a.cfg.Schedules.Preview(*req.Body)
	return api.PreviewSchedule200JSONResponse(p), err
}

// GetSchedule serves GET /agent/schedules/{scheduleId}.
func (a *API) GetSchedule(ctx context.Context, req api.GetScheduleRequestObject) (api.GetScheduleResponseObject, error) {
	c, err := a.cfg.Schedules.Get(ctx, actorOf(ctx), req.ScheduleId)
	if err != nil {
		return nil, err
	}
	return api.GetSchedule200JSONResponse{ScheduleJSONResponse: a.schedule(ctx, c)}, nil
}

// UpdateSchedule serves PUT /agent/schedules/{scheduleId}.
func (a *API) UpdateSchedule(ctx context.Context, req api.UpdateScheduleRequestObject) (api.UpdateScheduleResponseObject, error) {
	update := a.cfg.Schedules.Update
	if req.Params.DryRun {
		update = a.cfg.Schedules.PlanUpdate
	}
	c, err := update(ctx, actorOf(ctx), req.ScheduleId, *req.Body)
	if err != nil {
		return nil, err
	}
	return api.UpdateSchedule200JSONResponse{ScheduleJSONResponse: a.schedule(ctx, c)}, nil
}

// DeleteSchedule serves DELETE /agent/schedules/{scheduleId}.
func (a *API) DeleteSchedule(ctx context.Context, req api.DeleteScheduleRequestObject) (api.DeleteScheduleResponseObject, error) {
	if err := a.cfg.Schedules.Delete(ctx, actorOf(ctx), req.ScheduleId); err != nil {
		return nil, err
	}
	return api.DeleteSchedule200JSONResponse{Success: true}, nil
}

// PauseSchedule serves POST /agent/schedules/{scheduleId}/pause.
func (a *API) PauseSchedule(ctx context.Context, req api.PauseScheduleRequestObject) (api.PauseScheduleResponseObject, error) {
	c, err := a.cfg.Schedules.SetEnabled(ctx, actorOf(ctx), req.ScheduleId, false)
	if err != nil {
		return nil, err
	}
	return api.PauseSchedule200JSONResponse{ScheduleJSONResponse: a.schedule(ctx, c)}, nil
}

// ResumeSchedule serves POST /agent/schedules/{scheduleId}/resume.
func (a *API) ResumeSchedule(ctx context.Context, req api.ResumeScheduleRequestObject) (api.ResumeScheduleResponseObject, error) {
	c, err := a.cfg.Schedules.SetEnabled(ctx, actorOf(ctx), req.ScheduleId, true)
	if err != nil {
		return nil, err
	}
	return api.ResumeSchedule200JSONResponse{ScheduleJSONResponse: a.schedule(ctx, c)}, nil
}

// RunSchedule serves POST /agent/schedules/{scheduleId}/run.
func (a *API) RunSchedule(ctx context.Context, req api.RunScheduleRequestObject) (api.RunScheduleResponseObject, error) {
	r, atCapacity, err := a.cfg.Schedules.RunNow(ctx, actorOf(ctx), req.ScheduleId)
	if err != nil {
		return nil, err
	}
	return api.RunSchedule200JSONResponse{RunAcceptedJSONResponse: accepted(r, atCapacity)}, nil
}

// ListScheduleTicks serves GET /agent/schedules/{scheduleId}/history.
func (a *API) ListScheduleTicks(ctx context.Context, req api.ListScheduleTicksRequestObject) (api.ListScheduleTicksResponseObject, error) {
	const page = 50
	limit := page
	if req.Params.Limit != nil {
		limit = *req.Params.Limit
	}
	list, next, err := a.cfg.Schedules.History(ctx, actorOf(ctx), req.ScheduleId, req.Params.Cursor, limit)
	if err != nil {
		return nil, err
	}
	out := api.ListScheduleTicks200JSONResponse{
		Ticks: make([]api.ScheduleTick, 0, len(list)), PageInfo: api.PageInfo{HasNextPage: next != "", NextCursor: next},
	}
	for _, o := range list {
		out.Ticks = append(out.Ticks, o.Wire())
	}
	return out, nil
}

// schedule is a schedule with the environment that its runs would get, if they would get one.
func (a *API) schedule(ctx context.Context, c schedule.Schedule) api.ScheduleJSONResponse {
	item := c.Wire()
	if uid := c.Config.EnvironmentId; uid != "" {
		if e, err := a.cfg.Environments.Get(ctx, actorOf(ctx), uid); err == nil {
			item.Environment = e.Config
		}
	}
	return api.ScheduleJSONResponse(item)
}
