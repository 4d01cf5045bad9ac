//go:build unix && !linux

package shell

import (
	"os/exec"
	"syscall"
)

// ticksNow is of no use where processes cannot be listed.
func ticksNow() uint64 { return 0 }

// members cannot be listed without /proc; the caller then ends the shell's whole process group.
func members(int, uint64) []int { return nil }

func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
