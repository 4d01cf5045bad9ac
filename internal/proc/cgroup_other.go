//go:build !linux

package proc

import (
	"context"
	"errors"
	"os/exec"
)

// FindCgroups finds none on this system.
func FindCgroups(string) (Cgroups, error) { return Cgroups{}, errors.ErrUnsupported }

// Enter is not possible on this system.
func (Cgroup) Enter(*exec.Cmd) (started func(), err error) { return nil, errors.ErrUnsupported }

// Kill is not possible on this system.
func (Cgroup) Kill(context.Context) error { return errors.ErrUnsupported }

// Populated is not known on this system.
func (Cgroup) Populated() (bool, error) { return false, errors.ErrUnsupported }
