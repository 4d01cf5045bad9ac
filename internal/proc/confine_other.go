//go:build !linux

package proc

import "os/exec"

// Confinable says that this system confines nothing.
func Confinable() Level { return Level{} }

// Start starts the command, unconfined, and returns how to wait for it.
func (c Confinement) Start(cmd *exec.Cmd) (wait func() error, err error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd.Wait, nil
}
