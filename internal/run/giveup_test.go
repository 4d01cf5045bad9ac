package run_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

func TestGiveUp(t *testing.T) {
	b := newBench(t, nil)
	r := b.create(api.RunAgentRequest{Prompt: "p"})
	b.pass(2 * time.Hour)
	b.ok(b.s.GiveUp(b.ctx, r.ID, time.Hour)) // it waits in line, not for a worker to exist
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeInLine)
	b.ok(b.s.Explain(b.ctx, r.ID, api.WaitingCodeNoWorker, "No worker serves host local."))
	b.pass(30 * time.Minute)
	b.ok(b.s.GiveUp(b.ctx, r.ID, time.Hour)) // not for as long
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeNoWorker)
	b.pass(30 * time.Minute)
	b.ok(b.s.GiveUp(b.ctx, r.ID, time.Hour))
	got := b.get(r.ID)
	if got.State != api.RunStateFAILED || got.ErrorCode != api.PlatformErrorCodeResourceUnavailable || !got.Retryable ||
		!strings.Contains(got.Message, `host "local"`) || got.Waiting.Code != "" {
		t.Errorf("given up: %+v", got)
	}
	b.ok(b.s.GiveUp(b.ctx, r.ID, time.Hour)) // has no effect any more
	_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "try again"})
	b.ok(err)
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeInLine)
	b.working(r) // a worker takes it as ever
}
