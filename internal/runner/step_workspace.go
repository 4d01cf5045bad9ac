package runner

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// workspace makes the directories and fetches the attachments.
func (r *execution) workspace(ctx context.Context) error {
	err := r.phase(ctx, "workspace", "", func(ctx context.Context, _ func(string)) (string, error) {
		at, err := r.cfg.layout()
		if err != nil {
			return "", &stepError{message: "the workspace could not be made: " + err.Error(), advice: "Check the worker's workspace root and its disk space.", code: api.PlatformErrorCodeInternalError, err: err}
		}
		r.at = at
		r.sink.private = at.private
		if r.env, err = r.environment(); err != nil {
			return "", err
		}
		if r.cfg.OwnProcess {
			if err := proc.Adopt(); err != nil {
				r.cfg.Log.Warn("detached processes cannot be adopted", "error", err)
			}
		}
		return r.confinement() + r.guard(), nil
	})
	if err != nil || len(r.assignment.Attachments) == 0 {
		return err
	}
	return r.phase(ctx, "attachments", "", func(ctx context.Context, _ func(string)) (string, error) {
		return "", r.fetchAttachments(ctx)
	})
}

// confinement says in the session what bounds the agent's commands.
func (r *execution) confinement() string {
	switch {
	case r.cfg.Local:
		return "Not confined: commands run as you, in " + r.at.work + "."
	case r.cfg.Confined == "":
		return "Not confined: commands can do what the worker's user can. The kernel has no Landlock, or the worker was told not to use it."
	}
	return "Confined by Landlock (" + r.cfg.Confined + "): writing outside the workspace, caches and temporary files is refused, and so is reading credentials."
}

// guard says in the session how nothing the agent starts outlives the sandbox.
func (r *execution) guard() string {
	switch r.cfg.Guard {
	case api.GuardCgroup:
		return " Guarded by a control group: whatever is still running when the sandbox ends is ended with it."
	case api.GuardMarks:
		return " Guarded by marks that processes inherit: this worker may not make control groups, so a process that sheds every mark on purpose could outlive the sandbox."
	}
	return ""
}

// fetchAttachments downloads the run's files to where the agent can read them.
func (r *execution) fetchAttachments(ctx context.Context) error {
	if err := os.MkdirAll(r.at.attachments, 0o700); err != nil {
		return err
	}
	used := map[string]bool{}
	for _, a := range r.assignment.Attachments {
		name := uniqueName(fileName(a.FileName), used)
		path := filepath.Join(r.at.attachments, name)
		if err := r.download(ctx, a.DownloadUrl, path, attachmentBytes); err != nil {
			return &stepError{message: fmt.Sprintf("attachment %q: %v", a.FileName, err), err: err}
		}
		r.files = append(r.files, harness.Attachment{ID: a.Id, FileName: a.FileName, MimeType: a.MimeType, Path: path})
	}
	return nil
}

// attachmentBytes bounds one attachment.
const attachmentBytes = 64 << 20

// download fetches a link into a new file.
func (r *execution) download(ctx context.Context, link, path string, limit int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = r.client.Download(ctx, link, limit, func() (io.Writer, error) {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return f, f.Truncate(0)
	})
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// fileName makes a name a person gave safe to use in a directory: no separators, nothing that
// hides, at most 200 bytes.
func fileName(name string) string {
	name = filepath.Base(filepath.Clean("/" + strings.ReplaceAll(name, `\`, "/")))
	name = strings.Map(func(c rune) rune {
		if c == '/' || c == utf8.RuneError || !unicode.IsPrint(c) {
			return '_'
		}
		return c
	}, name)
	name = strings.TrimLeft(name, ".-")
	for len(name) > 200 {
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:] // the end holds the extension
	}
	if name == "" {
		return "attachment"
	}
	return name
}

func uniqueName(name string, used map[string]bool) string {
	unique := name
	for i := 2; used[unique]; i++ {
		unique = fmt.Sprintf("%d-%s", i, name)
	}
	used[unique] = true
	return unique
}
