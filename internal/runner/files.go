package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// attachmentBytes bounds one attachment.
const attachmentBytes = 64 << 20

// fetchAttachments downloads the files that came with the run to where the agent can read them.
func (r *execution) fetchAttachments(ctx context.Context) error {
	for _, a := range r.assignment.Attachments {
		if err := r.fetch(ctx, a); err != nil {
			return &stepError{message: fmt.Sprintf("attachment %q: %v", a.FileName, err), err: err}
		}
	}
	return nil
}

// fetch downloads a file under a name that is safe, and that no other has.
func (r *execution) fetch(ctx context.Context, a api.RunnerAttachment) error {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	there := r.files.All()
	names := make([]string, 0, len(there)+1)
	for _, f := range there {
		if f.ID == a.Id {
			return nil
		}
		names = append(names, filepath.Base(f.Path))
	}
	names = api.FileNames(append(names, a.FileName))
	path := filepath.Join(r.files.Dir(), names[len(names)-1])
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := r.download(ctx, a.DownloadUrl, path, attachmentBytes); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	r.files.Add(harness.Attachment{ID: a.Id, FileName: a.FileName, MimeType: a.MimeType, Path: path})
	return nil
}

// withFiles fetches what came with a message before the agent is told it. A file that cannot be had is
// named in the message.
func (r *execution) withFiles(c api.Command) api.Command {
	if len(c.Attachments) == 0 {
		return c
	}
	select {
	case <-r.placed:
	case <-r.life.Done():
		return c
	}
	for _, a := range c.Attachments {
		if err := r.fetch(r.life, a); err != nil {
			c.Text += fmt.Sprintf("\n\n[The attached file %q could not be fetched: %v]", a.FileName, err)
		}
	}
	return c
}
