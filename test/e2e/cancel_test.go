package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/server"
)

// grace is what an agent may take to leave when cancelled: see world.work.
const grace = 2 * time.Second

// TestCancelKillsTheTree: nothing a run started survives its cancellation, however it detached
// itself.
func TestCancelKillsTheTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	pids := filepath.Join(w.home, ".cache") // commands may write there
	if err := os.MkdirAll(pids, 0o755); err != nil {
		t.Fatal(err)
	}
	note := func(name string) string { return fmt.Sprintf("echo $$ > %s/%s", pids, name) }
	names := []string{"child", "session", "daemon", "bare", "stubborn"}
	id := w.start(script(say("Start.", bash(strings.Join([]string{
		`sh -c '` + note("child") + `; exec sleep 3000' &`,
		`setsid sh -c '` + note("session") + `; exec sleep 3001' &`,
		`(setsid sh -c 'setsid -f sh -c "` + strings.ReplaceAll(note("daemon"), "$", `\$`) + `; cd /; exec sleep 3002"' >/dev/null 2>&1 </dev/null &)`,
		`setsid -f env -i /bin/sh -c '` + note("bare") + `; exec sleep 3003'`,
		`setsid -f sh -c 'trap "" TERM INT HUP; ` + note("stubborn") + `; while :; do sleep 1; done'`,
		`sleep 3004`,
	}, "\n")))))
	t.Cleanup(func() {
		for _, name := range names {
			if pid := readPID(filepath.Join(pids, name)); pid > 0 && alive(pid) {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	})
	w.until("every process to start", func() bool {
		for _, name := range names {
			if readPID(filepath.Join(pids, name)) == 0 {
				return false
			}
		}
		return true
	})
	if err := w.CancelRun(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(grace + time.Second)
	if state := w.get(id).State; state != api.RunStateCANCELLED {
		t.Errorf("state %s", state)
	}
	for _, name := range names {
		pid := readPID(filepath.Join(pids, name))
		for alive(pid) {
			if time.Now().After(deadline) {
				t.Errorf("%s (%d) outlived the cancellation", name, pid)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	w.until("the sandbox to end", func() bool { return !w.get(id).IsSandboxRunning })
}

func readPID(path string) int {
	b, _ := os.ReadFile(path)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

// alive says whether a process runs; one that is only waited for does not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(rest, "Z")
}

// TestCancelStopsSpending: the call a run is making of a model ends at the vendor.
func TestCancelStopsSpending(t *testing.T) {
	t.Parallel()
	vendor := gatewaytest.New(t, "vendor-key", "")
	w := newWorld(t, func(c *server.Config) {
		c.Models.Anthropic = gateway.Vendor{Key: "vendor-key", BaseURL: vendor.URL}
	})
	w.work()
	vendor.Fail(gatewaytest.Fault{StallAfter: 3})
	id := w.start(script(say("A long story that stalls.")), func(r *api.RunAgentRequest) { r.Config.ModelId = "" })
	w.until("the vendor to be called", func() bool { return len(vendor.Requests()) > 0 })
	if err := w.CancelRun(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	select {
	case <-vendor.Aborted():
	case <-time.After(patience):
		t.Fatal("the vendor was left generating")
	}
	w.until("the sandbox to end", func() bool { return !w.get(id).IsSandboxRunning })
	if n := len(vendor.Requests()); n != 1 {
		t.Errorf("%d calls were made", n)
	}
}
