package runner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// snapshotBytes bounds a snapshot that is downloaded where the server names no bound.
const snapshotBytes = 2 << 30

// own reports whether the workspace was made for this run, so that it is kept and brought back.
func (r *execution) own() bool { return !r.cfg.Local && r.cfg.Workdir == "" }

// restore brings back what earlier executions of the run left behind, as far as that is possible:
// what is not is told (see resume), and the run goes on. From then on the workspace is kept.
func (r *execution) restore(ctx context.Context) error {
	r.restored = restoration{}
	defer func() { r.keeper.on = r.own() && !r.cfg.NoSnapshot && !r.assignment.SnapshotDisabled }()
	if r.assignment.SnapshotUrl == "" || !r.own() {
		return nil
	}
	return r.bringBack(ctx, "restore workspace")
}

// bringBack restores the run's snapshot.
func (r *execution) bringBack(ctx context.Context, phase string) error {
	return r.phase(ctx, phase, "", func(ctx context.Context, _ func(string)) (string, error) {
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
		r.restored = restoration{done: err == nil, repos: m.Repos, problems: problems, omitted: m.Omitted}
		return restored(m), err
	})
}

// restoration is what became of the earlier workspace, for resume to tell.
type restoration struct {
	done              bool
	repos             []snapshot.Repository
	problems, omitted []string
}

// brought reports whether all came back, and a repository of the workspace with it.
func (b restoration) brought(name string) bool {
	return b.done && len(b.problems) == 0 && slices.ContainsFunc(b.repos, func(repo snapshot.Repository) bool { return repo.Path == "" && repo.Name == name })
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
