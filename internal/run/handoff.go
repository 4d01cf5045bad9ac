package run

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxHandoff bounds the files of one caller that wait for a run.
const maxHandoff = 100

// Handoff promises to take files for a run to begin with, and returns the token that names them.
func (s *Service) Handoff(ctx context.Context, actor identity.Actor, files []api.SnapshotFile) (token string, expires time.Time, out []blob.Upload, err error) {
	if err := actor.Check(identity.PermCreate); err != nil {
		return "", time.Time{}, nil, err
	}
	if err := checkFiles(files); err != nil {
		return "", time.Time{}, nil, err
	}
	owner := ownName(actor)
	waiting, err := s.cfg.Uploads.OfOwner(ctx, owner, "", maxHandoff)
	if err != nil {
		return "", time.Time{}, nil, err
	}
	if len(waiting)+len(files) > maxHandoff {
		return "", time.Time{}, nil, api.Fail(api.PlatformErrorCodeResourceUnavailable,
			"%d files of yours wait for a run; at most %d may: start it, or wait until they are dropped", len(waiting), maxHandoff)
	}
	now := s.now()
	token, expires = rand.Text(), now.Add(uploadLife)
	for i, f := range files {
		out = append(out, blob.Upload{
			ID: uuid.NewString(), Owner: owner, Purpose: blob.PurposeHandoff, Batch: token, Name: f.Filename, MimeType: f.MimeType,
			Size: -1, Most: maxFile, State: blob.UploadOpen, ExpiresAt: expires,
			CreatedAt: now.Add(time.Duration(i) * time.Microsecond), // they are found in this order
		})
	}
	return token, expires, out, s.cfg.Uploads.Promise(ctx, out...)
}

// ownName names whose a waiting file is: what a run hands over, only it may use.
func ownName(actor identity.Actor) string {
	if actor.Kind == identity.KindRun {
		return "run:" + actor.RunID
	}
	return "user:" + actor.TeamUID + ":" + actor.UID
}

var handoffToken = regexp.MustCompile(`^[A-Z2-7]{26}$`)

// takeSnapshot makes the files of a token what the run begins with.
func (s *Service) takeSnapshot(ctx context.Context, actor identity.Actor, d *draft, token string) error {
	if token == "" {
		return nil
	}
	unknown := api.Invalid("initial_snapshot_token", "is not known: it was used, has expired, or is another's")
	if !handoffToken.MatchString(token) {
		return unknown
	}
	files, err := s.cfg.Uploads.OfOwner(ctx, ownName(actor), token, maxPerRequest)
	if err != nil {
		return fmt.Errorf("find handed over files: %w", err)
	}
	if len(files) == 0 {
		return unknown
	}
	workspaces := 0
	for _, u := range files {
		if u.BlobID == "" {
			return api.Invalid("initial_snapshot_token", "its file %q has not arrived: PUT it to its target first", u.Name)
		}
		m, err := s.cfg.Blobs.Stat(ctx, u.BlobID)
		if err != nil {
			return fmt.Errorf("find handed over file: %w", err)
		}
		a := Attachment{ID: u.ID, FileName: u.Name, MimeType: u.MimeType, BlobID: u.BlobID, Size: m.Size}
		if u.MimeType == api.WorkspaceType {
			a.Workspace = true
			workspaces++
		}
		d.run.Attachments = append(d.run.Attachments, a)
		d.uploads = append(d.uploads, u.ID)
	}
	if workspaces > 1 {
		return api.Invalid("initial_snapshot_token", "names %d workspaces; a run has one", workspaces)
	}
	return nil
}

// taken says of files that could not be taken over what the caller can do.
func taken(err error) error {
	if errors.Is(err, ErrTaken) {
		return &api.Failure{Code: api.PlatformErrorCodeInvalidRequest, Field: "initial_snapshot_token", Err: err,
			Detail: "initial_snapshot_token: another run began with its files, or they have expired"}
	}
	return err
}
