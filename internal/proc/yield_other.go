//go:build !linux

package proc

// Yield does nothing here.
func Yield(int) {}
