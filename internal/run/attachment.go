package run

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// storeAttachments keeps the files given with a prompt.
func (s *Service) storeAttachments(ctx context.Context, runID string, in []api.AttachmentInput) ([]Attachment, error) {
	out := make([]Attachment, 0, len(in))
	for _, a := range in {
		m, err := s.cfg.Blobs.Put(ctx, blob.Meta{
			RunID: runID, Kind: api.BlobKindAttachment, Name: a.FileName, MimeType: a.MimeType,
		}, bytes.NewReader(a.Data), int64(len(a.Data)))
		if err != nil {
			return nil, fmt.Errorf("store attachment: %w", err)
		}
		out = append(out, Attachment{ID: s.cfg.NewID(), FileName: a.FileName, MimeType: a.MimeType, BlobID: m.ID, Size: m.Size})
	}
	return out, nil
}

// shown are the files that the agent is to see.
func shown(all []Attachment) []Attachment {
	return slices.DeleteFunc(slices.Clone(all), func(a Attachment) bool { return a.Workspace })
}

func attachmentIDs(all []Attachment) (ids []string) {
	for _, a := range shown(all) {
		ids = append(ids, a.ID)
	}
	return ids
}

// PrepareAttachments promises to take files for a message to a run.
func (s *Service) PrepareAttachments(ctx context.Context, actor identity.Actor, runID string, files []api.SnapshotFile) ([]blob.Upload, error) {
	r, err := s.reach(ctx, actor, runID, identity.PermSteer)
	if err != nil {
		return nil, err
	}
	if err := checkFiles(files); err != nil {
		return nil, err
	}
	there, err := s.cfg.Uploads.OfRun(ctx, r.ID, blob.PurposeAttachment)
	if err != nil {
		return nil, err
	}
	if n := len(there) + len(files); n > maxPerRun {
		return nil, api.Invalid("files", "would be %d of this run; it may have %d", n, maxPerRun)
	}
	now := s.now()
	var out []blob.Upload
	for i, f := range files {
		out = append(out, blob.Upload{
			ID: uuid.NewString(), RunID: r.ID, Owner: ownName(actor), Purpose: blob.PurposeAttachment, Name: f.Filename,
			MimeType: f.MimeType, Size: -1, Most: maxFile, State: blob.UploadOpen, ExpiresAt: now.Add(uploadLife),
			CreatedAt: now.Add(time.Duration(i) * time.Microsecond), // they are listed in this order
		})
	}
	return out, s.cfg.Uploads.Promise(ctx, out...)
}

// Attachments lists the files given to a run, with its prompt and with messages, oldest first. The
// caller has checked that it may be seen.
func (s *Service) Attachments(ctx context.Context, r Run) ([]Attachment, error) {
	out := shown(r.Attachments)
	said, err := s.cfg.Uploads.OfRun(ctx, r.ID, blob.PurposeAttachment)
	if err != nil {
		return nil, err
	}
	for _, u := range said {
		if u.State == blob.UploadClosed {
			out = append(out, attachmentOf(u))
		}
	}
	return out, nil
}

func attachmentOf(u blob.Upload) Attachment {
	return Attachment{ID: u.ID, FileName: u.Name, MimeType: u.MimeType, BlobID: u.BlobID}
}

// FindAttachments returns files given to a run, or prepared for a message to it, by their ids.
func (s *Service) FindAttachments(ctx context.Context, actor identity.Actor, runID string, ids []string) ([]Attachment, error) {
	r, err := s.reach(ctx, actor, runID, identity.PermRead)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 || len(ids) > maxPerRun {
		return nil, api.Invalid("attachment_ids", "must be 1 to %d", maxPerRun)
	}
	all := shown(r.Attachments)
	said, err := s.cfg.Uploads.OfRun(ctx, r.ID, blob.PurposeAttachment)
	if err != nil {
		return nil, err
	}
	for _, u := range said {
		if u.BlobID != "" {
			all = append(all, attachmentOf(u))
		}
	}
	out := make([]Attachment, 0, len(ids))
	for _, id := range ids {
		i := slices.IndexFunc(all, func(a Attachment) bool { return a.ID == id })
		if i < 0 {
			return nil, api.NotFound("attachment", clip(id, 64))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// say makes prepared files final, so that a message may name them.
func (s *Service) say(ctx context.Context, runID string, ids []string) ([]Attachment, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if len(ids) > maxPerRequest {
		return nil, api.Invalid("attachments", "may be at most %d, are %d", maxPerRequest, len(ids))
	}
	prepared, err := s.cfg.Uploads.OfRun(ctx, runID, blob.PurposeAttachment)
	if err != nil {
		return nil, err
	}
	var said []blob.Upload
	out := make([]Attachment, 0, len(ids))
	for i, id := range ids {
		at := slices.IndexFunc(prepared, func(u blob.Upload) bool { return u.ID == id && u.BlobID != "" })
		if at < 0 {
			return nil, api.Invalid(fmt.Sprintf("attachments[%d]", i), "names no file that was sent to this run")
		}
		m, err := s.cfg.Blobs.Stat(ctx, prepared[at].BlobID)
		if err != nil {
			return nil, fmt.Errorf("find attachment: %w", err)
		}
		a := attachmentOf(prepared[at])
		a.Size = m.Size
		said, out = append(said, prepared[at]), append(out, a)
	}
	// Kept before the message is: a crash between the two leaves files that nothing names, which the run
	// lists all the same.
	return out, s.cfg.Uploads.Close(ctx, runID, said...)
}
