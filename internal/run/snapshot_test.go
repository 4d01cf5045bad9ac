package run_test

import (
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
)

// What the next sandbox is told it begins with is what was reported, whichever execution did.
func TestLastSnapshot(t *testing.T) {
	b := newBench(t, nil)
	r := b.create(api.RunAgentRequest{})
	store := func() string {
		t.Helper()
		m, err := b.blobs.Put(b.ctx, blob.Meta{RunID: r.ID, Kind: api.BlobKindSnapshot}, strings.NewReader("work"), 10)
		b.ok(err)
		return m.ID
	}
	want := func(w run.Snapshot) {
		t.Helper()
		if got, err := b.s.LastSnapshot(b.ctx, r.ID); err != nil || got != w {
			t.Errorf("last snapshot %+v, %v, want %+v", got, err, w)
		}
	}
	tok := b.working(r)
	keep := func(blob string, seq int64) {
		t.Helper()
		_, err := b.s.Append(b.ctx, tok, api.RunnerAppendRequest{FirstIndex: 0, SnapshotBlobId: blob, SnapshotSeq: seq})
		b.ok(err)
	}
	want(run.Snapshot{})
	keep("", 2)
	want(run.Snapshot{Seq: 2})
	first := store()
	keep(first, 3)
	want(run.Snapshot{Blob: first, Seq: 3})
	keep(first, 2) // repeated late
	want(run.Snapshot{Blob: first, Seq: 3})
	keep("", 4)
	want(run.Snapshot{Blob: first, Seq: 4})
	keep("", 1000) // nobody has done that yet
	now := b.get(r.ID).LastSeq
	want(run.Snapshot{Blob: first, Seq: now})
	_, err := b.s.Append(b.ctx, tok, api.RunnerAppendRequest{SnapshotSeq: -1})
	wantFailure(t, "negative", err, api.PlatformErrorCodeInvalidRequest, "snapshot_seq")
	wantFailure(t, "negative", b.s.End(b.ctx, tok, api.RunnerEndRequest{SnapshotSeq: -1}), api.PlatformErrorCodeInvalidRequest, "snapshot_seq")

	// Lost, and the next one makes none of its own but says that nothing changed.
	b.ok(b.s.Lost(b.ctx, r.ID, tok.ExecutionID, "its lease ran out"))
	tok = b.working(r)
	want(run.Snapshot{Blob: first, Seq: now})
	keep("", now+1)
	want(run.Snapshot{Blob: first, Seq: now + 1})
	second := store()
	b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "graceful_shutdown", SnapshotBlobId: second, SnapshotSeq: now + 2}))
	want(run.Snapshot{Blob: second, Seq: now + 2})
}
