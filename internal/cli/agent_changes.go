package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// maxChanges bounds what is brought along of a repository, in bytes (contract section 5).
const maxChanges = 25 << 20

// bringChanges uploads the repository around dir as it is: the branch that is checked out, what is staged,
// changed and new. It returns the token for a run to begin with that.
func (a *app) bringChanges(ctx context.Context, cl *client.Client, dir string) (token string, err error) {
	scratch, err := os.MkdirTemp("", "cadre-changes-*")
	if err != nil {
		return "", fmt.Errorf("--with-changes: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	top, err := snapshot.Top(ctx, dir, a.Environ())
	if err != nil {
		return "", withHint(fmt.Errorf("--with-changes: %s is in no git repository", dir), "call it in the repository whose changes are to be brought along")
	}
	taken, err := snapshot.Take(ctx, snapshot.Source{Only: top, Scratch: scratch, Env: a.Environ(), At: time.Now()})
	if err != nil {
		return "", fmt.Errorf("--with-changes: %w", err)
	}
	if len(taken.Manifest.Repos) == 0 {
		return "", fmt.Errorf("--with-changes: %s", term.CleanLine(fmt.Sprint(taken.Manifest.Omitted)))
	}
	for _, left := range taken.Manifest.Omitted {
		fmt.Fprintf(a.Stderr, "not brought along: %s\n", term.CleanLine(left))
	}
	f, err := os.Open(taken.Path)
	if err != nil {
		return "", fmt.Errorf("--with-changes: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("--with-changes: %w", err)
	}
	if info.Size() > maxChanges {
		return "", withHint(fmt.Errorf("--with-changes: the changes are %s packed; at most %s can be brought along", size(info.Size()), size(maxChanges)),
			"push the branch and leave --with-changes out, or stash large files")
	}
	err = a.within("bringing changes along", func() error {
		out, err := cl.HandOver(ctx, []api.SnapshotFile{{Filename: "workspace.tar.gz", MimeType: api.WorkspaceType}})
		if err != nil {
			return err
		}
		if len(out.Uploads) != 1 {
			return errors.New("the server named no place to send the changes to")
		}
		token = out.InitialSnapshotToken
		_, err = cl.Upload(ctx, out.Uploads[0], f, info.Size())
		return err
	})
	return token, err
}
