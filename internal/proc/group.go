package proc

import (
	"os/exec"
	"syscall"
)

// Group puts the command into a process group of its own, so that signals meant for it reach its
// children and signals meant for us (a terminal's Ctrl-C) do not reach it.
func Group(cmd *exec.Cmd) {
	attributes(cmd).Setpgid = true
}

// Session puts the command into a session of its own, and so into a group: beside what Group does it
// has no terminal, and nothing it starts can come back into our session.
func Session(cmd *exec.Cmd) {
	attributes(cmd).Setsid = true
}

// SignalGroup signals every process of the group that pid leads.
func SignalGroup(pid int, sig syscall.Signal) error { return syscall.Kill(-pid, sig) }

func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	return cmd.SysProcAttr
}
