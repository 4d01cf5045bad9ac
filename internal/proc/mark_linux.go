package proc

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Put marks a running process; what it starts from then on inherits the mark. Without privilege it
// fails below a process that is marked already.
func (m Mark) Put(pid int) error {
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: uint64(m), Max: uint64(m)}, nil); err != nil {
		return fmt.Errorf("mark a process: %w", err)
	}
	return nil
}

// MarkOf is the mark of a process, 0 when it has none or may not be asked.
func MarkOf(pid int) Mark {
	var limit unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_LOCKS, nil, &limit); err != nil {
		return 0
	}
	if m := Mark(limit.Max); m&markTagMask == markTag {
		return m
	}
	return 0
}
