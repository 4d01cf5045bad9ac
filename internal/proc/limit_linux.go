package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Apply sets the limits on a running process; its children inherit them. A limit above what the
// system allows is lowered to that.
func (l Limits) Apply(pid int) error {
	set := func(name string, resource int, value uint64) error {
		var now unix.Rlimit
		if err := unix.Prlimit(pid, resource, nil, &now); err != nil {
			return fmt.Errorf("read limit %s: %w", name, err)
		}
		value = min(value, now.Max)
		if err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, nil); err != nil {
			return fmt.Errorf("set limit %s: %w", name, err)
		}
		return nil
	}
	if !l.Core {
		if err := set("core", unix.RLIMIT_CORE, 0); err != nil {
			return err
		}
	}
	for _, v := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"open files", unix.RLIMIT_NOFILE, l.OpenFiles},
		{"processes", unix.RLIMIT_NPROC, l.Processes},
		{"data", unix.RLIMIT_DATA, l.DataBytes},
	} {
		if v.value == 0 {
			continue
		}
		if err := set(v.name, v.resource, v.value); err != nil {
			return err
		}
	}
	return nil
}
