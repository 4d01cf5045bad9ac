package run

import (
	"context"
	"slices"

	"github.com/cadrehq/cadre/api"
)

// Snapshot is what a run's next sandbox begins with.
type Snapshot struct {
	Blob string // empty: nothing to restore
	// Seq is the entry up to which everything the run did to its workspace is in the blob, or left
	// nothing behind when there is none. 0: nothing was kept.
	Seq int64
}

// LastSnapshot returns the newest workspace snapshot of a run, which is what it began with before it had
// made one.
func (s *Service) LastSnapshot(ctx context.Context, runID string) (Snapshot, error) {
	all, err := s.cfg.History.Executions(ctx, runID)
	if err != nil {
		return Snapshot{}, err
	}
	var last Snapshot
	for _, x := range slices.Backward(all) {
		last.Seq = max(last.Seq, x.SnapshotSeq)
		if x.Snapshot != "" {
			last.Blob = x.Snapshot
			return last, nil
		}
	}
	r, err := s.cfg.Store.Get(ctx, runID)
	if err != nil {
		return Snapshot{}, err
	}
	for _, a := range r.Attachments {
		if a.Workspace {
			last.Blob = a.BlobID
		}
	}
	return last, nil
}

func checkKept(seq int64) error {
	if seq < 0 {
		return api.Invalid("snapshot_seq", "must not be negative")
	}
	return nil
}

// keep notes that the workspace is kept as it was after entry seq: in a new blob, or with none in the
// one before. A runner cannot have kept what nobody has done yet.
func (t *turn) keep(blob string, seq int64) {
	seq = min(seq, t.before.Run.LastSeq)
	if t.exec.Snapshot == blob || blob == "" {
		if seq > t.exec.SnapshotSeq {
			t.touch().SnapshotSeq = seq
		}
		return
	}
	x := t.touch()
	if x.Snapshot != "" {
		// Only the newest one is ever restored, and a working agent makes one every few seconds.
		t.change.Dropped = append(t.change.Dropped, x.Snapshot)
	}
	x.Snapshot, x.SnapshotSeq = blob, seq
}
