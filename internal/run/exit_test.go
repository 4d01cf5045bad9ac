package run_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
)

// reasons are all failure reasons of the worker protocol, with what becomes of a run that works.
var reasons = map[string]struct {
	state api.RunState
	code  api.PlatformErrorCode
}{
	"unknown":           {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"from the future":   {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"task_timeout":      {api.RunStateERROR, api.PlatformErrorCodeInfrastructureTimeout},
	"task_cancelled":    {api.RunStateQUEUED, ""},
	"graceful_shutdown": {api.RunStateQUEUED, ""},
	"image_pull":        {api.RunStateFAILED, api.PlatformErrorCodeEnvironmentSetupFailed},
	"sidecar_prep":      {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"container_create":  {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"container_start":   {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"container_wait":    {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"container_exit":    {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"container_oom":     {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"workspace_setup":   {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"setup_command":     {api.RunStateFAILED, api.PlatformErrorCodeEnvironmentSetupFailed},
	"agent_invocation":  {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"teardown_command":  {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"dispatch_command":  {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"dispatch_timeout":  {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"cancel_command":    {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"job_create":        {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"job_watch":         {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"job_failed":        {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
	"evicted":           {api.RunStateQUEUED, ""},
	"pod_watch":         {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"unschedulable":     {api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable},
	"volume_mount":      {api.RunStateFAILED, api.PlatformErrorCodeEnvironmentSetupFailed},
	"init_container":    {api.RunStateFAILED, api.PlatformErrorCodeEnvironmentSetupFailed},
	"invalid_image":     {api.RunStateFAILED, api.PlatformErrorCodeEnvironmentSetupFailed},
	"active_deadline":   {api.RunStateERROR, api.PlatformErrorCodeInfrastructureTimeout},
	"cleanup":           {api.RunStateERROR, api.PlatformErrorCodeAgentProcessFailed},
}

func TestExitReasons(t *testing.T) {
	b := newBench(t, nil)
	for reason, want := range reasons {
		r, tok := b.in(api.RunStateINPROGRESS, true)
		b.report(tok, api.RunnerReport{}, api.AgentMessage{Text: "at work"})
		for range 2 { // workers repeat themselves
			b.ok(b.s.Exited(b.ctx, r.ID, tok.ExecutionID, run.Exit{Reason: reason, Message: "exec: bad luck", Code: 1}))
		}
		got := b.get(r.ID)
		if got.State != want.state || got.ErrorCode != want.code || got.Live {
			t.Errorf("%s: %s %s (%s), want %s %s", reason, got.State, got.ErrorCode, got.Message, want.state, want.code)
		}
		if want.code != "" && !strings.Contains(got.Message, "bad luck") {
			t.Errorf("%s: the worker's words are lost: %q", reason, got.Message)
		}
	}
}

func TestExitOfARunAtRest(t *testing.T) {
	b := newBench(t, nil)
	for _, state := range []api.RunState{api.RunStateSUCCEEDED, api.RunStateFAILED, api.RunStateERROR, api.RunStateBLOCKED} {
		for _, e := range []run.Exit{{Clean: true}, {Reason: "container_oom"}, {Cancelled: true}} {
			r, tok := b.in(state, true)
			b.ok(b.s.Exited(b.ctx, r.ID, tok.ExecutionID, e))
			if got := b.get(r.ID); got.State != state || got.Live {
				t.Errorf("%s after %+v: %s, live %v", state, e, got.State, got.Live)
			}
		}
	}
}

func TestCleanExitWithoutReport(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.ok(b.s.Exited(b.ctx, r.ID, tok.ExecutionID, run.Exit{Clean: true}))
	if got := b.wantState(r.ID, api.RunStateERROR, ""); got.ErrorCode != api.PlatformErrorCodeAgentProcessFailed {
		t.Errorf("%+v", got)
	}
	// A message that came too late for a sandbox goes to the next one.
	r, tok = b.in(api.RunStateSUCCEEDED, true)
	_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "one more thing"})
	b.ok(err)
	b.ok(b.s.Exited(b.ctx, r.ID, tok.ExecutionID, run.Exit{Clean: true}))
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeRetrying)
	if c, err := b.s.Commands(b.ctx, b.working(r)); err != nil || len(c) != 1 || c[0].Text != "one more thing" {
		t.Errorf("commands of the next execution %+v, %v", c, err)
	}
}

func TestPlatformFaultsAreRetried(t *testing.T) {
	b := newBench(t, nil)
	r := b.create(api.RunAgentRequest{})
	queued := b.get(r.ID).QueuedAt
	for i := range 4 {
		tok := b.assign(r)
		b.pass(time.Second)
		b.ok(b.s.Exited(b.ctx, r.ID, tok.ExecutionID, run.Exit{Reason: "container_create"}))
		got := b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeRetrying)
		if got.Attempts != i+1 || !got.QueuedAt.Equal(queued) {
			t.Errorf("attempt %d: %+v", i, got)
		}
	}
	tok := b.assign(r)
	b.ok(b.s.Exited(b.ctx, r.ID, tok.ExecutionID, run.Exit{Reason: "container_create"}))
	if got := b.wantState(r.ID, api.RunStateERROR, ""); got.ErrorCode != api.PlatformErrorCodeResourceUnavailable || !got.Retryable {
		t.Errorf("%+v", got)
	}
}

func TestLost(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.MaxAttempts = 2 })
	// Before the agent acted: silently again, but not for ever.
	r := b.create(api.RunAgentRequest{})
	for range 1 {
		tok := b.working(r)
		b.ok(b.s.Lost(b.ctx, r.ID, tok.ExecutionID, "its lease ran out"))
		b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeRetrying)
	}
	tok := b.working(r)
	b.ok(b.s.Lost(b.ctx, r.ID, tok.ExecutionID, "its lease ran out"))
	b.wantState(r.ID, api.RunStateERROR, "")

	// After long work it does not count; after short work it does, with more patience.
	r = b.create(api.RunAgentRequest{})
	lose := func(after time.Duration) run.Run {
		tok := b.working(r)
		b.report(tok, api.RunnerReport{}, api.AgentMessage{Text: "at work"})
		b.pass(after)
		b.ok(b.s.Lost(b.ctx, r.ID, tok.ExecutionID, "its lease ran out"))
		return b.get(r.ID)
	}
	for range 10 {
		if got := lose(2 * time.Minute); got.State != api.RunStateQUEUED || got.Waiting.Code != api.WaitingCodeWorkerLost || got.Attempts != 1 {
			t.Fatalf("lost after long work: %+v", got)
		}
	}
	lost := 0
	for lose(time.Second).State == api.RunStateQUEUED {
		lost++
	}
	if lost != 6 {
		t.Errorf("given up after %d short executions more, want 6", lost)
	}
	kinds := b.types(r.ID)
	ended := 0
	for _, k := range kinds {
		if k == api.EntryTypeExecution {
			ended++
		}
	}
	if ended != 2*b.get(r.ID).Execution {
		t.Errorf("%d execution entries for %d executions", ended, b.get(r.ID).Execution)
	}
}

func TestEndOfAWorkingRun(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "also"})
	b.ok(err)
	m, err := b.blobs.Put(b.ctx, blob.Meta{RunID: r.ID, Kind: api.BlobKindSnapshot}, strings.NewReader("diff"), 10)
	b.ok(err)
	err = b.s.End(b.ctx, tok, api.RunnerEndRequest{SnapshotBlobId: "someone-elses"})
	wantFailure(t, "foreign snapshot", err, api.PlatformErrorCodeInvalidRequest, "snapshot_blob_id")
	b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "graceful_shutdown", SnapshotBlobId: m.ID}))
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeRetrying)
	b.working(r)
	if last, err := b.s.LastSnapshot(b.ctx, r.ID); err != nil || last.Blob != m.ID {
		t.Errorf("snapshot %+v, %v", last, err)
	}
}

func TestAssign(t *testing.T) {
	b := newBench(t, nil)
	r := b.create(api.RunAgentRequest{})
	b.ok(b.s.Explain(b.ctx, r.ID, api.WaitingCodeNoWorker, "No worker serves host local."))
	got := b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeNoWorker)
	b.pass(time.Minute)
	b.ok(b.s.Explain(b.ctx, r.ID, api.WaitingCodeNoWorker, "Still no worker serves host local."))
	if again := b.get(r.ID); !again.Waiting.Since.Equal(got.Waiting.Since) || again.UpdatedAt != got.UpdatedAt {
		t.Errorf("explained again: %+v", again.Waiting)
	}
	tok := b.assign(r)
	if _, _, err := b.s.Assign(b.ctx, r.ID, run.Placement{ExecutionID: "second"}); !errors.Is(err, run.ErrMove) {
		t.Errorf("assigned twice: %v", err)
	}
	b.ok(b.s.Explain(b.ctx, r.ID, api.WaitingCodeNoWorker, "late"))
	b.wantState(r.ID, api.RunStatePENDING, api.WaitingCodeStarting)
	b.ok(b.s.Reject(b.ctx, r.ID, tok.ExecutionID, "worker at maximum concurrency"))
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeAtCapacity)
	tok = b.assign(r)
	until := b.clock().Add(time.Hour)
	b.ok(b.s.Claim(b.ctx, r.ID, tok.ExecutionID, until))
	b.ok(b.s.Claim(b.ctx, r.ID, tok.ExecutionID, b.clock()))
	if x := b.execution(tok); x.State != run.ExecutionClaimed || !x.LeaseUntil.Equal(until) || x.Number != 2 {
		t.Errorf("claimed %+v", x)
	}
	// The claim of another execution may be lost on its way: its runner shows it.
	other := b.create(api.RunAgentRequest{})
	tok = b.assign(other)
	_, _, err := b.s.Start(b.ctx, tok, api.RunnerStartRequest{})
	b.ok(err)
	b.wantState(other.ID, api.RunStateCLAIMED, api.WaitingCodeStarting)
}
