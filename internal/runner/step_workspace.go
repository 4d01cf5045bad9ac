package runner

import (
	"context"
	"io"
	"os"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
)

// workspace makes the directories and fetches the attachments.
func (r *execution) workspace(ctx context.Context) error {
	err := r.phase(ctx, "workspace", "", func(ctx context.Context, _ func(string)) (string, error) {
		at, err := r.cfg.layout()
		if err != nil {
			return "", &stepError{message: "the workspace could not be made: " + err.Error(), advice: "Check the worker's workspace root and its disk space.", code: api.PlatformErrorCodeInternalError, err: err}
		}
		r.at = at
		if err := os.MkdirAll(at.attachments, 0o700); err != nil {
			return "", err
		}
		r.files.Place(at.attachments)
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
	if err == nil {
		r.place()
	}
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
