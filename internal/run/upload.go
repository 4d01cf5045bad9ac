package run

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// The bounds of uploads (contract section 5), in bytes and files.
const (
	maxFile         = 25 << 20 // of a snapshot, a terminal or an attachment
	maxTranscript   = 64 << 20
	maxFileArtifact = 512 << 20
	maxPerRequest   = 25
	maxPerRun       = 100 // files of one snapshot or checkpoint, and attachments of a run
	maxCheckpoints  = 400 // files of all checkpoints that were not completed or not yet dropped
	maxArtifacts    = 100 // that were not confirmed yet
)

// uploadLife is how long a file may be sent that was promised to be taken.
const uploadLife = time.Hour

// promise is an upload of an execution, under an id that is the same for the same file.
func (s *Service) promise(who speaker, p blob.Purpose, batch, name, mimeType string, most int64) blob.Upload {
	now := s.now()
	id := strings.Join([]string{who.run.ID, string(p), batch, name}, "\n")
	if p == blob.PurposeSnapshot || p == blob.PurposeCheckpoint {
		id += fmt.Sprintf("\n%d", who.number)
	}
	u := blob.Upload{
		ID: uuid.NewSHA1(uuid.NameSpaceURL, []byte(id)).String(), RunID: who.run.ID, Purpose: p, Batch: batch, Name: name,
		MimeType: mimeType, Size: -1, Most: most, State: blob.UploadOpen, CreatedAt: now, ExpiresAt: now.Add(uploadLife),
	}
	if who.execution != "" || p == blob.PurposeSnapshot || p == blob.PurposeCheckpoint {
		u.Execution = who.number
	}
	return u
}

// Conversation keeps in what format the harness of a run has its conversation, and returns the id of
// that: the run's.
func (s *Service) Conversation(ctx context.Context, actor identity.Actor, runID, format string) (string, error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return "", err
	}
	if !formats.MatchString(format) {
		return "", api.Invalid("format", "must be a word such as claude_code_cli, codex_cli or gemini_cli")
	}
	kept, err := s.cfg.Uploads.Format(ctx, who.run.ID, format)
	if err != nil {
		return "", err
	}
	if kept != format {
		return "", final(errOtherFormat, "the run's conversation has the format "+kept)
	}
	return who.run.ConversationID, nil
}

var formats = regexp.MustCompile(`^[a-z0-9_-]{1,64}$`)

var errOtherFormat = errors.New("conversation has another format")

// ofConversation are the files about a conversation as a harness keeps it.
var ofConversation = map[blob.Purpose]struct {
	name string
	most int64
}{
	blob.PurposeTranscript: {"transcript.json", maxTranscript},
	blob.PurposeTerminal:   {"terminal.json", maxFile},
}

// UploadConversation promises to take a harness's transcript, or a picture of its terminal.
func (s *Service) UploadConversation(ctx context.Context, actor identity.Actor, runID, conversationID string, p blob.Purpose) (blob.Upload, error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return blob.Upload{}, err
	}
	if conversationID != who.run.ConversationID {
		return blob.Upload{}, api.NotFound("conversation", clip(conversationID, 64))
	}
	file := ofConversation[p]
	u := s.promise(who, p, "", file.name, "application/json", file.most)
	return u, s.cfg.Uploads.Promise(ctx, u)
}

// HarnessTranscript finds what was uploaded last as the transcript of a run's conversation.
func (s *Service) HarnessTranscript(ctx context.Context, actor identity.Actor, runID string) (blobID string, err error) {
	who, err := s.speaker(ctx, actor, runID)
	if err != nil {
		return "", err
	}
	return s.lastOf(ctx, actor, who.run, blob.PurposeTranscript, "transcript")
}

// Terminal finds what was uploaded last as the picture of a conversation's terminal.
func (s *Service) Terminal(ctx context.Context, actor identity.Actor, conversationID string) (blobID string, err error) {
	if err := CheckID("conversationId", conversationID); err != nil {
		return "", err
	}
	r, err := s.newest(ctx, actor, conversationID)
	if err != nil {
		return "", err
	}
	return s.lastOf(ctx, actor, r, blob.PurposeTerminal, "block snapshot")
}

// maxLooked bounds the runs of a conversation that are asked for a file.
const maxLooked = 10

// lastOf finds a file of a run, else of the latest earlier run of its conversation that has one.
func (s *Service) lastOf(ctx context.Context, actor identity.Actor, r Run, p blob.Purpose, what string) (string, error) {
	runs := []Run{r}
	if r.ConversationID != r.ID {
		q := visible(actor, Query{ConversationID: r.ConversationID, Sort: api.RunSortCreatedAt, Limit: maxLooked})
		page, err := s.cfg.Store.List(ctx, q)
		if err != nil {
			return "", fmt.Errorf("find conversation: %w", err)
		}
		runs = append(runs, page.Runs...)
	}
	for _, r := range runs {
		list, err := s.cfg.Uploads.OfRun(ctx, r.ID, p)
		if err != nil {
			return "", err
		}
		for _, u := range slices.Backward(list) {
			if u.BlobID != "" {
				return u.BlobID, nil
			}
		}
	}
	return "", api.NotFound(what, r.ConversationID)
}

// checkFiles checks what is said of files to come.
func checkFiles(files []api.SnapshotFile) error {
	if len(files) == 0 || len(files) > maxPerRequest {
		return api.Invalid("files", "must be 1 to %d", maxPerRequest)
	}
	for i, f := range files {
		at := fmt.Sprintf("files[%d].", i)
		if f.Filename == "" {
			return api.Invalid(at+"filename", "is required")
		}
		if err := checkWord(at+"filename", f.Filename, blob.MaxName); err != nil {
			return err
		}
		if err := checkMimeType(at+"mime_type", f.MimeType); err != nil {
			return err
		}
	}
	return nil
}

// checkMimeType refuses what no header can hold.
func checkMimeType(field, s string) error {
	if len(s) > 127 || !mimeType.MatchString(s) {
		return api.Invalid(field, "is not a media type")
	}
	return nil
}

var mimeType = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+( *; *[A-Za-z0-9_-]+=[A-Za-z0-9_."-]+)*$`)
