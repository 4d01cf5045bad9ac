package run_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

func TestLifeOfARun(t *testing.T) {
	b := newBench(t, nil)
	r := b.create(api.RunAgentRequest{Prompt: "\n  Mend the build.\nIt is red."})
	if r.Title != "Mend the build." || r.Host != "local" || r.ConversationID != r.ID || r.LastSeq != 1 {
		t.Fatalf("created %+v", r)
	}
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeInLine)
	b.hears("creation", func(n run.Notice) bool { return n.RunID == r.ID && n.Queued && n.Host == "local" && n.LastSeq == 1 })

	tok := b.assign(r)
	b.wantState(r.ID, api.RunStatePENDING, api.WaitingCodeStarting)
	b.ok(b.s.Claim(b.ctx, r.ID, tok.ExecutionID, b.clock().Add(time.Minute)))
	b.wantState(r.ID, api.RunStateCLAIMED, api.WaitingCodeStarting)
	for range 2 { // a runner may call again
		got, x, err := b.s.Start(b.ctx, tok, api.RunnerStartRequest{Host: "box", Backend: "direct"})
		b.ok(err)
		if got.ID != r.ID || x.State != run.ExecutionStarted || x.Host != "local" || x.Backend != "direct" {
			t.Fatalf("started %+v %+v", got, x)
		}
	}
	b.pass(2 * time.Second)
	b.report(tok, api.RunnerReport{}, api.Phase{Name: "clone", State: api.PhaseCompleted, StartedAt: b.clock(), DurationMS: 1500})
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS})
	b.pass(90 * time.Second)
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED, Message: "Green again."}, api.AgentMessage{Text: "Done."})
	r = b.wantState(r.ID, api.RunStateSUCCEEDED, "")
	if r.Active != 90*time.Second || r.Message != "Green again." || !r.Live || r.EndedAt.IsZero() {
		t.Fatalf("ended %+v", r)
	}

	// A message to the sandbox that still lives.
	b.pass(time.Minute)
	_, err := b.s.FollowUp(b.ctx, bob, r.ID, api.RunFollowupRequest{Message: "And the docs?"})
	b.ok(err)
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
	b.hears("message", func(n run.Notice) bool {
		return n.Command && n.Worker == "conn-1" && !n.Queued && n.ExecutionID == tok.ExecutionID
	})
	if err := b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "completed"}); !errors.Is(err, run.ErrCommandsWait) || !api.LookupCode(api.CodeOf(err)).Retryable {
		t.Fatalf("ended with a message waiting: %v", err)
	}
	waiting, err := b.s.Commands(b.ctx, tok)
	b.ok(err)
	if len(waiting) != 1 || waiting[0].Text != "And the docs?" {
		t.Fatalf("commands %+v", waiting)
	}
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS}, api.UserMessage{Text: "forged", CommandID: waiting[0].ID})
	if m := data[api.UserMessage](t, last(b.entries(r.ID))); m.Text != "And the docs?" || m.Author.Uid != bob.UID {
		t.Fatalf("the message was stored as %+v", m)
	}
	b.pass(30 * time.Second)
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED})
	b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "completed"}))
	b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "completed"}))

	// A message after the sandbox has gone: a new execution.
	_, err = b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "Once more."})
	b.ok(err)
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeInLine)
	second := b.working(r)
	if second.Execution != 2 {
		t.Fatalf("execution %d", second.Execution)
	}
	b.report(second, api.RunnerReport{State: api.RunStateFAILED, ErrorCode: api.PlatformErrorCodeEnvironmentSetupFailed, Message: "no such repository"})
	r = b.wantState(r.ID, api.RunStateFAILED, "")

	item, err := b.s.Item(b.ctx, r)
	b.ok(err)
	if item.RunTime != "PT2M" || item.SessionLink != "https://cadre.example/runs/"+r.ID || !item.IsSandboxRunning ||
		!item.IsRunTypeCancellable || item.StatusMessage.ErrorCode != r.ErrorCode || *item.StatusMessage.Retryable || item.Artifacts == nil {
		t.Errorf("item %+v", item)
	}
	b.wantTimeline(r.ID)
}

func (b *bench) wantTimeline(id string) {
	b.Helper()
	events, err := b.s.Timeline(b.ctx, reader, id)
	b.ok(err)
	var names []string
	for _, e := range events {
		names = append(names, string(e.Kind)+" "+e.Name)
	}
	want := strings.Split("state QUEUED,state PENDING,state CLAIMED,phase clone,state INPROGRESS,state SUCCEEDED,"+
		"state INPROGRESS,state SUCCEEDED,execution ended,state QUEUED,state PENDING,state CLAIMED,state INPROGRESS,state FAILED", ",")
	if diff := cmp.Diff(want, names); diff != "" {
		b.Errorf("timeline: %s", diff)
	}
	if e := events[4]; e.DurationMs != 90_000 || e.Execution != 1 {
		b.Errorf("in progress: %+v", e)
	}
	if e := events[3]; e.DurationMs != 1500 {
		b.Errorf("phase: %+v", e)
	}
	if e := last(events); !e.Error || e.Execution != 2 {
		b.Errorf("failure: %+v", e)
	}
}

func TestCancelByState(t *testing.T) {
	b := newBench(t, nil)
	for _, state := range api.AllRunStates {
		r, tok := b.in(state, true)
		_, err := b.s.Cancel(b.ctx, bob, r.ID)
		switch {
		case state.Ended():
			wantFailure(t, string(state), err, api.PlatformErrorCodeInvalidRequest, "")
		case state == api.RunStatePENDING:
			wantFailure(t, string(state), err, api.PlatformErrorCodeConflict, "")
		default:
			b.ok(err)
			got := b.wantState(r.ID, api.RunStateCANCELLED, "")
			if got.Live || got.Message != "Cancelled by Bob." {
				t.Errorf("%s: %+v", state, got)
			}
			if tok.RunID != "" {
				b.wantKilled(r, tok)
			}
		}
	}
}

// wantKilled checks what a cancelled execution can still do.
func (b *bench) wantKilled(r run.Run, tok identity.Actor) {
	b.Helper()
	b.hears("cancel", func(n run.Notice) bool {
		return n.Cancelled && n.Ended && n.Command && n.ExecutionID == tok.ExecutionID && n.Worker == "conn-1"
	})
	if _, err := b.append(tok, api.RunnerReport{}, api.AgentMessage{Text: "still here"}); !errors.Is(err, run.ErrFenced) {
		b.Errorf("a cancelled execution wrote: %v", err)
	}
	if _, err := b.append(tok, api.RunnerReport{State: api.RunStateFAILED}); err != nil {
		b.Errorf("the late report of a cancelled execution was refused: %v", err)
	}
	b.wantState(r.ID, api.RunStateCANCELLED, "")
	c, err := b.s.Commands(b.ctx, tok)
	b.ok(err)
	if len(c) != 1 || c[0].Kind != api.CommandKindCancel {
		b.Errorf("commands %+v", c)
	}
	if _, cancelled, err := b.s.Heartbeat(b.ctx, tok); err != nil || !cancelled {
		b.Errorf("heartbeat: cancelled %v, %v", cancelled, err)
	}
	m, err := b.blobs.Put(b.ctx, blob.Meta{RunID: r.ID, Kind: api.BlobKindSnapshot}, strings.NewReader("diff"), 10)
	b.ok(err)
	b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{SnapshotBlobId: m.ID}))
	if last, err := b.s.LastSnapshot(b.ctx, r.ID); err != nil || last.Blob != m.ID {
		b.Errorf("snapshot %+v, %v", last, err)
	}
}

func TestLocalRuns(t *testing.T) {
	b := newBench(t, nil)
	r, x, err := b.s.CreateLocal(b.ctx, ada, api.LocalRunRequest{Prompt: "Here."}, "")
	b.ok(err)
	tok := token(r, x)
	b.wantState(r.ID, api.RunStateCLAIMED, api.WaitingCodeStarting)
	_, err = b.s.Cancel(b.ctx, ada, r.ID)
	wantFailure(t, "cancel", err, api.PlatformErrorCodeOperationNotSupported, "")
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS}, api.UserMessage{Text: "typed here"})
	if m := data[api.UserMessage](t, b.entries(r.ID)[1]); m.Author.Uid != ada.UID || m.Text != "typed here" {
		t.Errorf("typed at the machine: %+v", m)
	}
	if until, cancelled, err := b.s.Heartbeat(b.ctx, tok); err != nil || cancelled || !until.After(b.clock()) {
		t.Errorf("heartbeat: %v %v %v", until, cancelled, err)
	}
	b.ok(b.s.Lost(b.ctx, r.ID, x.ID, "no heartbeat"))
	got := b.wantState(r.ID, api.RunStateERROR, "")
	if got.ErrorCode != api.PlatformErrorCodeInfrastructureTimeout {
		t.Errorf("lost: %+v", got)
	}
	_, err = b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "hello?"})
	wantFailure(t, "message to a machine that is gone", err, api.PlatformErrorCodeOperationNotSupported, "")
	if _, _, err := b.s.Heartbeat(b.ctx, tok); !errors.Is(err, run.ErrFenced) {
		t.Errorf("heartbeat after the end: %v", err)
	}
	_, _, err = b.s.CreateLocal(b.ctx, ada, api.LocalRunRequest{Prompt: "x", Source: "API"}, "")
	wantFailure(t, "source", err, api.PlatformErrorCodeInvalidRequest, "source")
}

func TestFollowUpByState(t *testing.T) {
	b := newBench(t, nil)
	for _, live := range []bool{true, false} {
		for _, state := range api.AllRunStates {
			if !live && state.Working() {
				continue
			}
			r, _ := b.in(state, live)
			got, err := b.s.FollowUp(b.ctx, bob, r.ID, api.RunFollowupRequest{Message: "go on", Mode: api.RunModePlan})
			b.ok(err)
			want := state
			if !state.Working() {
				want = api.RunStateQUEUED
				if r.Live {
					want = api.RunStateINPROGRESS
				}
			}
			if got.State != want {
				t.Errorf("%s, live %v: became %s, want %s", state, r.Live, got.State, want)
			}
			c, err := b.runs.Commands(b.ctx, r.ID)
			b.ok(err)
			if i := slices.IndexFunc(c, func(c run.Command) bool { return c.Kind == api.CommandKindFollowUp }); i < 0 || c[i].Text != "go on" || c[i].Mode != api.RunModePlan || c[i].Author.Uid != bob.UID {
				t.Errorf("%s: commands %+v", state, c)
			}
		}
	}
	r, _ := b.in(api.RunStateQUEUED, true)
	for field, req := range map[string]api.RunFollowupRequest{
		"message": {Message: " \n"}, "mode": {Message: "x", Mode: "wild"},
	} {
		_, err := b.s.FollowUp(b.ctx, ada, r.ID, req)
		wantFailure(t, field, err, api.PlatformErrorCodeInvalidRequest, field)
	}
	for _, bad := range []string{"nul\x00", "\xff", strings.Repeat("x", 1<<20+1)} {
		_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: bad})
		wantFailure(t, "hostile text", err, api.PlatformErrorCodeInvalidRequest, "message")
	}
}

func TestMessagesAreBounded(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.MaxWaiting = 3 })
	r := b.create(api.RunAgentRequest{})
	for range 3 {
		_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "more"})
		b.ok(err)
	}
	_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "more"})
	wantFailure(t, "too many", err, api.PlatformErrorCodeResourceUnavailable, "")
}

func TestInterrupt(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	for range 2 {
		_, err := b.s.Interrupt(b.ctx, ada, r.ID)
		b.ok(err)
	}
	c, err := b.s.Commands(b.ctx, tok)
	b.ok(err)
	if len(c) != 1 || c[0].Kind != api.CommandKindInterrupt {
		t.Fatalf("commands %+v", c)
	}
	b.report(tok, api.RunnerReport{State: api.RunStateBLOCKED, Waiting: api.WaitingCodeInterrupted})
	b.wantState(r.ID, api.RunStateBLOCKED, api.WaitingCodeInterrupted)
	if c, err = b.s.Commands(b.ctx, tok); err != nil || len(c) != 0 {
		t.Fatalf("the interrupt was not consumed: %+v, %v", c, err)
	}
	_, err = b.s.Interrupt(b.ctx, ada, r.ID)
	wantFailure(t, "nothing to interrupt", err, api.PlatformErrorCodeInvalidRequest, "")
	queued, _ := b.in(api.RunStateQUEUED, true)
	_, err = b.s.Interrupt(b.ctx, ada, queued.ID)
	wantFailure(t, "not begun", err, api.PlatformErrorCodeConflict, "")
}
