package oz_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz"
)

const workScript = `
- reasoning: First look.
  text: Let me see.
  tool_calls:
    - {name: bash, input: {command: "echo one >>log; echo hi"}}
- tool_calls:
    - {name: write_file, input: {path: a.txt, content: "alpha\nbeta\n"}}
    - {name: bash, input: {command: "echo two >>log"}}
    - {name: read_file, input: {path: a.txt}}
    - {name: grep, input: {pattern: bet.}}
- tool_calls:
    - {name: edit_file, input: {path: a.txt, old_text: beta, new_text: gamma}}
    - {name: update_plan, input: {items: [{title: Edit, status: completed}]}}
- tool_calls:
    - {name: bash, input: {command: "echo three >>log; exit 3"}}
- tool_calls:
    - {name: report_artifact, input: {type: file, path: a.txt, title: Result}}
- text: All done.
`

func TestWholeRunOnEveryWire(t *testing.T) {
	t.Parallel()
	for _, wire := range []api.ModelWire{api.ModelWireAnthropicMessages, api.ModelWireOpenaiResponses, api.ModelWireOpenaiChat} {
		t.Run(string(wire), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "do it", workScript)
			r.session.Assignment.Model.Wire = wire
			if wire != api.ModelWireAnthropicMessages {
				r.session.Assignment.Model.BaseUrl += "/v1"
			}
			a := r.start()
			r.turn(a, api.RunStateSUCCEEDED)
			if got := r.file("log"); got != "one\ntwo\nthree\n" {
				t.Errorf("log %q", got)
			}
			if got := r.file("a.txt"); got != "alpha\ngamma\n" {
				t.Errorf("a.txt %q", got)
			}
			checkRecord(t, r)
			n := len(r.record.history())
			r.turn(a, api.RunStateSUCCEEDED)
			if len(r.record.history()) != n {
				t.Error("a turn with nothing to do changed the record")
			}
		})
	}
}

func checkRecord(t *testing.T, r *rig) {
	t.Helper()
	results := of[api.ActionResult](r)
	var states []string
	for _, res := range results {
		states = append(states, res.Name+":"+string(res.State))
	}
	want := "bash:completed write_file:completed bash:completed read_file:completed grep:completed edit_file:completed update_plan:completed bash:failed report_artifact:completed"
	if got := strings.Join(states, " "); got != want {
		t.Errorf("results\n got %s\nwant %s", got, want)
	}
	if results[0].Output != "hi\n" || !strings.Contains(results[3].Output, "beta") || !strings.Contains(results[4].Output, "a.txt:2:beta") {
		t.Errorf("outputs %+v", results)
	}
	if !strings.Contains(string(results[5].Detail), `-beta\n+gamma`) {
		t.Errorf("detail %s", results[5].Detail)
	}
	if results[7].ExitCode == nil || *results[7].ExitCode != 3 {
		t.Errorf("exit code %+v", results[7])
	}
	art := of[api.ArtifactReport](r)
	if len(art) != 1 || string(r.record.blobs[art[0].Blob]) != "alpha\ngamma\n" || art[0].Data.Filename != "a.txt" {
		t.Errorf("artifact %+v", art)
	}
	if p := of[api.Plan](r); len(p) != 1 || p[0].Items[0].Title != "Edit" {
		t.Errorf("plan %+v", p)
	}
	usage := of[api.Usage](r)
	if len(usage) != 6 || usage[0].OutputTokens == 0 {
		t.Errorf("usage %+v", usage)
	}
	checkDeltas(t, r)
}

// checkDeltas joins the fragments of every key and compares them with the entry of that key.
func checkDeltas(t *testing.T, r *rig) {
	t.Helper()
	joined := map[string]string{}
	for _, d := range r.record.deltas {
		if int(d.Offset) != len(joined[d.Key]) {
			t.Fatalf("delta of %s at %d after %d bytes", d.Key, d.Offset, len(joined[d.Key]))
		}
		joined[d.Key] += d.Text
	}
	for _, m := range of[api.AgentMessage](r) {
		if joined[m.Key] != m.Text {
			t.Errorf("deltas of %s are %q, the entry says %q", m.Key, joined[m.Key], m.Text)
		}
	}
	for _, res := range of[api.ActionResult](r) {
		if res.Name == "bash" && !strings.HasPrefix(res.Output, joined[res.Key]) {
			t.Errorf("deltas of %s are %q, the entry says %q", res.Key, joined[res.Key], res.Output)
		}
	}
}

// TestResumeAtEveryEntry loses the sandbox after each entry and lets another one continue.
func TestResumeAtEveryEntry(t *testing.T) {
	t.Parallel()
	whole := newRig(t, "do it", workScript)
	whole.turn(whole.start(), api.RunStateSUCCEEDED)
	all := whole.record.history()
	for cut := 1; cut <= len(all); cut++ {
		t.Run(fmt.Sprintf("%02d_%s", cut, all[cut-1].Type), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "do it", workScript)
			r.record.entries = append([]api.Entry(nil), all[:cut]...)
			r.session.Assignment.Execution, r.session.Assignment.LastSeq = 2, int64(cut)
			r.write("a.txt", "alpha\nbeta\n") // as a snapshot would hold it
			finished := map[string]bool{}
			for _, res := range of[api.ActionResult](r) {
				finished[res.ActionID] = true
			}
			r.turn(r.start(), api.RunStateSUCCEEDED)
			log := r.file("log")
			for _, act := range of[api.Action](r) {
				if !finished[act.ID] || act.Name != "bash" {
					continue
				}
				for _, word := range []string{"one", "two", "three"} {
					if strings.Contains(string(act.Input), word) && strings.Contains(log, word) {
						t.Errorf("finished %s was repeated: log %q", act.Input, log)
					}
				}
			}
			checkPairs(t, r)
		})
	}
}

// checkPairs looks at every request the model got: each call is followed by exactly one result.
func checkPairs(t *testing.T, r *rig) {
	t.Helper()
	results := map[string]int{}
	for _, res := range of[api.ActionResult](r) {
		results[res.ActionID]++
	}
	for _, act := range of[api.Action](r) {
		if results[act.ID] != 1 {
			t.Errorf("action %s has %d results", act.ID, results[act.ID])
		}
	}
	for _, req := range r.vendor.Requests() {
		var body struct {
			Messages []struct {
				Role    string
				Content json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(req.Body), &body); err != nil {
			t.Fatal(err)
		}
		var open []string
		for i, m := range body.Messages {
			var blocks []struct {
				Type      string
				ID        string
				ToolUseID string `json:"tool_use_id"`
			}
			_ = json.Unmarshal(m.Content, &blocks)
			var answered []string
			for _, b := range blocks {
				if b.Type == "tool_result" {
					answered = append(answered, b.ToolUseID)
				}
			}
			if fmt.Sprint(open) != fmt.Sprint(answered) {
				t.Fatalf("message %d answers %v, open are %v\n%s", i, answered, open, req.Body)
			}
			open = nil
			for _, b := range blocks {
				if b.Type == "tool_use" {
					open = append(open, b.ID)
				}
			}
		}
	}
}

func TestLostActionIsToldNotRepeated(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: echo x >>log}}]\n- text: done")
	r.add(api.Action{ID: "c1", Turn: 1, Category: api.ActionCategoryCommand, Name: "bash", Input: json.RawMessage(`{"command":"echo x >>log"}`)},
		api.Usage{Turn: 1, ModelID: "scripted"})
	r.turn(r.start(), api.RunStateSUCCEEDED)
	res := of[api.ActionResult](r)
	if len(res) != 1 || res[0].State != api.ActionStateFailed || !strings.Contains(res[0].Output, "sandbox was lost") {
		t.Errorf("result %+v", res)
	}
	if r.file("log") != "" {
		t.Error("the action was repeated")
	}
}

const askScript = `
- tool_calls:
    - {name: bash, input: {command: echo safe >>log}}
    - {name: bash, input: {command: "cd . && rm -f x; echo risky >>log"}}
    - {name: bash, input: {command: echo after >>log}}
- tool_calls: [{name: bash, input: {command: rm -f y}}]
- text: done
`

func TestPermissionBlocksUntilAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		answer   api.RunAnswer
		log      string
		second   bool // the second rm is asked about again
		restart  bool // the sandbox ended while the run waited
		recorded bool // the answer is in the history, not in the inbox
	}{
		{"allow", api.RunAnswer{Decision: api.AnswerDecisionAllow}, "safe\nrisky\nafter\n", true, false, false},
		{"allow always", api.RunAnswer{Decision: api.AnswerDecisionAllowAlways}, "safe\nrisky\nafter\n", false, false, false},
		{"deny", api.RunAnswer{Decision: api.AnswerDecisionDeny, Text: "too risky"}, "safe\nafter\n", true, false, false},
		{"allow after restart", api.RunAnswer{Decision: api.AnswerDecisionAllow}, "safe\nrisky\nafter\n", true, true, false},
		{"always after restart, in history", api.RunAnswer{Decision: api.AnswerDecisionAllowAlways}, "safe\nrisky\nafter\n", false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "go", askScript)
			r.session.Assignment.Config.Permissions.Ask = []string{"bash(rm *)"}
			a := r.start()
			out := r.turn(a, api.RunStateBLOCKED)
			if out.Waiting != api.WaitingCodePermission || r.file("log") != "safe\n" {
				t.Fatalf("%+v, log %q", out, r.file("log"))
			}
			again := r.turn(a, api.RunStateBLOCKED)
			if again.Waiting != out.Waiting || len(of[api.Request](r)) != 1 {
				t.Fatal("the request was made anew")
			}
			req := of[api.Request](r)[0]
			ans := api.Answer{RequestID: req.ID, Decision: c.answer.Decision, Text: c.answer.Text}
			r.add(ans)
			if !c.recorded {
				r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindAnswer, RequestId: req.ID, Answer: c.answer})
			}
			if c.restart {
				_ = a.Close(t.Context())
				a = r.start()
			}
			want := api.RunStateSUCCEEDED
			if c.second {
				want = api.RunStateBLOCKED
			}
			r.turn(a, want)
			if got := r.file("log"); got != c.log {
				t.Errorf("log %q, want %q", got, c.log)
			}
			if c.answer.Text != "" && !strings.Contains(of[api.ActionResult](r)[1].Output, c.answer.Text) {
				t.Errorf("the model is not told why: %+v", of[api.ActionResult](r)[1])
			}
			checkPairsIfDone(t, r, want)
		})
	}
}

func checkPairsIfDone(t *testing.T, r *rig, state api.RunState) {
	t.Helper()
	if state == api.RunStateSUCCEEDED {
		checkPairs(t, r)
	}
}

func TestAnswerThenLostKeepsPermission(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: touch x}}]\n- tool_calls: [{name: bash, input: {command: touch x}}]\n- tool_calls: [{name: bash, input: {command: touch x}}]\n- text: done")
	r.session.Assignment.Config.Permissions.Default = api.PermissionProfileDefaultAsk
	a := r.start()
	r.turn(a, api.RunStateBLOCKED)
	_ = a.Close(t.Context())
	r.add(api.Answer{RequestID: of[api.Request](r)[0].ID, Decision: api.AnswerDecisionAllow},
		api.StateChange{From: api.RunStateBLOCKED, To: api.RunStateINPROGRESS})
	a = r.start()
	// Lost while it may have run: told so; the same call again needs no second permission; a third does.
	r.turn(a, api.RunStateBLOCKED)
	res := of[api.ActionResult](r)
	if len(res) != 2 || !strings.Contains(res[0].Output, "sandbox was lost") || res[1].State != api.ActionStateCompleted {
		t.Errorf("results %+v", res)
	}
	if n := len(of[api.Request](r)); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestDenyAndUnknownTool(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: 'true; sudo rm -rf /'}}, {name: no_such, input: {}}, {name: read_file, input: {path: ../../etc/passwd}}, {name: write_file, input: {path: .git/config, content: x}}]\n- text: done")
	r.session.Assignment.Config.Permissions.Deny = []string{"bash(rm *)"}
	r.turn(r.start(), api.RunStateSUCCEEDED)
	res := of[api.ActionResult](r)
	if res[0].State != api.ActionStateDenied || res[1].State != api.ActionStateFailed ||
		!strings.Contains(res[2].Output, "outside the workspace") || res[3].State != api.ActionStateFailed {
		t.Errorf("results %+v", res)
	}
}

func TestQuestions(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: ask_user, input: {question: 'Colour?', options: [red, blue]}}, {name: ask_user, input: {question: 'Size?'}}]\n- text: done")
	a := r.start()
	if out := r.turn(a, api.RunStateBLOCKED); out.Waiting != api.WaitingCodeQuestion {
		t.Errorf("%+v", out)
	}
	reqs := of[api.Request](r)
	if len(reqs) != 2 || reqs[0].Options[1] != "blue" {
		t.Fatalf("requests %+v", reqs)
	}
	r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindAnswer, RequestId: reqs[0].ID, Answer: api.RunAnswer{Choices: []string{"blue"}}})
	r.turn(a, api.RunStateBLOCKED)
	r.session.Inbox.Put(api.Command{Id: 2, Kind: api.CommandKindAnswer, RequestId: reqs[1].ID})
	r.turn(a, api.RunStateSUCCEEDED)
	res := of[api.ActionResult](r)
	if res[0].Output != "Chosen: blue" || !strings.Contains(res[1].Output, "skipped") {
		t.Errorf("results %+v", res)
	}
}

func TestMessageInsteadOfAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: touch made}}, {name: bash, input: {command: touch made2}}]\n- text: done")
	r.session.Assignment.Config.Permissions.Default = api.PermissionProfileDefaultAsk
	a := r.start()
	r.turn(a, api.RunStateBLOCKED)
	r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindFollowUp, Text: "leave it"})
	r.turn(a, api.RunStateSUCCEEDED)
	for _, res := range of[api.ActionResult](r) {
		if res.State != api.ActionStateDenied {
			t.Errorf("result %+v", res)
		}
	}
	if r.file("made") != "" {
		t.Error("it was carried out")
	}
	if m := of[api.UserMessage](r); len(m) != 2 || m[1].CommandID != 1 {
		t.Errorf("messages %+v", m)
	}
	checkPairs(t, r)
}

func TestPlanMode(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", `
- tool_calls: [{name: bash, input: {command: touch early}}, {name: write_file, input: {path: b, content: x}}, {name: bash, input: {command: ls | wc -l}}]
- tool_calls: [{name: submit_plan, input: {title: Plan, plan: do it}}]
- tool_calls: [{name: submit_plan, input: {title: Plan, plan: do it better}}]
- tool_calls: [{name: bash, input: {command: touch late}}]
- text: done
`)
	r.session.Assignment.Mode = api.RunModePlan
	a := r.start()
	if out := r.turn(a, api.RunStateBLOCKED); out.Waiting != api.WaitingCodePlan {
		t.Errorf("%+v", out)
	}
	res := of[api.ActionResult](r)
	if res[0].State != api.ActionStateDenied || res[1].State != api.ActionStateDenied || res[2].State != api.ActionStateCompleted {
		t.Errorf("results %+v", res)
	}
	reqs := of[api.Request](r)
	r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindAnswer, RequestId: reqs[0].ID, Answer: api.RunAnswer{Decision: api.AnswerDecisionDeny, Text: "better please"}})
	r.turn(a, api.RunStateBLOCKED)
	reqs = of[api.Request](r)
	r.session.Inbox.Put(api.Command{Id: 2, Kind: api.CommandKindAnswer, RequestId: reqs[1].ID, Answer: api.RunAnswer{Decision: api.AnswerDecisionAllow}})
	r.turn(a, api.RunStateSUCCEEDED)
	if _, err := os.Stat(filepath.Join(r.session.Workdir, "late")); err != nil {
		t.Error("not carried out after approval")
	}
	if _, err := os.Stat(filepath.Join(r.session.Workdir, "early")); err == nil {
		t.Error("carried out before approval")
	}
	plans := of[api.ArtifactReport](r)
	if len(plans) != 2 || plans[1].ArtifactType != api.ArtifactTypePLAN || plans[1].Data.Title != "Plan" || string(r.record.blobs[plans[1].Blob]) != "do it better" {
		t.Errorf("artifacts %+v", plans)
	}
}

func TestFollowUpMidTurnAndAfter(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: echo 1}}]\n- text: first\n- text: second")
	r.record.onAppend = func(e api.Entry) {
		if e.Type == api.EntryTypeAction {
			r.session.Inbox.Put(api.Command{Id: 7, Kind: api.CommandKindFollowUp, Text: "also this"})
			r.session.Inbox.Put(api.Command{Id: 7, Kind: api.CommandKindFollowUp, Text: "also this"})
		}
	}
	a := r.start()
	r.turn(a, api.RunStateSUCCEEDED)
	reqs := r.vendor.Requests()
	if len(reqs) != 2 || !strings.Contains(reqs[1].Body, "also this") {
		t.Errorf("%d requests", len(reqs))
	}
	r.session.Inbox.Put(api.Command{Id: 8, Kind: api.CommandKindFollowUp, Text: "and that"})
	r.turn(a, api.RunStateSUCCEEDED)
	if m := of[api.UserMessage](r); len(m) != 3 || m[1].CommandID != 7 || m[2].CommandID != 8 {
		t.Errorf("messages %+v", m)
	}
	b := r.start()
	r.session.Inbox.Put(api.Command{Id: 8, Kind: api.CommandKindFollowUp, Text: "and that"})
	r.turn(b, api.RunStateSUCCEEDED)
	if m := of[api.UserMessage](r); len(m) != 3 {
		t.Errorf("a consumed message was taken in again: %+v", m)
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: 'echo begun; sleep 300'}}, {name: bash, input: {command: touch never}}]\n- text: done")
	done := make(chan struct{})
	a := r.start()
	go func() {
		defer close(done)
		for {
			r.record.mu.Lock()
			begun := false
			for _, d := range r.record.deltas {
				begun = begun || d.Kind == api.DeltaKindOutput
			}
			r.record.mu.Unlock()
			if begun {
				r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindInterrupt})
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	if out := r.turn(a, api.RunStateBLOCKED); out.Waiting != api.WaitingCodeInterrupted {
		t.Errorf("%+v", out)
	}
	<-done
	res := of[api.ActionResult](r)
	if len(res) != 2 || !strings.Contains(res[0].Output, "begun\n") || res[0].State != api.ActionStateFailed || res[1].State != api.ActionStateFailed {
		t.Errorf("results %+v", res)
	}
	r.turn(a, api.RunStateBLOCKED)
	// In another sandbox it still waits, and a message lets it go on.
	r.add(api.StateChange{To: api.RunStateBLOCKED, Waiting: api.WaitingCodeInterrupted})
	b := r.start()
	r.turn(b, api.RunStateBLOCKED)
	r.session.Inbox.Put(api.Command{Id: 2, Kind: api.CommandKindFollowUp, Text: "go on"})
	r.turn(b, api.RunStateSUCCEEDED)
	checkPairs(t, r)
}

func TestInterruptOfModelCallKeepsText(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- text: a long answer that never ends because the vendor stalls\n- text: done")
	r.vendor.Fail(gatewaytest.Fault{StallAfter: 4})
	a := r.start()
	go func() {
		for {
			r.record.mu.Lock()
			n := len(r.record.deltas)
			r.record.mu.Unlock()
			if n > 0 {
				r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindInterrupt})
				return
			}
			time.Sleep(2 * time.Millisecond)
		}
	}()
	r.turn(a, api.RunStateBLOCKED)
	if m := of[api.AgentMessage](r); len(m) != 1 || m[0].Text == "" {
		t.Errorf("messages %+v", m)
	}
	checkDeltas(t, r)
}

func TestCancelledContextIsTheError(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: 'sleep 300'}}]\n- text: done")
	a := r.start()
	cause := errors.New("superseded")
	ctx, cancel := context.WithCancelCause(t.Context())
	r.record.onAppend = func(e api.Entry) {
		if e.Type == api.EntryTypeUsage {
			cancel(cause)
		}
	}
	if _, err := a.Turn(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
}

func TestModelErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults  []gatewaytest.Fault
		state   api.RunState
		code    api.PlatformErrorCode
		waiting api.WaitingCode
		notices int
	}{
		"overloaded then fine": {[]gatewaytest.Fault{{Status: 529}, {Status: 503}, {Reset: true}}, api.RunStateSUCCEEDED, "", "", 3},
		"cut off then fine":    {[]gatewaytest.Fault{{CutAfter: 4}}, api.RunStateSUCCEEDED, "", "", 1},
		"always overloaded":    {[]gatewaytest.Fault{{Status: 529}, {Status: 529}, {Status: 529}, {Status: 529}, {Status: 529}}, api.RunStateERROR, api.PlatformErrorCodeResourceUnavailable, "", 4},
		"bad request":          {[]gatewaytest.Fault{{Status: 400}}, api.RunStateFAILED, api.PlatformErrorCodeInvalidRequest, "", 0},
		"budget": {[]gatewaytest.Fault{{Status: 403, Body: `{"type":"error","error":{"type":"budget_exceeded","message":"The team's budget is spent."}}`}},
			api.RunStateBLOCKED, api.PlatformErrorCodeBudgetExceeded, api.WaitingCodeBudget, 0},
		"problem document": {[]gatewaytest.Fault{{Status: 401, Body: `{"type":"https://x/errors/external_authentication_required","title":"x","status":401,"detail":"The key is not valid.","error":"x"}`}},
			api.RunStateFAILED, api.PlatformErrorCodeExternalAuthenticationRequired, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "go", "- text: hello there world\n")
			r.vendor.Fail(c.faults...)
			a := r.start()
			out := r.turn(a, c.state)
			if out.Code != c.code || out.Waiting != c.waiting || (c.code != "" && out.Message == "") {
				t.Errorf("outcome %+v", out)
			}
			if n := len(of[api.Notice](r)); n != c.notices {
				t.Errorf("%d notices", n)
			}
			if c.state != api.RunStateSUCCEEDED {
				// The trouble is over: the same agent goes on.
				r.turn(a, api.RunStateSUCCEEDED)
			}
		})
	}
}

func TestStepLimit(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for range 10 {
		b.WriteString("- tool_calls: [{name: bash, input: {command: 'true'}}]\n")
	}
	r := newRig(t, "go", b.String())
	r.cfg.MaxSteps = 3
	if out := r.turn(r.start(), api.RunStateFAILED); out.Message == "" {
		t.Errorf("%+v", out)
	}
	if n := len(of[api.Usage](r)); n != 3 {
		t.Errorf("%d calls", n)
	}
}

func TestHostileOutputIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", `
- tool_calls:
    - {name: bash, input: {command: "head -c 3000000 /dev/zero | tr '\\0' '\\033'"}}
    - {name: bash, input: {command: "printf 'start\\377\\376'; head -c 400000 /dev/urandom; printf end"}}
    - {name: bash, input: {command: "printf '<script>\\000\\033]0;x\\007'"}}
- text: done
`)
	r.session.Assignment.Limits.MaxEntryBytes = 32 << 10
	r.turn(r.start(), api.RunStateSUCCEEDED)
	for _, e := range r.record.history() {
		if len(e.Data) > 32<<10 {
			t.Errorf("entry %d (%s) has %d bytes", e.Seq, e.Type, len(e.Data))
		}
	}
	res := of[api.ActionResult](r)
	if len(r.record.blobs[res[0].Blob]) != 3_000_000 || res[0].OmittedBytes == 0 {
		t.Errorf("blob of %d bytes, omitted %d", len(r.record.blobs[res[0].Blob]), res[0].OmittedBytes)
	}
	if whole := r.record.blobs[res[1].Blob]; len(whole) != 400_010 || !strings.HasSuffix(res[1].Output, "end") {
		t.Errorf("blob of %d bytes, output ends %q", len(whole), res[1].Output[max(0, len(res[1].Output)-20):])
	}
}

func TestLargeArguments(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 10_000)
	r := newRig(t, "go", fmt.Sprintf("- tool_calls: [{name: write_file, input: {path: big, content: %q}}]\n- text: done", content))
	r.session.Assignment.Limits.MaxEntryBytes = 32 << 10
	r.turn(r.start(), api.RunStateSUCCEEDED)
	if r.file("big") != content {
		t.Error("the file is not whole")
	}
	act := of[api.Action](r)[0]
	if len(act.Input) > 16<<10 || !strings.Contains(string(act.Input), "_whole") {
		t.Errorf("input of %d bytes", len(act.Input))
	}
}

func TestCompaction(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("scripts:\n- name: summary\n  match: 'Agent calls'\n  turns: [{text: THE SUMMARY}]\n")
	b.WriteString("- name: after\n  match: 'condensed to this summary'\n  turns:\n")
	step := "    - tool_calls: [{name: bash, input: {command: \"echo step >>log; head -c 6000 /dev/zero | tr '\\\\0' z\"}}]\n"
	b.WriteString(strings.Repeat(step, 4) + "    - text: finished\n- name: default\n  turns:\n" + strings.Repeat(step, 12) + "    - text: never\n")
	r := newRig(t, "the first task", b.String())
	r.session.Assignment.Model.ContextTokens, r.session.Assignment.Model.MaxOutputTokens = 12_000, 1000
	a := r.start()
	r.turn(a, api.RunStateSUCCEEDED)
	comp := of[api.Compaction](r)
	if len(comp) == 0 {
		t.Fatal("nothing was condensed")
	}
	for _, c := range comp {
		if c.Summary != "THE SUMMARY" || c.UpTo <= 0 {
			t.Errorf("%+v", c)
		}
	}
	checkPairs(t, r)
	last := r.vendor.Requests()[len(r.vendor.Requests())-1].Body
	if !strings.Contains(last, "the first task") || len(last) > 12_000*4+20_000 {
		t.Errorf("last request of %d bytes", len(last))
	}
	// Another sandbox understands the record.
	n := len(r.vendor.Requests())
	r2 := r.start()
	r.session.Inbox.Put(api.Command{Id: 3, Kind: api.CommandKindFollowUp, Text: "and now?"})
	r.turn(r2, api.RunStateSUCCEEDED)
	checkPairs(t, r)
	if body := r.vendor.Requests()[n].Body; !strings.Contains(body, "condensed") {
		t.Errorf("the summary is not used: %s", body)
	}
}

func TestCompactionWhenTheVendorSaysTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: echo a}}]\n- tool_calls: [{name: bash, input: {command: echo b}}]\n- tool_calls: [{name: bash, input: {command: echo c}}]\n- text: done")
	tooLong := gatewaytest.Fault{Status: 400, Body: `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`}
	a := r.start()
	calls := 0
	r.record.onAppend = func(e api.Entry) {
		if e.Type == api.EntryTypeActionResult {
			if calls++; calls == 3 {
				r.vendor.Fail(tooLong)
			}
		}
	}
	r.turn(a, api.RunStateSUCCEEDED)
	if c := of[api.Compaction](r); len(c) != 1 || !strings.Contains(c[0].Summary, "the record, shortened") {
		t.Errorf("compactions %+v", c)
	}
	checkPairs(t, r)
}

func TestRulesSkillsAndPrompt(t *testing.T) {
	t.Parallel()
	r := newRig(t, "fix it", "- tool_calls: [{name: skill, input: {name: greet, arguments: Bob}}, {name: read_file, input: {path: sub/deep/x.txt}}]\n- tool_calls: [{name: read_file, input: {path: sub/deep/x.txt}}]\n- text: done")
	home := t.TempDir()
	r.session.Home = home
	mk := func(base, name, text string) {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w := r.session.Workdir
	mk(home, ".agents/AGENTS.md", "GLOBAL RULE")
	mk(w, "AGENTS.md", "ROOT RULE")
	mk(w, "CLAUDE.md", "NOT THIS ONE")
	mk(w, "agents.md.bak", "NOR THIS")
	mk(w, "sub/AGENTS.md", "SUB RULE")
	mk(w, "sub/deep/x.txt", "x")
	mk(w, ".agents/skills/greet/SKILL.md", "---\nname: greet\ndescription: Greets people.\n---\nSay hello to $ARGUMENTS.\n")
	mk(w, ".claude/skills/base/SKILL.md", "---\nname: base\ndescription: The base.\n---\nWork like this: $0 then $9.\n")
	mk(w, ".claude/skills/bad/SKILL.md", "no frontmatter")
	r.session.Assignment.Config.SkillSpec = "base"
	r.session.Assignment.Config.BasePrompt = "BE BRIEF"
	r.session.Assignment.Rules = []api.Rules{
		{Text: "TEAM RULE", Scope: api.Scope{Type: api.ScopeTypeTeam}}, {Text: "OWN RULE", Scope: api.Scope{Type: api.ScopeTypeUser}},
	}
	r.turn(r.start(), api.RunStateSUCCEEDED)
	var body struct {
		System []struct{ Text string }
	}
	if err := json.Unmarshal([]byte(r.vendor.Requests()[0].Body), &body); err != nil {
		t.Fatal(err)
	}
	system := body.System[0].Text
	for _, want := range []string{"GLOBAL RULE", "ROOT RULE", "BE BRIEF", "greet: Greets people.", "Work like this: fix then $9."} {
		if !strings.Contains(system, want) {
			t.Errorf("system prompt lacks %q", want)
		}
	}
	for _, not := range []string{"NOT THIS", "NOR THIS", "SUB RULE"} {
		if strings.Contains(system, not) {
			t.Errorf("system prompt has %q", not)
		}
	}
	at := 0
	for _, rule := range []string{"TEAM RULE", "OWN RULE", "GLOBAL RULE", "ROOT RULE"} {
		i := strings.Index(system, rule)
		if i < at {
			t.Errorf("%s at %d: the nearer rule must come last", rule, i)
		}
		at = i
	}
	res := of[api.ActionResult](r)
	if !strings.Contains(res[0].Output, "Say hello to Bob.") || !strings.Contains(res[1].Output, "SUB RULE") || strings.Contains(res[2].Output, "SUB RULE") {
		t.Errorf("results %+v", res)
	}
	if n := of[api.Notice](r); len(n) != 1 || !strings.Contains(n[0].Text, "bad/SKILL.md") {
		t.Errorf("notices %+v", n)
	}
	r.session.Assignment.Config.SkillSpec = "absent"
	_, err := oz.New(r.cfg).Start(t.Context(), r.session)
	if api.CodeOf(err) != api.PlatformErrorCodeEnvironmentSetupFailed {
		t.Errorf("missing skill: %v", err)
	}
}

func TestImagesAndAttachments(t *testing.T) {
	t.Parallel()
	png := "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
	r := newRig(t, "look", "- tool_calls: [{name: read_file, input: {path: p.png}}]\n- text: done")
	r.write("p.png", png)
	at := filepath.Join(t.TempDir(), "shot.png")
	if err := os.WriteFile(at, []byte(png), 0o600); err != nil {
		t.Fatal(err)
	}
	r.session.Attachments = &harness.Files{}
	r.session.Attachments.Place(filepath.Dir(at))
	r.session.Attachments.Add(harness.Attachment{ID: "a1", FileName: "shot.png", MimeType: "image/png", Path: at})
	r.record.entries = nil
	r.add(api.UserMessage{Text: "look", Attachments: []string{"a1"}})
	r.turn(r.start(), api.RunStateSUCCEEDED)
	reqs := r.vendor.Requests()
	if n := strings.Count(reqs[len(reqs)-1].Body, `"image/png"`); n != 2 {
		t.Errorf("%d pictures in the last request", n)
	}
	// The pictures are shown again in another sandbox.
	b := r.start()
	r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindFollowUp, Text: "again"})
	r.turn(b, api.RunStateSUCCEEDED)
	reqs = r.vendor.Requests()
	if n := strings.Count(reqs[len(reqs)-1].Body, `"image/png"`); n != 2 {
		t.Errorf("%d pictures after the restart", n)
	}
}

func TestRealGitWork(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	r := newRig(t, "go", `
- tool_calls: [{name: bash, input: {command: "git init -q repo && cd repo && git config user.email a@b && git config user.name n && echo 'node_modules' >.gitignore && mkdir node_modules && echo needle >node_modules/x && echo needle >y && git add . && git commit -qm first"}}]
- tool_calls: [{name: bash, input: {command: "git log --format=%s && pwd"}}, {name: grep, input: {pattern: needle, path: repo}}, {name: glob, input: {pattern: "**/*", path: repo}}]
- text: done
`)
	r.turn(r.start(), api.RunStateSUCCEEDED)
	res := of[api.ActionResult](r)
	if res[1].Output != "first\n"+r.session.Workdir+"/repo\n" {
		t.Errorf("log %q", res[1].Output)
	}
	if res[2].Output != "repo/y:1:needle\n" || strings.Contains(res[3].Output, "node_modules/x") {
		t.Errorf("search %q %q", res[2].Output, res[3].Output)
	}
}

func TestStartRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- text: x")
	s := r.session
	s.Assignment.Config.Permissions.Deny = []string{"bash(rm"}
	if _, err := oz.New(r.cfg).Start(t.Context(), s); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest || !strings.Contains(err.Error(), "deny[0]") {
		t.Errorf("permissions: %v", err)
	}
	s = r.session
	s.Assignment.Model.Wire = "telepathy"
	if _, err := oz.New(r.cfg).Start(t.Context(), s); api.CodeOf(err) != api.PlatformErrorCodeOperationNotSupported {
		t.Errorf("wire: %v", err)
	}
}
