package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
)

// This file serves /harness-support: what an agent in a sandbox asks and hands in, whichever harness
// drives it.

// CreateExternalConversation serves POST /harness-support/external-conversation.
func (a *API) CreateExternalConversation(ctx context.Context, req api.CreateExternalConversationRequestObject) (api.CreateExternalConversationResponseObject, error) {
	id, err := a.cfg.Runs.Conversation(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, req.Body.Format)
	return api.CreateExternalConversation200JSONResponse{ConversationId: id}, err
}

// UploadHarnessTranscript serves POST /harness-support/transcript.
func (a *API) UploadHarnessTranscript(ctx context.Context, req api.UploadHarnessTranscriptRequestObject) (api.UploadHarnessTranscriptResponseObject, error) {
	u, err := a.cfg.Runs.UploadConversation(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, req.Body.ConversationId, blob.PurposeTranscript)
	return api.UploadHarnessTranscript200JSONResponse{UploadTargetJSONResponse: api.UploadTargetJSONResponse(a.target(ctx, u))}, err
}

// GetHarnessTranscript serves GET /harness-support/transcript.
func (a *API) GetHarnessTranscript(ctx context.Context, req api.GetHarnessTranscriptRequestObject) (api.GetHarnessTranscriptResponseObject, error) {
	id, err := a.cfg.Runs.HarnessTranscript(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID)
	if err != nil {
		return nil, err
	}
	link, _ := a.blobLink(ctx, id)
	return api.GetHarnessTranscript302Response{Headers: api.GetHarnessTranscript302ResponseHeaders{Location: link}}, nil
}

// UploadBlockSnapshot serves POST /harness-support/block-snapshot.
func (a *API) UploadBlockSnapshot(ctx context.Context, req api.UploadBlockSnapshotRequestObject) (api.UploadBlockSnapshotResponseObject, error) {
	u, err := a.cfg.Runs.UploadConversation(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, req.Body.ConversationId, blob.PurposeTerminal)
	return api.UploadBlockSnapshot200JSONResponse{UploadTargetJSONResponse: api.UploadTargetJSONResponse(a.target(ctx, u))}, err
}

// ResolvePrompt serves POST /harness-support/resolve-prompt.
func (a *API) ResolvePrompt(ctx context.Context, req api.ResolvePromptRequestObject) (api.ResolvePromptResponseObject, error) {
	out, err := a.cfg.Runs.ResolvePrompt(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, *req.Body)
	return api.ResolvePrompt200JSONResponse(out), err
}

// ReportArtifact serves POST /harness-support/report-artifact.
func (a *API) ReportArtifact(ctx context.Context, req api.ReportArtifactRequestObject) (api.ReportArtifactResponseObject, error) {
	uid, err := a.cfg.Runs.ReportArtifact(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, *req.Body)
	return api.ReportArtifact200JSONResponse{ArtifactUid: uid}, err
}

// done answers what is only acknowledged.
var done = api.DoneJSONResponse{}

// NotifyUser serves POST /harness-support/notify-user.
func (a *API) NotifyUser(ctx context.Context, req api.NotifyUserRequestObject) (api.NotifyUserResponseObject, error) {
	err := a.cfg.Runs.Notify(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, req.Body.Message)
	return api.NotifyUser200JSONResponse{DoneJSONResponse: done}, err
}

// FinishTask serves POST /harness-support/finish-task.
func (a *API) FinishTask(ctx context.Context, req api.FinishTaskRequestObject) (api.FinishTaskResponseObject, error) {
	err := a.cfg.Runs.Finish(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, *req.Body)
	return api.FinishTask200JSONResponse{DoneJSONResponse: done}, err
}

// ReportShutdown serves POST /harness-support/report-shutdown.
func (a *API) ReportShutdown(ctx context.Context, req api.ReportShutdownRequestObject) (api.ReportShutdownResponseObject, error) {
	err := a.cfg.Runs.Shutdown(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, *req.Body)
	return api.ReportShutdown200JSONResponse{DoneJSONResponse: done}, err
}

// UploadSnapshot serves POST /harness-support/upload-snapshot.
func (a *API) UploadSnapshot(ctx context.Context, req api.UploadSnapshotRequestObject) (api.UploadSnapshotResponseObject, error) {
	uploads, err := a.cfg.Runs.UploadSnapshot(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, *req.Body)
	return api.UploadSnapshot200JSONResponse{Uploads: a.targets(ctx, uploads)}, err
}

// CommitSnapshot serves POST /harness-support/commit-snapshot.
func (a *API) CommitSnapshot(ctx context.Context, req api.CommitSnapshotRequestObject) (api.CommitSnapshotResponseObject, error) {
	err := a.cfg.Runs.CommitSnapshot(ctx, actorOf(ctx), req.Params.XWarpCloudAgentID, *req.Body)
	return api.CommitSnapshot200JSONResponse{Generation: req.Body.Generation}, err
}

// UpdateRunFromAgent serves POST /agent/runs/{runId}/update.
func (a *API) UpdateRunFromAgent(ctx context.Context, req api.UpdateRunFromAgentRequestObject) (api.UpdateRunFromAgentResponseObject, error) {
	r, err := a.cfg.Runs.Update(ctx, actorOf(ctx), req.RunId, *req.Body)
	return api.UpdateRunFromAgent200JSONResponse{AcknowledgedJSONResponse: acknowledged(r)}, err
}

// CreateFileArtifact serves POST /agent/artifacts.
func (a *API) CreateFileArtifact(ctx context.Context, req api.CreateFileArtifactRequestObject) (api.CreateFileArtifactResponseObject, error) {
	u, err := a.cfg.Runs.CreateArtifact(ctx, actorOf(ctx), *req.Body)
	return api.CreateFileArtifact200JSONResponse{ArtifactUid: u.ID, UploadTarget: a.target(ctx, u)}, err
}

// ConfirmFileArtifact serves POST /agent/artifacts/{artifactUid}/confirm.
func (a *API) ConfirmFileArtifact(ctx context.Context, req api.ConfirmFileArtifactRequestObject) (api.ConfirmFileArtifactResponseObject, error) {
	artifact, err := a.cfg.Runs.ConfirmArtifact(ctx, actorOf(ctx), req.ArtifactUid, *req.Body)
	if err != nil {
		return nil, err
	}
	content, err := a.artifactContent(ctx, artifact)
	return api.ConfirmFileArtifact200JSONResponse(content), err
}
