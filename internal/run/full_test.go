package run_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// wantFull fails unless the run ended because it stored too much, naming the flag.
func (b *bench) wantFull(id, flag string) {
	b.Helper()
	r := b.wantState(id, api.RunStateFAILED, "")
	variable := "CADRE_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
	if r.ErrorCode != api.PlatformErrorCodeStorageLimitExceeded || r.Live || r.Retryable ||
		!strings.Contains(r.Message, "--"+flag) || !strings.Contains(r.Message, variable) {
		b.Errorf("%s: %q, live %v", r.ErrorCode, r.Message, r.Live)
	}
	b.hears("its sandbox must go", func(n run.Notice) bool { return n.RunID == id && n.Ended })
}

// said counts what an agent is on record with.
func (b *bench) said(id string) (n int64) {
	b.Helper()
	for _, e := range b.entries(id) {
		if e.Type == api.EntryTypeAgentMessage {
			n++
		}
	}
	return n
}

// TestRunThatSaysTooMuchEnds: what fits is kept and counted, the rest is refused, and the run says why.
func TestRunThatSaysTooMuchEnds(t *testing.T) {
	var batch []api.EntryData
	for range 20 {
		batch = append(batch, api.AgentMessage{Text: strings.Repeat("x", 1000)})
	}
	for _, state := range []api.RunState{api.RunStatePENDING, api.RunStateCLAIMED, api.RunStateINPROGRESS, api.RunStateBLOCKED} {
		t.Run(string(state), func(t *testing.T) {
			b := newBench(t, func(c *run.Config) { c.RunEntries = 8 << 10 })
			r, tok := b.in(state, true)
			done := b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED}, batch...)
			if n := done.Execution.NextIndex; n < 4 || n > 7 || b.said(r.ID) != n {
				t.Errorf("%d entries of a kilobyte fit, %d are stored", n, b.said(r.ID))
			}
			b.wantFull(r.ID, "max-run-entries")
			if got := b.get(r.ID).EntryBytes; got < 4<<10 || got > 10<<10 {
				t.Errorf("counted %d bytes", got)
			}
			if _, err := b.append(tok, api.RunnerReport{}, batch[0]); !errors.Is(err, run.ErrFenced) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// TestIdleRunThatSaysTooMuchKeepsItsState: the work was done before.
func TestIdleRunThatSaysTooMuchKeepsItsState(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.RunEntries = 8 << 10 })
	r, tok := b.in(api.RunStateSUCCEEDED, true)
	b.report(tok, api.RunnerReport{}, api.AgentMessage{Text: strings.Repeat("x", 9<<10)})
	if got := b.wantState(r.ID, api.RunStateSUCCEEDED, ""); got.Live || b.said(r.ID) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRunThatOnlyMovesEnds: every move leaves an entry of the server, so reports alone could go on for ever.
func TestRunThatOnlyMovesEnds(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.RunEntries = 8 << 10 })
	r, tok := b.in(api.RunStateINPROGRESS, true)
	for i := 0; b.get(r.ID).Live; i++ {
		if i > 100 {
			t.Fatalf("%d bytes after %d reports", b.get(r.ID).EntryBytes, i)
		}
		state := []api.RunState{api.RunStateBLOCKED, api.RunStateINPROGRESS}[i%2]
		b.report(tok, api.RunnerReport{State: state, Waiting: waitingIn(state)})
	}
	b.wantFull(r.ID, "max-run-entries")
}

// TestFullRunGoesOnUnderAHigherLimit: nothing was lost, and a message is enough.
func TestFullRunGoesOnUnderAHigherLimit(t *testing.T) {
	limit := int64(8 << 10)
	b := newBench(t, func(c *run.Config) { c.RunEntries = limit })
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, api.AgentMessage{Text: "kept"}, api.AgentMessage{Text: strings.Repeat("x", 9<<10)})
	b.wantFull(r.ID, "max-run-entries")
	raised, err := run.NewService(run.Config{
		Store: b.runs, History: b.runs, Log: b.sessions, Leases: idle{}, Environments: b.envs,
		Models: models{}, Blobs: b.blobs, Uploads: b.uploads, Now: b.clock,
	})
	b.ok(err)
	b.s = raised
	_, err = b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "go on"})
	b.ok(err)
	again := b.working(b.get(r.ID))
	b.report(again, api.RunnerReport{State: api.RunStateSUCCEEDED}, api.UserMessage{CommandID: 1}, api.AgentMessage{Text: strings.Repeat("x", 9<<10)})
	b.wantState(r.ID, api.RunStateSUCCEEDED, "")
	if n := b.said(r.ID); n != 2 {
		t.Errorf("said %d times", n)
	}
}

// idle leases nothing: the test has no heartbeats.
type idle struct{}

func (idle) Renew(context.Context, []string, time.Time) ([]string, error) { return nil, nil }

// boundBlobs gives a bench blobs of which a run may store so many bytes.
func boundBlobs(t *testing.T, perRun int64) *bench {
	t.Helper()
	b := newBench(t, nil)
	db := storetest.Open(t, store.Options{})
	var err error
	b.blobs, err = blob.New(blob.Config{Store: store.NewBlobs(db), Log: slog.New(slog.DiscardHandler), URL: "file://" + t.TempDir(), PerRun: perRun})
	b.ok(err)
	b.runs, b.sessions = store.NewRuns(db), store.NewSessions(db)
	b.s, err = run.NewService(run.Config{
		Store: b.runs, History: b.runs, Log: b.sessions, Leases: store.NewDispatch(db), Environments: b.envs,
		Models: models{}, Blobs: b.blobs, Uploads: b.uploads, RunBlobs: perRun, Now: b.clock,
	})
	b.ok(err)
	return b
}

func TestRunThatStoresTooManyBlobsEnds(t *testing.T) {
	b := boundBlobs(t, 64<<10)
	r := b.create(api.RunAgentRequest{Attachments: []api.AttachmentInput{{FileName: "f", Data: []byte("x")}}})
	tok := b.working(r)
	kept, err := b.s.Upload(b.ctx, tok, api.BlobKindOutput, "out", strings.NewReader(strings.Repeat("x", 40<<10)), 1<<20)
	b.ok(err)
	_, err = b.s.Upload(b.ctx, tok, api.BlobKindOutput, "out", strings.NewReader(strings.Repeat("x", 40<<10)), 1<<20)
	wantFailure(t, "a blob too many", err, api.PlatformErrorCodeStorageLimitExceeded, "")
	r = b.wantState(r.ID, api.RunStateFAILED, "")
	if !strings.Contains(r.Message, "64 KiB (--max-run-blobs, CADRE_MAX_RUN_BLOBS") || r.Live || r.BlobBytes != 4<<10+44<<10 {
		t.Errorf("%+v", r)
	}
	_, content, err := b.blobs.Open(b.ctx, kept.ID)
	b.ok(err)
	if all, err := io.ReadAll(content); err != nil || len(all) != 40<<10 {
		t.Errorf("%d bytes of what was acknowledged, %v", len(all), err)
	}
	b.ok(content.Close())
	// A superseded sandbox that goes on trying ends nobody else.
	_, err = b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "go on"})
	b.ok(err)
	_, err = b.s.Upload(b.ctx, tok, api.BlobKindOutput, "out", strings.NewReader(strings.Repeat("x", 40<<10)), 1<<20)
	wantFailure(t, "from the old sandbox", err, api.PlatformErrorCodeStorageLimitExceeded, "")
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeInLine)
}

// TestOnlyTheNewestSnapshotCounts: a working agent's workspace is kept every few seconds, for hours.
func TestOnlyTheNewestSnapshotCounts(t *testing.T) {
	b := boundBlobs(t, 64<<10)
	r := b.create(api.RunAgentRequest{})
	tok := b.working(r)
	var old blob.Meta
	for range 20 {
		m, err := b.s.Upload(b.ctx, tok, api.BlobKindSnapshot, "workspace.tar.gz", strings.NewReader(strings.Repeat("x", 20<<10)), 1<<20)
		b.ok(err)
		_, err = b.s.Append(b.ctx, tok, api.RunnerAppendRequest{SnapshotBlobId: m.ID, SnapshotSeq: 1})
		b.ok(err)
		if old.ID != "" {
			if _, _, err := b.blobs.Open(b.ctx, old.ID); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
				t.Fatalf("a snapshot that was replaced: %v", err)
			}
		}
		old = m
	}
	if got := b.get(r.ID); got.BlobBytes != 24<<10 || got.State != api.RunStateINPROGRESS {
		t.Errorf("%s with %d bytes", got.State, got.BlobBytes)
	}
	if last, err := b.s.LastSnapshot(b.ctx, r.ID); err != nil || last.Blob != old.ID {
		t.Errorf("%+v, %v", last, err)
	}
}
