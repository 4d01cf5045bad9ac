package direct

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
)

// guard holds the processes of tasks together, so that none outlives its task even when the runner,
// which ends its own, is killed. One of two is in force, as open finds out:
//
//   - control groups, where this worker may make them (root, or a hierarchy delegated to it): one for
//     each execution, killed as a whole;
//   - else marks that processes inherit, and this worker as the adopter of what lost its runner.
//
// Cookies in the environment are searched for under either: they find what a service manager or a
// container engine moved to a group of its own.
type guard struct {
	groups  proc.Cgroups // the zero value: marks are in force
	weak    error        // why, then
	adopts  bool         // what loses its runner becomes a child of this process
	name    string       // of the place of this root's groups
	record  string       // see groupRecord
	family  uint32       // of the marks of this root
	inherit proc.Mark    // what this worker itself was started with
	member  atomic.Uint32

	// starting is held for reading from before a runner starts until it is noted in own, and for
	// writing while orphans are told from runners.
	starting sync.RWMutex
	mu       sync.Mutex
	own      map[int]proc.Mark // runners that were not collected yet, with their marks
}

// groupRecord is the file below the root that names the place of its control groups, for the next
// worker, which may be in another group itself.
const groupRecord = ".cgroup"

func newGuard(root string) *guard {
	sum := sha256.Sum256([]byte(root))
	g := &guard{
		name: fmt.Sprintf("cadre-%x", sum[:8]), record: filepath.Join(root, groupRecord),
		family: binary.LittleEndian.Uint32(sum[:]), inherit: proc.MarkOf(os.Getpid()), own: map[int]proc.Mark{},
	}
	g.member.Store(rand.Uint32())
	return g
}

// open finds the guard to be in force, once nothing of an earlier worker is left.
func (g *guard) open(cfg Config) error {
	if g.weak = errors.New("switched off"); !cfg.NoCgroups {
		g.groups, g.weak = proc.FindCgroups(g.name)
	}
	if g.weak == nil {
		cfg.Log.Info("the processes of each run are held in a control group", "guard", g.kind(), "dir", g.groups.Dir())
		return os.WriteFile(g.record, []byte(g.groups.Dir()+"\n"), 0o600)
	}
	if cfg.OwnProcess {
		g.adopts = proc.Adopt() == nil
	}
	cfg.Log.Info("the processes of runs are found by their marks: no control groups here", "guard", g.kind(), "adopts", g.adopts, "reason", g.weak)
	return nil
}

// endLeft kills and removes the groups of an earlier worker of the root.
func (g *guard) endLeft(ctx context.Context) error {
	dir, err := os.ReadFile(g.record)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if left, ok := proc.LeftCgroups(strings.TrimSpace(string(dir)), g.name); ok {
		if err := errors.Join(left.Kill(ctx), left.Remove()); err != nil {
			return err
		}
	}
	return os.Remove(g.record)
}

// close gives up the place of the control groups. Every task has ended.
func (g *guard) close() {
	if g.enclosing() {
		// One that is not empty is left to the next worker.
		if g.groups.Remove() == nil {
			_ = os.Remove(g.record)
		}
	}
}

func (g *guard) enclosing() bool { return g.groups != proc.Cgroups{} }

// kind is the guard's name for runners (api.EnvSandboxGuard).
func (g *guard) kind() string {
	if g.enclosing() {
		return api.GuardCgroup
	}
	return api.GuardMarks
}

// ofRoot tells the marks of this root.
func (g *guard) ofRoot(m proc.Mark) bool {
	family, _ := m.Family()
	return family == g.family && m != g.inherit
}

// hold is how the processes of one task are held.
type hold struct {
	guard *guard
	group *proc.Cgroup // nil under marks
	mark  proc.Mark
}

// hold makes ready to hold the processes of an execution.
func (g *guard) hold(executionID string) (*hold, error) {
	if !g.enclosing() {
		return &hold{guard: g, mark: proc.MakeMark(g.family, g.member.Add(1))}, nil
	}
	group, err := g.groups.Make("run-" + executionID)
	if err != nil {
		return nil, err
	}
	return &hold{guard: g, group: &group}, nil
}

// start starts the runner by way of begin and holds what it starts. The returned function waits for
// its end.
func (h *hold) start(cmd *exec.Cmd, begin func(*exec.Cmd) (func() error, error)) (wait func() error, err error) {
	g := h.guard
	if h.group != nil {
		entered, err := h.group.Enter(cmd)
		if err != nil {
			return nil, err
		}
		defer entered()
	}
	g.starting.RLock()
	defer g.starting.RUnlock()
	ended, err := begin(cmd)
	if err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	if h.mark != 0 && h.mark.Put(pid) != nil {
		h.mark = 0 // this worker is marked itself and may not change it: cookies and adoption remain
	}
	g.mu.Lock()
	g.own[pid] = h.mark
	g.mu.Unlock()
	return func() error {
		err := ended()
		g.mu.Lock()
		delete(g.own, pid)
		g.mu.Unlock()
		return err
	}, nil
}

// kill ends all that is held, the runner included, where one act does that. It reports whether it did.
func (h *hold) kill(ctx context.Context) bool { return h.group != nil && h.group.Kill(ctx) == nil }

// release ends what is left of the task, whose runner is gone.
func (h *hold) release(ctx context.Context, left proc.Tree) error {
	var err error
	if h.group != nil {
		if populated, known := h.group.Populated(); populated || known != nil {
			err = h.group.Kill(ctx)
		}
		err = errors.Join(err, h.group.Remove())
	}
	if h.mark != 0 {
		left.Marked = func(m proc.Mark) bool { return m == h.mark }
	}
	return errors.Join(err, left.Kill(ctx, 0), h.guard.endOrphans(ctx))
}

// endOrphans ends what runners that are gone left to this process, whatever it shed to get away, and
// collects what has ended of it.
func (g *guard) endOrphans(ctx context.Context) error {
	if !g.adopts {
		return nil
	}
	// What an orphan leaves behind becomes one itself: again, until there is none.
	for range 10 {
		alive := g.orphans()
		if len(alive) == 0 {
			return nil
		}
		if err := (proc.Tree{Roots: alive, Spare: []int{os.Getpid()}}).Kill(ctx, 0); err != nil {
			return err
		}
	}
	return proc.ErrSurvivors
}

// orphans lists the orphans that belong to no execution under way here and to no other root. Those that
// have ended are collected, under the lock: once collected, a pid may be a runner's.
func (g *guard) orphans() (alive []int) {
	g.starting.Lock()
	defer g.starting.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	runs := map[proc.Mark]bool{}
	for _, m := range g.own {
		runs[m] = true
	}
	all := proc.List()
	for _, pid := range proc.Orphans(func(pid int) bool { _, own := g.own[pid]; return own }) {
		if all[pid].Ended {
			proc.Collect(pid)
			continue
		}
		m := proc.MarkOf(pid)
		if m != 0 && m != g.inherit && (runs[m] || !g.ofRoot(m)) {
			continue
		}
		alive = append(alive, pid)
	}
	return alive
}
