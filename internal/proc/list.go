package proc

// Process is a process of the machine, as it was when it was looked at.
type Process struct {
	Parent, Session int
	// Start is when it was started, by the clock of Ticks.
	Start uint64
	// Ended is true for one that only waits to be collected by its parent.
	Ended bool
}
