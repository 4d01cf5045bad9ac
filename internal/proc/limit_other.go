//go:build !linux

package proc

// Apply does nothing where limits of another process cannot be set.
func (l Limits) Apply(int) error { return nil }
