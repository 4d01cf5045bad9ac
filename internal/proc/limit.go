package proc

// Limits bound what one process, and every process it starts, may use. A zero member changes nothing
// but NoCore.
type Limits struct {
	// OpenFiles bounds file descriptors per process.
	OpenFiles uint64
	// Processes bounds the processes of the whole user, not of the tree: the kernel counts no better
	// without cgroups. It is for workers whose runs have a user of their own.
	Processes uint64
	// DataBytes bounds the private writable memory of each process.
	DataBytes uint64
	// Core allows core dumps, which otherwise are off: they would hold secrets.
	Core bool
}
