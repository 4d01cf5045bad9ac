package run

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// CreateArtifact promises to take a file that a run made. It is listed once it is confirmed.
func (s *Service) CreateArtifact(ctx context.Context, actor identity.Actor, req api.CreateFileArtifactRequest) (blob.Upload, error) {
	who, err := s.maker(ctx, actor, req)
	if err != nil {
		return blob.Upload{}, err
	}
	kind := api.ArtifactType(orElse(string(req.ArtifactType), string(api.ArtifactTypeFILE)))
	report := api.ArtifactReport{ArtifactType: kind, Data: api.ArtifactData{
		Filepath: req.Filepath, Title: req.Title, Description: req.Description, MimeType: req.MimeType,
	}}
	if err := checkArtifact("", report.Data); err != nil {
		return blob.Upload{}, err
	}
	if err := checkMimeType("mime_type", req.MimeType); err != nil {
		return blob.Upload{}, err
	}
	if req.SizeBytes < 0 || req.SizeBytes > maxFileArtifact {
		return blob.Upload{}, api.Invalid("size_bytes", "must be from 0 to %d", int64(maxFileArtifact))
	}
	report.Blob = "to come"
	if err := completeArtifact("", &report); err != nil {
		return blob.Upload{}, err
	}
	report.Blob = ""
	waiting, err := s.cfg.Uploads.OfRun(ctx, who.run.ID, blob.PurposeArtifact)
	if err != nil {
		return blob.Upload{}, err
	}
	if n := countOpen(waiting); n >= maxArtifacts {
		return blob.Upload{}, api.Fail(api.PlatformErrorCodeResourceUnavailable, "%d artifacts of this run wait to be confirmed", n)
	}
	detail, err := json.Marshal(report)
	if err != nil {
		return blob.Upload{}, fmt.Errorf("encode artifact: %w", err)
	}
	u := s.promise(who, blob.PurposeArtifact, "", report.Data.Filename, req.MimeType, maxFileArtifact)
	u.ID, u.Size, u.Detail = s.cfg.NewID(), req.SizeBytes, string(detail)
	return u, s.cfg.Uploads.Promise(ctx, u)
}

func countOpen(list []blob.Upload) (n int) {
	for _, u := range list {
		if u.State == blob.UploadOpen {
			n++
		}
	}
	return n
}

// maker finds the run that made a file: it, or the newest of its conversation.
func (s *Service) maker(ctx context.Context, actor identity.Actor, req api.CreateFileArtifactRequest) (speaker, error) {
	if req.RunId != "" || req.ConversationId == "" {
		return s.speaker(ctx, actor, req.RunId)
	}
	if err := CheckID("conversation_id", req.ConversationId); err != nil {
		return speaker{}, err
	}
	r, err := s.newest(ctx, actor, req.ConversationId)
	if err != nil {
		return speaker{}, err
	}
	return s.speaker(ctx, actor, r.ID)
}

// ConfirmArtifact lists a file that arrived whole, once, however often it is confirmed.
func (s *Service) ConfirmArtifact(ctx context.Context, actor identity.Actor, uid string, req api.ConfirmFileArtifactRequest) (Artifact, error) {
	notFound := api.NotFound("artifact", clip(uid, 64))
	if uuid.Validate(uid) != nil {
		return Artifact{}, notFound
	}
	u, err := s.cfg.Uploads.Get(ctx, uid)
	if err != nil || u.Purpose != blob.PurposeArtifact {
		if err == nil || api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
			return Artifact{}, notFound
		}
		return Artifact{}, err
	}
	who, err := s.speaker(ctx, actor, u.RunID)
	if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound && err != nil {
		return Artifact{}, notFound
	}
	if err != nil {
		return Artifact{}, err
	}
	if u.BlobID == "" {
		return Artifact{}, api.Invalid("artifact", "its file has not arrived: PUT it to the target first")
	}
	var report api.ArtifactReport
	if err := json.Unmarshal([]byte(u.Detail), &report); err != nil {
		return Artifact{}, fmt.Errorf("read artifact: %w", err)
	}
	sum, err := base64.StdEncoding.DecodeString(req.Crc32c)
	if err != nil || len(sum) != 4 {
		return Artifact{}, api.Invalid("crc32c", "must be four bytes in Base64")
	}
	if binary.BigEndian.Uint32(sum) != u.CRC32C {
		return Artifact{}, api.Invalid("crc32c", "differs from that of the %d bytes that arrived: send the file again", u.Size)
	}
	// Kept before it is listed: a crash between the two leaves a file that nothing lists, never a listed
	// file that is swept.
	if err := s.cfg.Uploads.Close(ctx, u.RunID, u); err != nil {
		return Artifact{}, err
	}
	report.Blob = u.BlobID
	if _, err := s.addArtifact(ctx, who, uid, report); err != nil {
		return Artifact{}, err
	}
	return s.cfg.History.Artifact(ctx, uid)
}
