package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// defaultEntries is how many entries a page has unless the caller says otherwise.
const defaultEntries = 200

// ListEntries serves GET /agent/runs/{runId}/entries.
func (a *API) ListEntries(ctx context.Context, req api.ListEntriesRequestObject) (api.ListEntriesResponseObject, error) {
	r, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	limit := defaultEntries
	if req.Params.Limit != nil {
		limit = *req.Params.Limit
	}
	entries, err := a.cfg.Sessions.Entries(ctx, r.ID, req.Params.After, limit)
	if err != nil {
		return nil, err
	}
	next := req.Params.After
	if n := len(entries); n > 0 {
		next = entries[n-1].Seq
	}
	return api.ListEntries200JSONResponse{Entries: orEmpty(entries), NextAfter: next}, nil
}

// ListRequests serves GET /agent/runs/{runId}/requests.
func (a *API) ListRequests(ctx context.Context, req api.ListRequestsRequestObject) (api.ListRequestsResponseObject, error) {
	requests, err := a.cfg.Runs.Requests(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	out := make([]api.RunRequest, 0, len(requests))
	for _, r := range requests {
		out = append(out, r.Wire())
	}
	return api.ListRequests200JSONResponse{Requests: out}, nil
}

// AnswerRequest serves POST /agent/runs/{runId}/requests/{requestId}/answer.
func (a *API) AnswerRequest(ctx context.Context, req api.AnswerRequestRequestObject) (api.AnswerRequestResponseObject, error) {
	r, err := a.cfg.Runs.Answer(ctx, actorOf(ctx), req.RunId, req.RequestId, *req.Body)
	return api.AnswerRequest200JSONResponse{AcknowledgedJSONResponse: acknowledged(r)}, err
}

// GetRunConversation serves GET /agent/runs/{runId}/conversation.
func (a *API) GetRunConversation(ctx context.Context, req api.GetRunConversationRequestObject) (api.GetRunConversationResponseObject, error) {
	r, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	c, err := a.cfg.Sessions.Conversation(ctx, r.ID, r.ConversationID)
	return api.GetRunConversation200JSONResponse{ConversationJSONResponse: api.ConversationJSONResponse(c)}, err
}

// GetConversation serves GET /agent/conversations/{conversationId}: that of its newest run, which
// begins with what was said and done in the earlier ones.
func (a *API) GetConversation(ctx context.Context, req api.GetConversationRequestObject) (api.GetConversationResponseObject, error) {
	r, err := a.newestRun(ctx, req.ConversationId)
	if err == nil {
		_, err = a.cfg.Runs.Get(ctx, actorOf(ctx), r.ID)
	}
	if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
		return nil, api.NotFound("conversation", req.ConversationId)
	}
	if err != nil {
		return nil, err
	}
	c, err := a.cfg.Sessions.Conversation(ctx, r.ID, r.ConversationID)
	return api.GetConversation200JSONResponse{ConversationJSONResponse: api.ConversationJSONResponse(c)}, err
}

// RenameConversation serves POST /agent/conversations/{conversationId}/rename.
func (a *API) RenameConversation(ctx context.Context, req api.RenameConversationRequestObject) (api.RenameConversationResponseObject, error) {
	title, err := a.cfg.Runs.Rename(ctx, actorOf(ctx), req.ConversationId, req.Body.Title)
	return api.RenameConversation200JSONResponse{Title: title}, err
}

// newestRun is the latest run of a conversation, which is named by its first run's id.
func (a *API) newestRun(ctx context.Context, conversationID string) (run.Run, error) {
	if err := run.CheckID("conversationId", conversationID); err != nil {
		return run.Run{}, err
	}
	first, err := a.cfg.Store.Get(ctx, conversationID)
	if err != nil {
		return run.Run{}, err
	}
	page, err := a.cfg.Store.List(ctx, run.Query{
		TeamUIDs: []string{first.TeamUID}, OwnerUID: first.Owner.UID, ConversationID: first.ConversationID,
		Archived: run.ArchivedInclude, Sort: api.RunSortCreatedAt, Limit: 1,
	})
	if err != nil || len(page.Runs) == 0 {
		return first, err
	}
	return page.Runs[0], nil
}

// RedirectConversation serves GET /agent/conversations/{conversationId}/redirect, without a key: the
// ids are unguessable, and what it answers opens nothing by itself.
func (a *API) RedirectConversation(ctx context.Context, req api.RedirectConversationRequestObject) (api.RedirectConversationResponseObject, error) {
	out := api.RedirectConversation200JSONResponse{}
	r, err := a.newestRun(ctx, req.ConversationId)
	if err == nil && r.Live {
		out.SessionId = r.SessionID
	}
	return out, unlessUnknown(err)
}

// RedirectSession serves GET /agent/sessions/{sessionUuid}/redirect, without a key.
func (a *API) RedirectSession(ctx context.Context, req api.RedirectSessionRequestObject) (api.RedirectSessionResponseObject, error) {
	out := api.RedirectSession200JSONResponse{}
	if run.CheckID("sessionUuid", req.SessionUuid) != nil {
		return out, nil //nolint:nilerr // no session has such an id, and the answer to that is an empty one
	}
	// A session has its run's id.
	r, err := a.cfg.Store.Get(ctx, req.SessionUuid)
	if err == nil && !r.Live && r.Execution > 0 {
		out.ConversationId = r.ConversationID
	}
	return out, unlessUnknown(err)
}

// unlessUnknown lets an id that names nothing pass: redirects then answer an empty object.
func unlessUnknown(err error) error {
	switch api.CodeOf(err) {
	case api.PlatformErrorCodeResourceNotFound, api.PlatformErrorCodeInvalidRequest:
		return nil
	}
	return err
}

// GetTranscript serves GET /agent/runs/{runId}/transcript.
func (a *API) GetTranscript(ctx context.Context, req api.GetTranscriptRequestObject) (api.GetTranscriptResponseObject, error) {
	r, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	link, _ := a.link(ctx, api.BasePath+"/transcripts/"+r.ID)
	return api.GetTranscript302Response{Headers: api.GetTranscript302ResponseHeaders{Location: link}}, nil
}

// GetRunBlob serves GET /agent/runs/{runId}/blobs/{blobId}. Only what entries name is found: a
// snapshot holds files that the agent never showed.
func (a *API) GetRunBlob(ctx context.Context, req api.GetRunBlobRequestObject) (api.GetRunBlobResponseObject, error) {
	r, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	meta, err := a.cfg.Blobs.Stat(ctx, req.BlobId)
	if err != nil {
		return nil, err
	}
	if meta.RunID != r.ID || meta.Kind != api.BlobKindOutput && meta.Kind != api.BlobKindArtifact {
		return nil, api.NotFound("blob", req.BlobId)
	}
	link, _ := a.blobLink(ctx, meta.ID)
	return api.GetRunBlob302Response{Headers: api.GetRunBlob302ResponseHeaders{Location: link}}, nil
}
