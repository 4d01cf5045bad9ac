package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/orchestration"
)

// SendMessage serves POST /agent/messages.
func (a *API) SendMessage(ctx context.Context, req api.SendMessageRequestObject) (api.SendMessageResponseObject, error) {
	ids, err := a.cfg.Messages.Send(ctx, actorOf(ctx), *req.Body, req.Params.IdempotencyKey)
	return api.SendMessage200JSONResponse{MessageIds: ids}, err
}

// ListMessages serves GET /agent/messages/{runId}.
func (a *API) ListMessages(ctx context.Context, req api.ListMessagesRequestObject) (api.ListMessagesResponseObject, error) {
	limit := 50
	if req.Params.Limit != nil {
		limit = *req.Params.Limit
	}
	list, err := a.cfg.Messages.Inbox(ctx, actorOf(ctx), req.RunId, req.Params.Unread, req.Params.Since, limit)
	if err != nil {
		return nil, err
	}
	out := make(api.ListMessages200JSONResponse, 0, len(list))
	for _, m := range list {
		out = append(out, orchestration.Header(m))
	}
	return out, nil
}

// ReadMessage serves POST /agent/messages/{messageId}/read.
func (a *API) ReadMessage(ctx context.Context, req api.ReadMessageRequestObject) (api.ReadMessageResponseObject, error) {
	m, err := a.cfg.Messages.Read(ctx, actorOf(ctx), req.MessageId)
	return api.ReadMessage200JSONResponse(orchestration.Body(m)), err
}

// MarkMessageDelivered serves POST /agent/messages/{messageId}/delivered.
func (a *API) MarkMessageDelivered(ctx context.Context, req api.MarkMessageDeliveredRequestObject) (api.MarkMessageDeliveredResponseObject, error) {
	err := a.cfg.Messages.Delivered(ctx, actorOf(ctx), req.MessageId)
	return api.MarkMessageDelivered204Response{}, err
}

// ListEvents serves GET /agent/events.
func (a *API) ListEvents(ctx context.Context, req api.ListEventsRequestObject) (api.ListEventsResponseObject, error) {
	limit := 100
	if req.Params.Limit != nil {
		limit = *req.Params.Limit
	}
	list, err := a.cfg.Messages.Events(ctx, actorOf(ctx), req.Params.RunIds, req.Params.Since, limit)
	if err != nil {
		return nil, err
	}
	out := make(api.ListEvents200JSONResponse, 0, len(list))
	for _, e := range list {
		out = append(out, orchestration.Event(e))
	}
	return out, nil
}

// ReportEvent serves POST /agent/events/{runId}.
func (a *API) ReportEvent(ctx context.Context, req api.ReportEventRequestObject) (api.ReportEventResponseObject, error) {
	seq, err := a.cfg.Runs.ReportEvent(ctx, actorOf(ctx), req.RunId, *req.Body)
	return api.ReportEvent200JSONResponse{Sequence: seq}, err
}

// SetEventSequence serves PATCH /agent/runs/{runId}/event-sequence.
func (a *API) SetEventSequence(ctx context.Context, req api.SetEventSequenceRequestObject) (api.SetEventSequenceResponseObject, error) {
	err := a.cfg.Runs.SetEventSequence(ctx, actorOf(ctx), req.RunId, req.Body.Sequence)
	return api.SetEventSequence204Response{}, err
}

// ReportClientEvent serves POST /agent/runs/{runId}/client-events.
func (a *API) ReportClientEvent(ctx context.Context, req api.ReportClientEventRequestObject) (api.ReportClientEventResponseObject, error) {
	err := a.cfg.Runs.NoteClientEvent(ctx, actorOf(ctx), req.RunId, *req.Body)
	return api.ReportClientEvent204Response{}, err
}
