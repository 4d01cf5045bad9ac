package e2e

import (
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

func named(host string) func(*worker.Config, *direct.Config) {
	return func(w *worker.Config, b *direct.Config) { w.WorkerID, b.Host = host, host }
}

func asking(r *api.RunAgentRequest) {
	r.Config.Permissions = api.PermissionProfile{Ask: []string{"bash(touch *)"}, Deny: []string{"bash(rm *)"}}
}

func staying(r *api.RunAgentRequest) { r.Config.IdleTimeoutMinutes = minutes(5) }

// TestPermission: a command that needs permission blocks the run until a person allows or denies it;
// one that is denied by the profile is not asked about.
func TestPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	prompt := script(
		say("Look.", bash("ls -a")),
		say("Touch.", bash("touch made && echo it is made")),
		say("Remove.", bash("rm -rf /tmp/nothing")),
		say("The end."),
	)
	id := w.start(prompt, asking)
	request := w.asked(id)
	contains(t, "the request", request.Prompt, "touch made")
	run := w.get(id)
	if run.Waiting.Code != api.WaitingCodePermission || len(w.results(id)) != 1 {
		t.Errorf("waiting %+v with %d results", run.Waiting, len(w.results(id)))
	}
	w.answer(id, request.Id, api.AnswerRequest{Decision: api.AnswerDecisionAllow})
	w.finish(id)
	r := w.results(id)
	contains(t, "the allowed command", r[1].Output, "it is made")
	if r[2].State != api.ActionStateDenied {
		t.Errorf("the command denied by the profile: %+v", r[2])
	}
	if _, err := w.Answer(w.ctx, id, request.Id, api.AnswerRequest{Decision: api.AnswerDecisionDeny}); codeOf(err) != api.PlatformErrorCodeConflict {
		t.Errorf("answered twice: %v", err)
	}

	id = w.start(prompt, asking)
	w.answer(id, w.asked(id).Id, api.AnswerRequest{Decision: api.AnswerDecisionDeny, Text: "Not on my machine."})
	w.finish(id)
	if r := w.results(id)[1]; r.State != api.ActionStateDenied || !strings.Contains(r.Output, "Not on my machine.") {
		t.Errorf("the denied command: %+v", r)
	}
}

// TestQuestion: the agent asks, a person chooses, and the agent is told.
func TestQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(
		say("One question.", call("ask_user", map[string]any{"question": "Which colour?", "options": []string{"red", "blue"}})),
		say("Thank you."),
	))
	request := w.asked(id)
	if request.Kind != api.RequestKindQuestion || len(request.Options) != 2 {
		t.Errorf("request %+v", request)
	}
	w.answer(id, request.Id, api.AnswerRequest{Choices: []string{"blue"}, Text: "like the sky"})
	w.finish(id)
	contains(t, "the answer", w.results(id)[0].Output, "blue", "like the sky")
}

// TestInterrupt stops a long command, and the next message sets the same sandbox going again.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(say("Wait.", bash("echo begun; sleep 300")), say("Never before the message."), say("Heard.")), staying)
	w.until("the command to begin", func() bool { return len(of[api.Action](w, id)) == 1 && w.get(id).State == api.RunStateINPROGRESS })
	if _, err := w.Interrupt(w.ctx, id); err != nil {
		t.Fatal(err)
	}
	run := w.reach(id, api.RunStateBLOCKED)
	if run.Waiting.Code != api.WaitingCodeInterrupted {
		t.Errorf("waits for %+v", run.Waiting)
	}
	if said := w.said(id); strings.Contains(said, "Never") {
		t.Errorf("the agent went on: %s", said)
	}
	w.tell(id, "Go on, please.")
	run = w.reach(id, api.RunStateSUCCEEDED)
	if run.Execution != 1 || !run.IsSandboxRunning {
		t.Errorf("execution %d, sandbox up: %t", run.Execution, run.IsSandboxRunning)
	}
}

// TestFollowUps: a message to a run whose sandbox lives goes there; one to a run without a sandbox
// opens another one, with the workspace and the conversation as they were.
func TestFollowUps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stop := w.work()
	id := w.start(script(
		say("First.", bash("echo kept > notes.txt; export SAME_SHELL=yes; printf 'bin\\0ary' > blob.bin")),
		say("First done."),
		say("Second.", bash("echo shell:$SAME_SHELL; cat notes.txt; echo more >> notes.txt")),
		say("Second done."),
		say("Third.", bash("echo shell:$SAME_SHELL; cat notes.txt; od -c blob.bin | head -1")),
		say("Third done."),
	), staying)
	w.reach(id, api.RunStateSUCCEEDED)
	w.tell(id, "And now the second part.")
	w.until("the second answer", func() bool { return strings.Contains(w.said(id), "Second done.") })
	if run := w.reach(id, api.RunStateSUCCEEDED); run.Execution != 1 {
		t.Errorf("the message to a living sandbox began execution %d", run.Execution)
	}
	contains(t, "the second command", w.results(id)[1].Output, "shell:yes", "kept")

	stop() // the sandbox goes with its worker, after a last snapshot
	w.until("the sandbox to end", func() bool { return !w.get(id).IsSandboxRunning })
	w.tell(id, "And the third.")
	w.work()
	w.until("the third answer", func() bool { return strings.Contains(w.said(id), "Third done.") })
	run := w.reach(id, api.RunStateSUCCEEDED)
	if run.Execution != 2 {
		t.Errorf("execution %d", run.Execution)
	}
	third := w.results(id)[2].Output
	contains(t, "the third command", third, "shell:\n", "kept\nmore", `b   i   n  \0   a   r   y`)
	if n := strings.Count(w.said(id), "First."); n != 1 {
		t.Errorf("the first turn was said %d times", n)
	}
	conversation, err := w.RunConversation(w.ctx, id)
	if err != nil || len(conversation.Steps) == 0 {
		t.Errorf("conversation: %+v, %v", conversation, err)
	}
}

// TestPlanMode: nothing is changed before the plan is approved.
func TestPlanMode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	id := w.start(script(
		say("Too soon.", bash("touch changed")),
		say("My plan.", call("submit_plan", map[string]any{"title": "Touch", "plan": "1. touch the file"})),
		say("As approved.", bash("touch changed && ls")),
		say("Done."),
	), func(r *api.RunAgentRequest) { r.Mode = api.RunModePlan })
	request := w.asked(id)
	if request.Kind != api.RequestKindPlan {
		t.Fatalf("asked %+v", request)
	}
	w.answer(id, request.Id, api.AnswerRequest{Decision: api.AnswerDecisionAllow})
	w.finish(id)
	r := w.results(id)
	if r[0].State != api.ActionStateDenied {
		t.Errorf("changed while planning: %+v", r[0])
	}
	contains(t, "the command after approval", r[len(r)-1].Output, "changed")
}
