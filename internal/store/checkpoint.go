package store

import (
	"context"
	"time"
)

// checkpointAfter is how many statements make it worth to copy SQLite's write-ahead log into the
// database, and checkpointPause the least time between two such copies.
const (
	checkpointAfter = 1000
	checkpointPause = 500 * time.Millisecond
)

// noteCommit counts what a committed group executed and wakes the checkpointer when it is enough.
func (db *DB) noteCommit(statements int) {
	if db.dirty.Add(int64(statements)) < checkpointAfter {
		return
	}
	select {
	case db.checkpoint <- struct{}{}:
	default:
	}
}

// checkpointLoop copies the write-ahead log beside the writer, so that commits do not stop for it:
// a passive checkpoint waits for nobody and holds nobody up. Only the writer can let the log start
// over, which its own automatic checkpoint does at walHard pages with little left to copy.
func (db *DB) checkpointLoop() {
	for {
		select {
		case <-db.closing:
			return
		case <-db.checkpoint:
		}
		db.dirty.Store(0)
		// An error leaves the log as it is: longer, but complete. The next round tries again, and
		// whatever is wrong with the disk shows in the writer's commits.
		if _, err := db.reads.ExecContext(context.Background(), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
			db.opts.Logger.Warn("checkpoint of the database", "error", err)
		}
		pause := time.NewTimer(checkpointPause)
		select {
		case <-db.closing:
			pause.Stop()
			return
		case <-pause.C:
		}
	}
}
