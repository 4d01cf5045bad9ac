package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strconv"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
)

// target says where an upload is to be sent, until its time is over.
func (a *API) target(ctx context.Context, u blob.Upload) api.UploadTarget {
	return api.UploadTarget{
		Url: a.linkUntil(ctx, api.BasePath+"/uploads/"+u.ID, u.ExpiresAt), Method: api.UploadTargetMethodPUT,
		Headers: map[string]string{"Content-Type": u.MimeType},
	}
}

func (a *API) targets(ctx context.Context, uploads []blob.Upload) []api.UploadTarget {
	out := make([]api.UploadTarget, 0, len(uploads))
	for _, u := range uploads {
		out = append(out, a.target(ctx, u))
	}
	return out
}

// putUpload serves PUT /uploads/{uploadId}: the body is the file.
func (a *API) putUpload(w http.ResponseWriter, r *http.Request) {
	meta, sum, err := a.receive(w, r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, api.UploadReceipt{
		SizeBytes: meta.Size, Crc32c: base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)),
	})
}

func (a *API) receive(w http.ResponseWriter, r *http.Request) (blob.Meta, uint32, error) {
	if err := a.verifyLink(r); err != nil {
		return blob.Meta{}, 0, err
	}
	u, err := a.cfg.Blobs.Upload(r.Context(), r.PathValue("uploadId"))
	if err != nil {
		return blob.Meta{}, 0, err
	}
	if err := a.checkUpload(r, u); err != nil {
		return blob.Meta{}, 0, err
	}
	by := u.RunID
	if by == "" {
		by = u.Owner
	}
	done, err := a.uploads.begin(by)
	if err != nil {
		return blob.Meta{}, 0, err
	}
	defer done()
	body := &sentBody{Reader: deadlineReader{Reader: r.Body, control: http.NewResponseController(w)}}
	meta, sum, err := a.cfg.Blobs.Receive(r.Context(), u, body)
	return meta, sum, uploadFailure(r, u, body, err)
}

// sentBody remembers how a body broke off.
type sentBody struct {
	io.Reader
	broken error
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.broken = err
	}
	return n, err
}

// checkUpload refuses what can be seen to be wrong before the body is read.
func (a *API) checkUpload(r *http.Request, u blob.Upload) error {
	switch {
	case u.State == blob.UploadClosed:
		return fileFinal()
	case r.ContentLength > u.Most:
		return tooLarge(u.Most)
	case u.Size >= 0 && r.ContentLength >= 0 && r.ContentLength != u.Size:
		return api.Invalid("body", "has %d bytes, announced were %d", r.ContentLength, u.Size)
	case u.RunID == "" || u.Execution == 0:
		return nil
	}
	return a.checkWriter(r.Context(), u.RunID, u.Execution)
}

// uploadFailure says what went wrong in the caller's words.
func uploadFailure(r *http.Request, u blob.Upload, body *sentBody, err error) error {
	switch {
	case err == nil:
		return nil
	case r.Context().Err() != nil:
		return context.Canceled
	case body.broken != nil:
		return bodyFailure(body.broken, u.Most)
	case errors.Is(err, blob.ErrFinal):
		return fileFinal()
	case errors.Is(err, blob.ErrFull):
		return api.Fail(api.PlatformErrorCodeStorageLimitExceeded, "the run has stored all it may")
	}
	return err
}

func fileFinal() error {
	no := false
	return &api.Failure{Code: api.PlatformErrorCodeConflict, Detail: "the file is final: it may not be sent again", Retryable: &no, Err: blob.ErrFinal}
}

// getBlockSnapshot serves GET /agent/conversations/{conversationId}/block-snapshot. A sandbox made the
// bytes: nothing but a program may take them for something.
func (a *API) getBlockSnapshot(w http.ResponseWriter, r *http.Request) {
	id, err := a.cfg.Runs.Terminal(r.Context(), actorOf(r.Context()), r.PathValue("conversationId"))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	meta, content, err := a.cfg.Blobs.Open(r.Context(), id)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	defer func() { _ = content.Close() }() // it was only read
	attachment(w, meta.Name, meta.ID)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.FormatInt(meta.Size, 10))
	a.send(w, r, content, meta.ID)
}

// attachments are files given to a run as its runner is told of them.
func (a *API) attachments(ctx context.Context, files []run.Attachment) []api.RunnerAttachment {
	var out []api.RunnerAttachment
	for _, f := range files {
		link, _ := a.blobLink(ctx, f.BlobID)
		out = append(out, api.RunnerAttachment{Id: f.ID, FileName: f.FileName, MimeType: f.MimeType, DownloadUrl: link})
	}
	return out
}

// ListAttachments serves GET /agent/runs/{runId}/attachments.
func (a *API) ListAttachments(ctx context.Context, req api.ListAttachmentsRequestObject) (api.ListAttachmentsResponseObject, error) {
	r, err := a.cfg.Runs.Get(ctx, actorOf(ctx), req.RunId)
	if err != nil {
		return nil, err
	}
	files, err := a.cfg.Runs.Attachments(ctx, r)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.FileName
	}
	out := api.ListAttachments200JSONResponse{Attachments: []api.RunAttachment{}}
	for i, name := range api.FileNames(names) {
		link, _ := a.blobLink(ctx, files[i].BlobID)
		out.Attachments = append(out.Attachments, api.RunAttachment{
			FileId: files[i].ID, Filename: name, DownloadUrl: link, MimeType: files[i].MimeType,
		})
	}
	return out, nil
}

// PrepareAttachments serves POST /agent/runs/{runId}/attachments/prepare.
func (a *API) PrepareAttachments(ctx context.Context, req api.PrepareAttachmentsRequestObject) (api.PrepareAttachmentsResponseObject, error) {
	uploads, err := a.cfg.Runs.PrepareAttachments(ctx, actorOf(ctx), req.RunId, req.Body.Files)
	if err != nil {
		return nil, err
	}
	out := api.PrepareAttachments200JSONResponse{Attachments: []api.PreparedAttachment{}}
	for _, u := range uploads {
		target := a.target(ctx, u)
		out.Attachments = append(out.Attachments, api.PreparedAttachment{AttachmentId: u.ID, UploadUrl: target.Url, UploadTarget: target})
	}
	return out, nil
}

// DownloadAttachments serves POST /agent/runs/{runId}/attachments/download.
func (a *API) DownloadAttachments(ctx context.Context, req api.DownloadAttachmentsRequestObject) (api.DownloadAttachmentsResponseObject, error) {
	files, err := a.cfg.Runs.FindAttachments(ctx, actorOf(ctx), req.RunId, req.Body.AttachmentIds)
	if err != nil {
		return nil, err
	}
	out := api.DownloadAttachments200JSONResponse{Attachments: []api.AttachmentDownload{}}
	for _, f := range files {
		link, _ := a.blobLink(ctx, f.BlobID)
		out.Attachments = append(out.Attachments, api.AttachmentDownload{AttachmentId: f.ID, DownloadUrl: link})
	}
	return out, nil
}

// UploadHandoffSnapshot serves POST /agent/handoff/upload-snapshot.
func (a *API) UploadHandoffSnapshot(ctx context.Context, req api.UploadHandoffSnapshotRequestObject) (api.UploadHandoffSnapshotResponseObject, error) {
	token, expires, uploads, err := a.cfg.Runs.Handoff(ctx, actorOf(ctx), req.Body.Files)
	if err != nil {
		return nil, err
	}
	return api.UploadHandoffSnapshot200JSONResponse{InitialSnapshotToken: token, ExpiresAt: expires, Uploads: a.targets(ctx, uploads)}, nil
}
