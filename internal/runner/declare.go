package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// The variables about what a snapshot keeps beside the workspace, without their prefixes; they are
// read from what the runner was started with. A sandbox of its own has the file at declarationsAt.
const (
	declarationsFile   = "SNAPSHOT_DECLARATIONS_FILE"
	declarationsScript = "SNAPSHOT_DECLARATIONS_SCRIPT"
	declarationsAt     = "/tmp/oz/snapshot-declarations.jsonl"
)

// maxDeclarations bounds the file, and what the script may write.
const maxDeclarations = 1 << 20

// prefixed looks a variable up under our prefix and the reference's.
func (r *execution) prefixed(name string) string {
	for _, prefix := range []string{"CADRE_", "OZ_", "WARP_"} {
		if v := value(r.cfg.Environ, prefix+name); v != "" {
			return v
		}
	}
	return ""
}

// declarationsPath is the file that says what is kept beside the workspace. The agent is told of it, and
// may write it. On the direct backend, where /tmp is every run's, each execution has its own.
func (r *execution) declarationsPath() string {
	path := r.prefixed(declarationsFile)
	switch {
	case path == "" && r.cfg.Backend == "direct":
		return filepath.Join(r.at.scratch, "snapshot-declarations.jsonl")
	case path == "":
		return declarationsAt
	case !filepath.IsAbs(path):
		return filepath.Join(r.at.work, path)
	}
	return path
}

// declarations is what is to be kept beside the workspace, by the script and by the file, and what of
// them was not understood. The script is run for snapshots that the work waits for; those taken in the
// background go by what it said last.
func (k *keeper) declarations(ctx context.Context, background bool) (all []snapshot.Declaration, bad []string) {
	r := k.r
	if script := r.prefixed(declarationsScript); script != "" && !background {
		if err := k.runScript(ctx, script); err != nil {
			bad = append(bad, fmt.Sprintf("what the script %s declares: %v", script, err))
		}
	}
	add := func(where string, from io.Reader) {
		more, wrong := snapshot.ReadDeclarations(from)
		all = append(all, more...)
		for _, text := range wrong {
			bad = append(bad, where+": "+text)
		}
	}
	add("what the script declares", bytes.NewReader(k.script))
	path := r.declarationsPath()
	f, err := snapshot.OpenRegular(path)
	if err == nil {
		add(path, io.LimitReader(f, maxDeclarations))
		_ = f.Close()
	} else if !os.IsNotExist(err) {
		bad = append(bad, fmt.Sprintf("what is declared in a file: %v", err))
	}
	return all, bad
}

// runScript runs the script in the workspace. What it writes are declarations.
func (k *keeper) runScript(ctx context.Context, script string) error {
	r := k.r
	out := &head{left: maxDeclarations}
	if _, err := (command{
		name: script, dir: r.at.work, env: r.env, stdout: out, timeout: r.cfg.SnapshotScriptTimeout,
	}).run(ctx); err != nil {
		return err
	}
	k.script = out.Bytes()
	return nil
}

// head keeps the beginning of what is written to it.
type head struct {
	bytes.Buffer
	left int
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.left)
	h.left -= n
	h.Buffer.Write(p[:n])
	return len(p), nil
}
