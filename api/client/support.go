package client

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"

	"github.com/cadrehq/cadre/api"
)

// Speaker speaks for the agent of a run: with the run's token for its own run, with a person's key for a
// local one.
type Speaker struct {
	c     *Client
	runID string
}

// SpeakFor speaks for the agent of a run. An empty id is the run of the client's token.
func (c *Client) SpeakFor(runID string) Speaker { return Speaker{c, runID} }

// ReportArtifact lists a pull request or a link on the run, and returns its uid.
func (s Speaker) ReportArtifact(ctx context.Context, a api.ReportedArtifact) (string, error) {
	params := api.ReportArtifactParams{XWarpCloudAgentID: s.runID}
	v, err := Read[api.ReportArtifactResponse](s.c.raw.ReportArtifact(ctx, &params, a))
	return v.ArtifactUid, err
}

// NotifyUser tells people something.
func (s Speaker) NotifyUser(ctx context.Context, message string) error {
	params := api.NotifyUserParams{XWarpCloudAgentID: s.runID}
	return none(s.c.raw.NotifyUser(ctx, &params, api.NotifyUserRequest{Message: message}))
}

// FinishTask says how the work ended.
func (s Speaker) FinishTask(ctx context.Context, req api.FinishTaskRequest) error {
	params := api.FinishTaskParams{XWarpCloudAgentID: s.runID}
	return none(s.c.raw.FinishTask(ctx, &params, req))
}

// ReportShutdown says that the agent's process has ended.
func (s Speaker) ReportShutdown(ctx context.Context, req api.ReportShutdownRequest) error {
	params := api.ReportShutdownParams{XWarpCloudAgentID: s.runID}
	return none(s.c.raw.ReportShutdown(ctx, &params, req))
}

// ResolvePrompt returns what to tell the model.
func (s Speaker) ResolvePrompt(ctx context.Context, req api.ResolvePromptRequest) (api.ResolvePromptResponse, error) {
	params := api.ResolvePromptParams{XWarpCloudAgentID: s.runID}
	return Read[api.ResolvePromptResponse](s.c.raw.ResolvePrompt(ctx, &params, req))
}

// ExternalConversation says in what format the harness keeps its conversation, and returns its id.
func (s Speaker) ExternalConversation(ctx context.Context, format string) (string, error) {
	params := api.CreateExternalConversationParams{XWarpCloudAgentID: s.runID}
	v, err := Read[api.CreateExternalConversationResponse](s.c.raw.CreateExternalConversation(ctx, &params, api.CreateExternalConversationRequest{Format: format}))
	return v.ConversationId, err
}

// TranscriptTarget is where to send the transcript that the harness keeps of a conversation.
func (s Speaker) TranscriptTarget(ctx context.Context, conversationID string) (api.UploadTarget, error) {
	params := api.UploadHarnessTranscriptParams{XWarpCloudAgentID: s.runID}
	return Read[api.UploadTarget](s.c.raw.UploadHarnessTranscript(ctx, &params, api.UploadTargetRequest{ConversationId: conversationID}))
}

// TerminalTarget is where to send a picture of the harness's terminal.
func (s Speaker) TerminalTarget(ctx context.Context, conversationID string) (api.UploadTarget, error) {
	params := api.UploadBlockSnapshotParams{XWarpCloudAgentID: s.runID}
	return Read[api.UploadTarget](s.c.raw.UploadBlockSnapshot(ctx, &params, api.UploadTargetRequest{ConversationId: conversationID}))
}

// DownloadTranscript writes the harness's transcript to w and returns its size in bytes.
func (s Speaker) DownloadTranscript(ctx context.Context, w io.Writer) (int64, error) {
	params := api.GetHarnessTranscriptParams{XWarpCloudAgentID: s.runID}
	return save(w)(s.c.raw.GetHarnessTranscript(ctx, &params))
}

// SnapshotTargets are where to send files of the workspace, in their order.
func (s Speaker) SnapshotTargets(ctx context.Context, req api.SnapshotUploadRequest) ([]api.UploadTarget, error) {
	params := api.UploadSnapshotParams{XWarpCloudAgentID: s.runID}
	v, err := Read[api.SnapshotUploadResponse](s.c.raw.UploadSnapshot(ctx, &params, req))
	return v.Uploads, err
}

// CommitSnapshot makes a checkpoint count.
func (s Speaker) CommitSnapshot(ctx context.Context, req api.CommitSnapshotRequest) error {
	params := api.CommitSnapshotParams{XWarpCloudAgentID: s.runID}
	return none(s.c.raw.CommitSnapshot(ctx, &params, req))
}

// UpdateRun reports a state, for an agent that no runner drives.
func (c *Client) UpdateRun(ctx context.Context, runID string, req api.UpdateRunFromAgentRequest) (api.Acknowledgement, error) {
	return Read[api.Acknowledgement](c.raw.UpdateRunFromAgent(ctx, runID, req))
}

// CreateFileArtifact promises a file that a run made; ConfirmFileArtifact lists it once it was sent. See
// UploadArtifact.
func (c *Client) CreateFileArtifact(ctx context.Context, req api.CreateFileArtifactRequest) (api.CreateFileArtifactResponse, error) {
	return Read[api.CreateFileArtifactResponse](c.raw.CreateFileArtifact(ctx, req))
}

// ConfirmFileArtifact lists a file that was sent, whose CRC32C is given in Base64.
func (c *Client) ConfirmFileArtifact(ctx context.Context, uid, crc32c string) (api.ArtifactContent, error) {
	return Read[api.ArtifactContent](c.raw.ConfirmFileArtifact(ctx, uid, api.ConfirmFileArtifactRequest{Crc32c: crc32c}))
}

// UploadArtifact sends a file that a run made, req.SizeBytes long, and lists it.
func (c *Client) UploadArtifact(ctx context.Context, req api.CreateFileArtifactRequest, content io.Reader) (api.ArtifactContent, error) {
	created, err := c.CreateFileArtifact(ctx, req)
	if err != nil {
		return api.ArtifactContent{}, err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := c.Upload(ctx, created.UploadTarget, io.TeeReader(content, sum), req.SizeBytes); err != nil {
		return api.ArtifactContent{}, err
	}
	return c.ConfirmFileArtifact(ctx, created.ArtifactUid, base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum.Sum32())))
}

// Upload sends a file of so many bytes to its target. The key is not sent.
func (c *Client) Upload(ctx context.Context, to api.UploadTarget, content io.Reader, size int64) (api.UploadReceipt, error) {
	if to.Method != api.UploadTargetMethodPUT || len(to.Fields) > 0 {
		return api.UploadReceipt{}, fmt.Errorf("upload: this client sends files by PUT only, not by %s", to.Method)
	}
	u, err := url.Parse(to.Url)
	if err != nil {
		return api.UploadReceipt{}, fmt.Errorf("upload link: %w", err)
	}
	body := io.NopCloser(content) // the caller closes it
	if size == 0 {
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), body)
	if err != nil {
		return api.UploadReceipt{}, fmt.Errorf("upload link: %w", err)
	}
	req.ContentLength = size
	for name, value := range to.Headers {
		req.Header.Set(name, value)
	}
	rsp, err := c.http.Do(req)
	return Read[api.UploadReceipt](rsp, explain(req, err))
}

// HandOver promises files for a run to begin with, and returns the token that names them.
func (c *Client) HandOver(ctx context.Context, files []api.SnapshotFile) (api.HandoffUploadSnapshotResponse, error) {
	return Read[api.HandoffUploadSnapshotResponse](c.raw.UploadHandoffSnapshot(ctx, api.HandoffUploadSnapshotRequest{Files: files}))
}

// HandoffAttachments lists what the next execution of a run would find of its workspace.
func (c *Client) HandoffAttachments(ctx context.Context, runID string) ([]api.HandoffAttachment, error) {
	v, err := Read[api.HandoffAttachmentsResponse](c.raw.ListHandoffAttachments(ctx, runID))
	return v.Attachments, err
}

// Attachments lists the files given to a run, oldest first.
func (c *Client) Attachments(ctx context.Context, runID string) ([]api.RunAttachment, error) {
	v, err := Read[api.ListAttachmentsResponse](c.raw.ListAttachments(ctx, runID))
	return v.Attachments, err
}

// PrepareAttachments promises files for a message to a run.
func (c *Client) PrepareAttachments(ctx context.Context, runID string, files []api.SnapshotFile) ([]api.PreparedAttachment, error) {
	v, err := Read[api.PrepareAttachmentsResponse](c.raw.PrepareAttachments(ctx, runID, api.PrepareAttachmentsRequest{Files: files}))
	return v.Attachments, err
}

// AttachmentLinks returns links to files given to a run, in the order of their ids.
func (c *Client) AttachmentLinks(ctx context.Context, runID string, ids []string) ([]api.AttachmentDownload, error) {
	v, err := Read[api.DownloadAttachmentsResponse](c.raw.DownloadAttachments(ctx, runID, api.DownloadAttachmentsRequest{AttachmentIds: ids}))
	return v.Attachments, err
}

// RenameConversation gives all runs of a conversation a title, and returns it as it is kept.
func (c *Client) RenameConversation(ctx context.Context, conversationID, title string) (string, error) {
	v, err := Read[api.RenameConversationResponse](c.raw.RenameConversation(ctx, conversationID, api.RenameConversationRequest{Title: title}))
	return v.Title, err
}

// BlockSnapshot writes the picture of a conversation's terminal to w and returns its size in bytes.
func (c *Client) BlockSnapshot(ctx context.Context, conversationID string, w io.Writer) (int64, error) {
	u := c.root + api.BasePath + "/agent/conversations/" + url.PathEscape(conversationID) + "/block-snapshot"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return 0, fmt.Errorf("block snapshot: %w", err)
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	rsp, err := c.http.Do(req)
	return save(w)(rsp, explain(req, err))
}
