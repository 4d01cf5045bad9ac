package proc

import (
	"os/exec"
	"syscall"
)

// DieWithParent has the kernel send sig to the command when this process ends, however it ends. The
// kernel means the thread that started it: the Go runtime ends threads only with goroutines that
// locked them, which nothing here does.
func DieWithParent(cmd *exec.Cmd, sig syscall.Signal) {
	attributes(cmd).Pdeathsig = sig
}
