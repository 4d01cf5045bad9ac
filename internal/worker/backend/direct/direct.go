package direct

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/worker/backend"
)

// DefaultRoot is where workspaces are made when nothing else is said.
const DefaultRoot = "/var/lib/cadre/workspaces"

// Config says how tasks are run.
type Config struct {
	// Root is the directory of workspaces. Default DefaultRoot.
	Root string
	// TargetDir, if set, is a directory all tasks share as their workspace. It is never removed.
	TargetDir string
	// Program is the runner. Default this program.
	Program string
	// SetupCommand and TeardownCommand are shell commands run before and after each task, with the
	// worker's own environment. Setup may write NAME=value lines to $OZ_ENVIRONMENT_FILE.
	SetupCommand, TeardownCommand string
	// HookTimeout bounds each of them. Default 10 minutes.
	HookTimeout time.Duration
	// Env is added to the environment of each task, over everything else.
	Env map[string]string
	// HostEnv is the worker's own environment, "NAME=value". Tasks get HOME, PATH and TMPDIR of it.
	HostEnv []string
	// KeepWorkspaces leaves directories in place.
	KeepWorkspaces bool
	// NoConfinement leaves Landlock off.
	NoConfinement bool
	// NoCgroups leaves control groups alone: processes are held together by marks (see guard).
	NoCgroups bool
	// OwnProcess says that this process exists for this worker, and that nothing else in it starts
	// processes in sessions of their own. It then adopts what loses its runner, where it must.
	OwnProcess bool
	// Hide lists paths hidden from confined tasks: the server's data directory, say.
	Hide []string
	// Limits are put on each runner and so on all it starts. The task's instance shape lowers
	// DataBytes further.
	Limits proc.Limits
	// Host is the worker's id, for the runner.
	Host string
	// Log is required.
	Log *slog.Logger
}

// Backend is the direct backend.
type Backend struct {
	cfg   Config
	lock  *os.File
	guard *guard
}

// New makes the backend. Nothing is touched before Open.
func New(cfg Config) (*Backend, error) {
	if cfg.Log == nil {
		return nil, errors.New("direct backend: no logger")
	}
	if cfg.Root == "" {
		cfg.Root = DefaultRoot
	}
	root, err := filepath.Abs(cfg.Root)
	if err != nil {
		return nil, fmt.Errorf("workspace root: %w", err)
	}
	cfg.Root = root
	if cfg.HookTimeout <= 0 {
		cfg.HookTimeout = 10 * time.Minute
	}
	if cfg.Program == "" {
		if cfg.Program, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find this program: %w", err)
		}
	}
	return &Backend{cfg: cfg}, nil
}

// Name implements backend.Backend.
func (b *Backend) Name() string { return "direct" }

// lockName is the lock file below the root. No run is called so.
const lockName = ".lock"

// Open takes the root and ends what a worker that died left running in it.
func (b *Backend) Open(ctx context.Context) error {
	if err := os.MkdirAll(b.cfg.Root, 0o700); err != nil {
		return fmt.Errorf("workspace root: %w", err)
	}
	real, err := filepath.EvalSymlinks(b.cfg.Root)
	if err != nil {
		return fmt.Errorf("workspace root: %w", err)
	}
	b.cfg.Root = real
	lock, err := os.OpenFile(filepath.Join(real, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("workspace root: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return fmt.Errorf("workspace root %s is in use by another worker: %w", real, err)
	}
	b.lock = lock
	b.guard = newGuard(real)
	if err = b.sweep(ctx); err == nil {
		err = b.guard.open(b.cfg)
	}
	if err != nil {
		return errors.Join(err, b.unlock())
	}
	return nil
}

// sweep ends the processes and removes the directories of a worker that died. Only processes that
// carry this root's cookie or mark are touched.
func (b *Backend) sweep(ctx context.Context) error {
	left := proc.Tree{Cookies: []proc.Cookie{b.cookie()}, Marked: b.guard.ofRoot, Spare: []int{os.Getpid()}}
	if n := len(left.Members()); n > 0 {
		b.cfg.Log.Warn("ending processes of a worker that died", "processes", n)
		if err := left.Kill(ctx, time.Second); err != nil {
			return fmt.Errorf("end what an earlier worker left: %w", err)
		}
	}
	// Only now: a runner that was still keeping its workspace had its second.
	if err := b.guard.endLeft(ctx); err != nil {
		return fmt.Errorf("end what an earlier worker left: %w", err)
	}
	if b.cfg.KeepWorkspaces {
		return nil
	}
	entries, err := os.ReadDir(b.cfg.Root)
	if err != nil {
		return fmt.Errorf("workspace root: %w", err)
	}
	for _, e := range entries {
		// Only what looks like ours: a root given by mistake must not be emptied.
		if e.IsDir() && isRunID(e.Name()) {
			if err := removeAll(filepath.Join(b.cfg.Root, e.Name())); err != nil {
				b.cfg.Log.Warn("old workspace not removed", "dir", e.Name(), "error", err)
			}
		}
	}
	return nil
}

func (b *Backend) cookie() proc.Cookie {
	return proc.Cookie{Name: api.EnvWorkerRoot, Value: b.cfg.Root}
}

// isRunID recognises a UUID.
func isRunID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || (!dash && !strings.ContainsRune("0123456789abcdefABCDEF", c)) {
			return false
		}
	}
	return true
}

// Close lets the root go.
func (b *Backend) Close(context.Context) error {
	if b.lock == nil {
		return nil
	}
	b.guard.close()
	return b.unlock()
}

func (b *Backend) unlock() error {
	err := b.lock.Close()
	b.lock = nil
	return err
}

// Start implements backend.Backend.
func (b *Backend) Start(ctx context.Context, t backend.Task) (backend.Sandbox, error) {
	if !isPathName(t.TaskID) || !isPathName(t.ExecutionID) {
		return nil, backend.Fail(backend.ReasonWorkspace, "task id %q or execution id %q cannot name a directory", t.TaskID, t.ExecutionID)
	}
	s := &sandbox{backend: b, task: t, dir: filepath.Join(b.cfg.Root, t.TaskID, t.ExecutionID), began: proc.Ticks(), done: make(chan struct{})}
	if err := s.makeDir(); err != nil {
		return nil, &backend.Error{Reason: backend.ReasonWorkspace, Err: err}
	}
	hold, err := b.guard.hold(t.ExecutionID)
	if err != nil {
		s.remove()
		return nil, &backend.Error{Reason: backend.ReasonWorkspace, Err: err}
	}
	s.hold = hold
	if err = s.setUp(ctx); err == nil {
		err = s.launch(ctx)
	}
	if err != nil {
		s.release()
		s.tearDown()
		s.remove()
		return nil, err
	}
	go s.supervise()
	return s, nil
}

// isPathName reports whether an id can be used as one component of a path.
func isPathName(id string) bool {
	return id != "" && len(id) <= 128 && id[0] != '.' && !strings.ContainsAny(id, "/\\\x00")
}

// removeAll removes a directory even where the agent took away the right to.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}
