package shell

import (
	"os"
	"syscall"
)

// ending signals the processes of a command, each once per signal, as they come up.
type ending struct {
	root  int
	since uint64
	sent  map[int]syscall.Signal
}

// signal sends sig to every process of the command that did not get it yet; it reports whether
// there is any left.
func (e *ending) signal(sig syscall.Signal) bool {
	pids := members(e.root, e.since)
	for _, pid := range pids {
		if e.sent[pid] == sig {
			continue
		}
		if e.sent == nil {
			e.sent = map[int]syscall.Signal{}
		}
		e.sent[pid] = sig
		_ = syscall.Kill(pid, sig)
	}
	return len(pids) > 0
}

// killAll ends the shell, its session and its process group at once.
func killAll(root int) {
	if idle(root) {
		_ = syscall.Kill(-root, syscall.SIGKILL)
		return
	}
	// Listed while the shell lives: what left its session is found by descent alone.
	e := ending{root: root}
	busy := e.signal(syscall.SIGKILL)
	_ = syscall.Kill(-root, syscall.SIGKILL)
	if busy {
		// What a process forked between the listing and its end.
		e.signal(syscall.SIGKILL)
	}
}

func signalNumber(st *os.ProcessState) int {
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return int(ws.Signal())
	}
	return 0
}
