package run

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// UploadSnapshot promises to take files of a run's workspace, in the order they are named.
func (s *Service) UploadSnapshot(ctx context.Context, actor identity.Actor, runID string, req api.SnapshotUploadRequest) ([]blob.Upload, error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return nil, err
	}
	if who.run.NoSnapshot {
		return nil, api.Fail(api.PlatformErrorCodeOperationNotSupported, "this run keeps no snapshot")
	}
	purpose := blob.PurposeSnapshot
	switch req.Mode {
	case "", api.SnapshotUploadRequestModeLegacy:
		if req.Generation != "" {
			return nil, api.Invalid("generation", "goes with mode checkpoint only")
		}
	case api.SnapshotUploadRequestModeCheckpoint:
		purpose = blob.PurposeCheckpoint
		if err := checkGeneration(req.Generation); err != nil {
			return nil, err
		}
	default:
		return nil, api.Invalid("mode", "must be legacy or checkpoint")
	}
	if err := checkFiles(req.Files); err != nil {
		return nil, err
	}
	var out []blob.Upload
	for _, f := range req.Files {
		out = append(out, s.promise(who, purpose, req.Generation, f.Filename, f.MimeType, maxFile))
	}
	if err := s.makeRoom(ctx, who, purpose, req.Generation, out); err != nil {
		return nil, err
	}
	err = s.cfg.Uploads.Promise(ctx, out...)
	if errors.Is(err, blob.ErrFinal) {
		return nil, final(err, "this generation is committed")
	}
	return out, err
}

// makeRoom refuses more files than a snapshot may have, and drops those that a newer one has replaced.
func (s *Service) makeRoom(ctx context.Context, who speaker, p blob.Purpose, generation string, more []blob.Upload) error {
	there, err := s.cfg.Uploads.OfRun(ctx, who.run.ID, blob.PurposeSnapshot, blob.PurposeCheckpoint)
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, u := range more {
		ids[u.ID] = true
	}
	if len(ids) < len(more) {
		return api.Invalid("files", "names one file twice")
	}
	_, last := snapshotFiles(there)
	var same, open int
	var stale []string
	for _, u := range there {
		switch {
		case ids[u.ID]:
		case u.Execution < last && u.State != blob.UploadOpen:
			stale = append(stale, u.ID)
		case u.Purpose == p && u.Batch == generation && u.Execution == who.number:
			same++
			fallthrough
		default:
			open++
		}
	}
	if same+len(more) > maxPerRun {
		return api.Invalid("files", "would be %d; a snapshot may have %d", same+len(more), maxPerRun)
	}
	if open+len(more) > maxCheckpoints {
		return api.Fail(api.PlatformErrorCodeResourceUnavailable, "%d files of checkpoints that were not committed wait: commit one, or wait until they are dropped", open)
	}
	return s.drop(ctx, who.run.ID, stale)
}

func (s *Service) drop(ctx context.Context, runID string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	blobs, err := s.cfg.Uploads.Drop(ctx, runID, ids...)
	if err != nil {
		return err
	}
	for _, id := range blobs {
		s.cfg.Blobs.Discard(id)
	}
	return nil
}

// CommitSnapshot makes a checkpoint count, if all of its files have arrived, and drops earlier ones.
func (s *Service) CommitSnapshot(ctx context.Context, actor identity.Actor, runID string, req api.CommitSnapshotRequest) error {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return err
	}
	if err := checkGeneration(req.Generation); err != nil {
		return err
	}
	if len(req.Files) == 0 || len(req.Files) > maxPerRun {
		return api.Invalid("files", "must be 1 to %d", maxPerRun)
	}
	there, err := s.cfg.Uploads.OfRun(ctx, who.run.ID, blob.PurposeCheckpoint)
	if err != nil {
		return err
	}
	var whole []blob.Upload
	var stale []string
	for i, name := range req.Files {
		at := slices.IndexFunc(there, func(u blob.Upload) bool {
			return u.Batch == req.Generation && u.Name == name && u.Execution == who.number && u.BlobID != ""
		})
		if at < 0 {
			return api.Invalid(fmt.Sprintf("files[%d]", i), "has not arrived in generation %s", req.Generation)
		}
		whole = append(whole, there[at])
	}
	if err := s.cfg.Uploads.Close(ctx, who.run.ID, whole...); err != nil {
		return err
	}
	for _, u := range there {
		if u.Batch != req.Generation && u.State == blob.UploadClosed || u.Batch == req.Generation && !slices.Contains(whole, u) {
			stale = append(stale, u.ID)
		}
	}
	return s.drop(ctx, who.run.ID, stale)
}

// SnapshotFiles lists the files of a workspace that an execution of the run uploaded last. The caller
// has checked that the run may be seen.
func (s *Service) SnapshotFiles(ctx context.Context, runID string) ([]blob.Upload, error) {
	there, err := s.cfg.Uploads.OfRun(ctx, runID, blob.PurposeSnapshot, blob.PurposeCheckpoint)
	files, _ := snapshotFiles(there)
	return files, err
}

// snapshotFiles picks what the last execution left that left something: the files of its end, else of
// its last checkpoint.
func snapshotFiles(all []blob.Upload) (files []blob.Upload, execution int) {
	var p blob.Purpose
	for _, u := range all {
		counts := u.State != blob.UploadOpen
		better := u.Execution > execution || u.Execution == execution && p == blob.PurposeCheckpoint && u.Purpose == blob.PurposeSnapshot
		if counts && better {
			execution, p = u.Execution, u.Purpose
		}
	}
	for _, u := range all {
		if u.State != blob.UploadOpen && u.Execution == execution && u.Purpose == p {
			files = append(files, u)
		}
	}
	return files, execution
}

func checkGeneration(s string) error {
	if !generation.MatchString(s) || strings.Contains(s, "__") {
		return api.Invalid("generation", "must be 1 to 128 letters, digits, dots, dashes and single underscores")
	}
	return nil
}

var generation = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
