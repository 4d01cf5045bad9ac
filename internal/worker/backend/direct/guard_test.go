package direct_test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// bare starts a process that nothing ties to its runner but what the kernel keeps: forked twice, in a
// session of its own, its environment and files gone. Shedding more comes first.
func bare(pidFile, shed string) string {
	return `cd /; (env -i setsid -f /bin/sh -c '` + shed + `trap "" TERM; echo $$ >` + pidFile + `; while :; do sleep 1; done' </dev/null >/dev/null 2>&1 &)
	while ! test -s ` + pidFile + `; do sleep 0.01; done`
}

// shedMark takes away the mark by which processes are found where there are no control groups. The
// shell of a minimal system cannot.
const shedMark = `ulimit -x 9 || exit; `

// job is a worker of its own process with one deaf runner, from which a process escaped.
type job struct {
	worker    *exec.Cmd
	root, pid string
	runner    int
}

func begin(t *testing.T, guard, escape string) job {
	t.Helper()
	j := job{root: t.TempDir(), pid: filepath.Join(t.TempDir(), "pid")}
	j.worker = exec.Command(os.Args[0], "play", "worker", j.root, guard, j.pid, strings.ReplaceAll(escape, "PIDFILE", j.pid))
	j.worker.Stdout, j.worker.Stderr = os.Stdout, os.Stderr
	if err := j.worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		j.kill(t)
		open(t, direct.Config{Root: j.root}) // leaves nothing in the system's hierarchy
	})
	until(t, "the runner of the worker", exists(j.pid+".ready"))
	told, err := os.ReadFile(j.pid + ".runner")
	if err != nil {
		t.Fatal(err)
	}
	force, pid, _ := strings.Cut(string(told), " ")
	if j.runner, err = strconv.Atoi(pid); err != nil || force != guard {
		t.Fatalf("the runner was told %q, want the guard %q: %v", told, guard, err)
	}
	if !running(j.pid) {
		t.Fatal("no process escaped: nothing to test")
	}
	return j
}

// kill kills the runner and then the worker, so that neither can clear up.
func (j job) kill(t *testing.T) {
	t.Helper()
	if j.worker.ProcessState != nil {
		return
	}
	_ = j.worker.Process.Signal(syscall.SIGSTOP)
	_ = syscall.Kill(j.runner, syscall.SIGKILL)
	_ = j.worker.Process.Kill()
	_ = j.worker.Wait()
}

// guards are the guards this machine can have in force.
func guards(t *testing.T) []string {
	t.Helper()
	groups, err := proc.FindCgroups("cadre-" + rand.Text())
	if err != nil {
		t.Logf("control groups are not tested: %v", err)
		return []string{api.GuardMarks}
	}
	_ = groups.Remove()
	return []string{api.GuardCgroup, api.GuardMarks}
}

// A runner is killed and cannot end what it started: the worker does, whatever that shed.
func TestNothingOutlivesAKilledRunner(t *testing.T) {
	t.Parallel()
	for _, guard := range guards(t) {
		for name, shed := range map[string]string{"bare": "", "markless": shedMark} {
			t.Run(guard+" "+name, func(t *testing.T) {
				t.Parallel()
				shell := bare("PIDFILE", shed)
				if shed != "" {
					shell = strings.Replace(shell, "/bin/sh", "/bin/bash", 1)
				}
				j := begin(t, guard, shell)
				if err := syscall.Kill(j.runner, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				until(t, "the worker to see the end", exists(j.pid+".over"))
				if running(j.pid) {
					t.Error("a process outlived its runner")
				}
				if left := children(j.worker.Process.Pid); len(left) > 0 {
					t.Errorf("children left with the worker: %v", left)
				}
			})
		}
	}
}

func children(pid int) []int {
	pids, _ := proc.Children(pid)
	return pids
}

// A worker and its runner are killed: what is left is ended by the next worker of the root, which
// touches nothing else.
func TestNextWorkerEndsWhatAKilledOneLeft(t *testing.T) {
	t.Parallel()
	for _, guard := range guards(t) {
		for name, escape := range map[string]string{"escaped": escape("PIDFILE"), "bare": bare("PIDFILE", "")} {
			t.Run(guard+" "+name, func(t *testing.T) {
				t.Parallel()
				j, other := begin(t, guard, escape), begin(t, guard, escape)
				j.kill(t)
				other.kill(t)
				if !running(j.pid) {
					t.Fatal("the escaped process did not outlive its worker: nothing to test")
				}
				if err := os.Mkdir(filepath.Join(j.root, "not-a-run"), 0o700); err != nil {
					t.Fatal(err)
				}
				b := open(t, direct.Config{Root: j.root})
				if running(j.pid) {
					t.Error("a process of the dead worker survived")
				}
				if !running(other.pid) {
					t.Error("a process of another worker was ended")
				}
				if err := b.Close(t.Context()); err != nil {
					t.Error(err)
				}
				names := []string{}
				entries, _ := os.ReadDir(j.root)
				for _, e := range entries {
					names = append(names, e.Name())
				}
				if !slices.Equal(names, []string{".lock", "not-a-run"}) {
					t.Errorf("left in the root: %v", names)
				}
			})
		}
	}
}
