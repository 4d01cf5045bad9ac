package run_test

import (
	"fmt"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// Two answers may be on their way at once. Each stays deliverable until the agent went on with it, the
// last at the end of the turn, and none takes the place of a message.
func TestOutstandingAnswersAreNoMessages(t *testing.T) {
	b := newBench(t, func(c *run.Config) { c.MaxWaiting = 2 })
	r, tok := b.in(api.RunStateINPROGRESS, true)
	for i := range 3 {
		b.report(tok, api.RunnerReport{}, api.Request{ID: fmt.Sprint("q", i), Kind: api.RequestKindQuestion, Prompt: "?"})
	}
	for i := range 3 {
		_, err := b.s.Answer(b.ctx, ada, r.ID, fmt.Sprint("q", i), api.AnswerRequest{Text: "yes"})
		b.ok(err)
	}
	waiting := func(kind api.CommandKind) (n int) {
		all, err := b.s.Commands(b.ctx, tok)
		b.ok(err)
		for _, c := range all {
			if c.Kind == kind {
				n++
			}
		}
		return n
	}
	for want := 3; want > 1; want-- {
		if n := waiting(api.CommandKindAnswer); n != want {
			t.Errorf("%d answers wait, want %d", n, want)
		}
		b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS})
	}
	for i := range 3 {
		_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "m"})
		if full := i == 2; full != (api.CodeOf(err) == api.PlatformErrorCodeResourceUnavailable && err != nil) {
			t.Errorf("message %d: %v", i, err)
		}
	}
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED})
	if a, m := waiting(api.CommandKindAnswer), waiting(api.CommandKindFollowUp); a != 0 || m != 2 {
		t.Errorf("after the turn %d answers and %d messages wait", a, m)
	}
}
