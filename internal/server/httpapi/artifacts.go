package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// maxPlan bounds a plan's text that is sent inline; see GetArtifact.
const maxPlan = 4 << 20

// ListArtifacts serves GET /agent/runs/{runId}/artifacts.
func (a *API) ListArtifacts(ctx context.Context, req api.ListArtifactsRequestObject) (api.ListArtifactsResponseObject, error) {
	if _, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId); err != nil {
		return nil, err
	}
	all, err := a.cfg.History.Artifacts(ctx, req.RunId)
	if err != nil {
		return nil, err
	}
	items := make([]api.Artifact, 0, len(all[req.RunId]))
	for _, artifact := range all[req.RunId] {
		items = append(items, artifact.Wire())
	}
	return api.ListArtifacts200JSONResponse{Artifacts: items}, nil
}

// GetArtifact serves GET /agent/artifacts/{artifactUid}. Whoever may see the run may see what it
// produced.
func (a *API) GetArtifact(ctx context.Context, req api.GetArtifactRequestObject) (api.GetArtifactResponseObject, error) {
	artifact, err := a.cfg.History.Artifact(ctx, req.ArtifactUid)
	if err != nil {
		return nil, err
	}
	if _, err := a.cfg.Runs.Get(ctx, actorOf(ctx), artifact.RunID); err != nil {
		if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
			return nil, api.NotFound("artifact", req.ArtifactUid) // not the hidden run's id
		}
		return nil, err
	}
	content, err := a.artifactContent(ctx, artifact)
	if err != nil {
		return nil, err
	}
	return api.GetArtifact200JSONResponse(content), nil
}

func (a *API) artifactContent(ctx context.Context, artifact run.Artifact) (api.ArtifactContent, error) {
	data := artifact.Data
	content := api.ArtifactContent{
		ArtifactUid: artifact.UID, ArtifactType: artifact.Type, CreatedAt: artifact.CreatedAt,
		Data: api.ArtifactContentData{
			DocumentUid: data.DocumentUid, NotebookUid: data.NotebookUid, Url: data.Url, Title: data.Title,
			ContentType: data.MimeType, Filepath: data.Filepath, Filename: data.Filename,
			Description: data.Description, SizeBytes: data.SizeBytes,
		},
	}
	if artifact.Type == api.ArtifactTypePLAN {
		return content, a.planContent(ctx, artifact, &content.Data)
	}
	if artifact.BlobID == "" {
		return content, api.Fail(api.PlatformErrorCodeResourceNotFound, "a %s has no content of its own", artifact.Type)
	}
	link, expires := a.blobLink(ctx, artifact.BlobID)
	content.Data.DownloadUrl, content.Data.ExpiresAt = link, &expires
	if content.Data.ContentType == "" {
		content.Data.ContentType = "application/octet-stream"
	}
	return content, nil
}

// planContent puts the plan's text inline, as clients expect.
func (a *API) planContent(ctx context.Context, artifact run.Artifact, data *api.ArtifactContentData) error {
	data.ContentType = "text/markdown"
	if data.DocumentUid == "" {
		data.DocumentUid = artifact.UID
	}
	if data.NotebookUid == "" {
		data.NotebookUid = artifact.UID
	}
	if artifact.BlobID == "" {
		return nil
	}
	_, r, err := a.cfg.Blobs.Open(ctx, artifact.BlobID)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(r, maxPlan))
	if err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	data.Content = strings.ToValidUTF8(string(text), "\uFFFD")
	return nil
}

// ListHandoffAttachments serves GET /agent/runs/{runId}/handoff/attachments.
func (a *API) ListHandoffAttachments(ctx context.Context, req api.ListHandoffAttachmentsRequestObject) (api.ListHandoffAttachmentsResponseObject, error) {
	if _, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId); err != nil {
		return nil, err
	}
	out := api.ListHandoffAttachments200JSONResponse{Attachments: []api.HandoffAttachment{}}
	last, err := a.cfg.Runs.LastSnapshot(ctx, req.RunId)
	if err != nil {
		return nil, err
	}
	if id := last.Blob; id != "" {
		meta, err := a.cfg.Blobs.Stat(ctx, id)
		if err != nil {
			return nil, err
		}
		link, _ := a.blobLink(ctx, id)
		out.Attachments = append(out.Attachments, api.HandoffAttachment{
			AttachmentId: id, DownloadUrl: link, Filename: cmp.Or(meta.Name, "snapshot"), MimeType: meta.MimeType,
		})
	}
	files, err := a.cfg.Runs.SnapshotFiles(ctx, req.RunId)
	for _, u := range files {
		link, _ := a.blobLink(ctx, u.BlobID)
		out.Attachments = append(out.Attachments, api.HandoffAttachment{
			AttachmentId: u.ID, DownloadUrl: link, Filename: u.Name, MimeType: u.MimeType,
		})
	}
	return out, err
}
