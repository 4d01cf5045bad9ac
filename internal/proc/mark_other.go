//go:build !linux

package proc

import "errors"

// Put is not possible on this system.
func (Mark) Put(int) error { return errors.ErrUnsupported }

// MarkOf finds none on this system.
func MarkOf(int) Mark { return 0 }
