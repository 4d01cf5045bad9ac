//go:build !faults

package fault

// Here passes the point. Ordinary builds do nothing.
func Here(Point) {}
