package shell

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/cadrehq/cadre/internal/proc"
)

// members returns the processes below root or in its session, root excluded, that started at or
// after since (see proc.Ticks). Where processes cannot be listed there are none, and the caller ends
// the shell's whole process group.
func members(root int, since uint64) []int {
	all := proc.List()
	var out []int
	for pid, p := range all {
		if pid != root && !p.Ended && p.Start >= since && (p.Session == root || below(all, pid, root)) {
			out = append(out, pid)
		}
	}
	return out
}

// idle reports that a shell has no process but its own: neither below it nor, when this process
// adopts what detaches itself, anywhere else. It is false where that cannot be told cheaply.
func idle(root int) bool {
	if !proc.Adopted() {
		return false
	}
	ours, ok := proc.Children(os.Getpid())
	if !ok || len(ours) != 1 || ours[0] != root {
		return false
	}
	below, ok := proc.Children(root)
	return ok && len(below) == 0
}

func below(all map[int]proc.Process, pid, root int) bool {
	for range len(all) {
		p, ok := all[pid]
		if !ok || p.Parent <= 1 {
			return false
		}
		if p.Parent == root {
			return true
		}
		pid = p.Parent
	}
	return false
}

// ownSession makes the shell lead a session of its own: no terminal to ask for passwords on, and a
// mark on everything it starts.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
