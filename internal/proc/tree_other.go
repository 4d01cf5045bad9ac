//go:build !linux

package proc

import (
	"errors"
	"slices"
	"syscall"
)

// members knows only the roots where there is no /proc to search.
func (t Tree) members(roots []int) []int {
	var found []int
	for _, pid := range roots {
		if !slices.Contains(t.Spare, pid) && syscall.Kill(pid, 0) == nil {
			found = append(found, pid)
		}
	}
	return found
}

// Adopt is not possible on this system.
func Adopt() error { return errors.ErrUnsupported }

// Adopted is false on this system.
func Adopted() bool { return false }

// Orphans finds none on this system.
func Orphans(func(int) bool) []int { return nil }

// Collect does nothing on this system.
func Collect(int) {}

// Carrying finds nothing on this system.
func Carrying(string) map[int]string { return nil }
