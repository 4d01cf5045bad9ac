package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/cadrehq/cadre/internal/proc"
)

// git runs git commands in one repository.
type git struct {
	dir   string
	env   []string
	quiet bool // at a low priority
}

// maxGitOutput bounds what one command may answer: a list of every changed file of a large repository.
const maxGitOutput = 64 << 20

// run returns standard output without its final newline.
func (g git) run(ctx context.Context, args ...string) (string, error) {
	return g.feed(ctx, nil, args...)
}

func (g git) feed(ctx context.Context, stdin io.Reader, args ...string) (string, error) {
	var out limited
	out.left = maxGitOutput
	err := g.pipe(ctx, stdin, &out, args...)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// pipe runs a command with the given ends. Hooks, prompts and background maintenance stay off.
func (g git) pipe(ctx context.Context, stdin io.Reader, stdout io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{
		"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
		"-c", "core.quotePath=false", "-c", "advice.addEmbeddedRepo=false", "-c", "protocol.ext.allow=never",
	}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout = g.dir, g.env, stdin, stdout
	var stderr limited
	stderr.left = 4 << 10
	cmd.Stderr = &stderr
	proc.Group(cmd)
	proc.DieWithParent(cmd, syscall.SIGKILL)
	cmd.Cancel = func() error { return proc.SignalGroup(cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Start()
	if err == nil {
		if g.quiet {
			proc.Yield(cmd.Process.Pid)
		}
		err = cmd.Wait()
	}
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// with returns the same with further variables.
func (g git) with(env ...string) git {
	g.env = append(append([]string(nil), g.env...), env...)
	return g
}

// limited keeps the first bytes written to it and drops the rest.
type limited struct {
	bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.Buffer.Write(p[:n])
	return len(p), nil
}

// errTooLarge ends a command whose output exceeds its file's bound.
type errTooLarge struct{ limit int64 }

func (e errTooLarge) Error() string { return fmt.Sprintf("more than %d bytes", e.limit) }

// fileWriter writes at most limit bytes to a file, then fails.
type fileWriter struct {
	f    *os.File
	left int64
	max  int64
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, errTooLarge{w.max}
	}
	n, err := w.f.Write(p)
	w.left -= int64(n)
	return n, err
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func zeroed(s string) []string {
	s = strings.TrimSuffix(s, "\x00")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}
