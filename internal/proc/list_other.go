//go:build !linux

package proc

// Ticks is of no use where processes cannot be listed.
func Ticks() uint64 { return 0 }

// List finds nothing on this system.
func List() map[int]Process { return nil }

// Children is not ok on this system.
func Children(int) (pids []int, ok bool) { return nil, false }
