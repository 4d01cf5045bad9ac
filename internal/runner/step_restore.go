package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// snapshotBytes bounds a snapshot that is downloaded where the server names no bound.
const snapshotBytes = 2 << 30

// restore brings back what earlier executions of the run left behind, as far as that is possible:
// what is not is told (see resume), and the run goes on.
func (r *execution) restore(ctx context.Context) error {
	own := !r.cfg.Local && r.cfg.Workdir == ""
	r.restored = restoration{}
	defer func() { r.keeper.on = own && !r.cfg.NoSnapshot && !r.assignment.SnapshotDisabled }()
	if r.assignment.SnapshotUrl == "" || !own {
		return nil
	}
	return r.phase(ctx, "restore workspace", "", func(ctx context.Context, _ func(string)) (string, error) {
		path := filepath.Join(r.at.private, "restore.tar.gz")
		defer func() { _ = os.Remove(path) }()
		limit := r.assignment.Limits.MaxBlobBytes
		if limit <= 0 {
			limit = snapshotBytes
		}
		err := r.download(ctx, r.assignment.SnapshotUrl, path, limit)
		var m snapshot.Manifest
		var problems []string
		if err == nil {
			m, problems, err = snapshot.Restore(ctx, path, snapshot.Target{Work: r.at.work, Scratch: r.at.private, Env: r.env})
		}
		if err != nil && ctx.Err() == nil {
			r.restored.problems = append(problems, err.Error())
			return "", nil
		}
		r.restored = restoration{done: err == nil, problems: problems, omitted: m.Omitted}
		return restored(m), err
	})
}

// restoration is what became of the earlier workspace, for resume to tell.
type restoration struct {
	done              bool
	problems, omitted []string
}

func restored(m snapshot.Manifest) string {
	var parts []string
	for _, repo := range m.Repos {
		parts = append(parts, "repository "+repo.Name)
	}
	if m.Files > 0 {
		parts = append(parts, fmt.Sprintf("%d files beside repositories", m.Files))
	}
	if len(parts) == 0 {
		return ""
	}
	return "Restored " + strings.Join(parts, ", ") + "."
}
