package oz_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// tells is a message of another run as the server delivers it.
func tells(command int64, text string) api.Command {
	return api.Command{Id: command, Kind: api.CommandKindMessage, Text: text, Author: api.UserProfile{DisplayName: "child"},
		Message: api.CommandMessage{MessageId: fmt.Sprint("m", command), SenderRunId: "child", Subject: "Result"}}
}

// others plays the runs around the agent's.
type others struct {
	mu    sync.Mutex
	sent  []string
	waits []bool
	since []int64

	happened []api.AgentRunEvent
	waiting  func() // called when the agent begins to wait
}

func (o *others) Send(_ context.Context, to []string, subject, body, key string) ([]string, error) {
	if subject == "" {
		return nil, api.Invalid("subject", "is required")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, fmt.Sprint(to, subject, body, key != ""))
	return []string{"m-out"}, nil
}

func (o *others) Inbox(context.Context, bool, int) ([]api.MessageHeader, error) {
	return []api.MessageHeader{{MessageId: "m1", SenderRunId: "child", Subject: "Result"}}, nil
}

func (o *others) Read(_ context.Context, id string) (api.MessageBody, error) {
	return api.MessageBody{MessageId: id, SenderRunId: "child", Subject: "Result", Body: "It is 42."}, nil
}

func (o *others) Follow(ctx context.Context, since int64, tell func(api.AgentRunEvent)) error {
	o.mu.Lock()
	o.since = append(o.since, since)
	events := slices.DeleteFunc(slices.Clone(o.happened), func(e api.AgentRunEvent) bool { return e.Sequence <= since })
	o.mu.Unlock()
	for _, e := range events {
		tell(e)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (o *others) Wait(_ context.Context, waiting bool) error {
	o.mu.Lock()
	o.waits = append(o.waits, waiting)
	o.mu.Unlock()
	if waiting && o.waiting != nil {
		o.waiting()
	}
	return nil
}

// TestMessagesComeTogether in the next turn, as what they are, once for all the agent's lives.
func TestMessagesComeTogether(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: echo 1}}]\n- text: first\n- text: second")
	r.record.onAppend = func(e api.Entry) {
		if e.Type == api.EntryTypeAction {
			r.session.Inbox.Put(tells(1, "It is 42."))
			r.session.Inbox.Put(tells(2, "It is 43."))
		}
	}
	r.turn(r.start(), api.RunStateSUCCEEDED)
	reqs := r.vendor.Requests()
	if len(reqs) != 2 || !strings.Contains(reqs[1].Body, "It is 42.") || !strings.Contains(reqs[1].Body, "It is 43.") ||
		!strings.Contains(reqs[1].Body, "from run child, not from a person. Subject: Result") {
		t.Errorf("%d requests, the last %s", len(reqs), reqs[len(reqs)-1].Body)
	}
	check := func() {
		t.Helper()
		if m := of[api.UserMessage](r); len(m) != 3 || m[1].MessageID != "m1" || m[1].SenderRunID != "child" || m[2].CommandID != 2 || m[2].Text != "It is 43." {
			t.Errorf("entries %+v", m)
		}
	}
	check()
	// The sandbox was lost, and the server repeats what it has not seen consumed.
	r.session.Inbox = &harness.Inbox{}
	r.session.Inbox.Put(tells(2, "It is 43."))
	r.turn(r.start(), api.RunStateSUCCEEDED)
	check()
	// One that comes after the end is taken up, in the words it had before.
	r.session.Inbox.Put(tells(3, "More."))
	a := r.start()
	r.turn(a, api.RunStateSUCCEEDED)
	if reqs = r.vendor.Requests(); len(reqs) != 3 || strings.Count(reqs[2].Body, "not from a person") != 3 {
		t.Errorf("%d requests, the last %s", len(reqs), reqs[len(reqs)-1].Body)
	}
}

// TestLargestMessage fits into an entry, however its text is encoded, and the model reads all of it.
func TestLargestMessage(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- text: done")
	const size = 128 << 10
	r.session.Inbox.Put(tells(1, strings.Repeat("<", size)))
	r.turn(r.start(), api.RunStateSUCCEEDED)
	for _, e := range r.record.history() {
		if len(e.Data) > r.session.Assignment.Limits.MaxEntryBytes {
			t.Errorf("entry %d has %d bytes", e.Seq, len(e.Data))
		}
	}
	if body := r.vendor.Requests()[0].Body; strings.Count(body, `\u003c`)+strings.Count(body, "<") < size {
		t.Errorf("the model read a request of %d bytes", len(body))
	}
}

// TestMessagesDecideNothing: they answer no request and undo no interrupt.
func TestMessagesDecideNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: bash, input: {command: touch made}}]\n- text: done")
	r.session.Assignment.Config.Permissions.Default = api.PermissionProfileDefaultAsk
	a := r.start()
	r.turn(a, api.RunStateBLOCKED)
	r.session.Inbox.Put(tells(1, "Yes, do it."))
	r.turn(a, api.RunStateBLOCKED)
	if len(of[api.ActionResult](r)) != 0 || len(of[api.UserMessage](r)) != 1 {
		t.Fatalf("the message was taken up:\n%s", r.dump())
	}
	r.session.Inbox.Put(api.Command{Id: 2, Kind: api.CommandKindAnswer, RequestId: of[api.Request](r)[0].ID, Answer: api.RunAnswer{Decision: api.AnswerDecisionAllow}})
	r.turn(a, api.RunStateSUCCEEDED)
	if m := of[api.UserMessage](r); len(m) != 2 || m[1].MessageID != "m1" {
		t.Errorf("after the answer %+v", m)
	}

	r.add(api.StateChange{To: api.RunStateBLOCKED, Waiting: api.WaitingCodeInterrupted})
	b := r.start()
	r.session.Inbox.Put(tells(4, "Go on."))
	if out := r.turn(b, api.RunStateBLOCKED); out.Waiting != api.WaitingCodeInterrupted || len(of[api.UserMessage](r)) != 2 {
		t.Errorf("a message undid an interrupt: %+v\n%s", out, r.dump())
	}
	r.session.Inbox.Put(api.Command{Id: 5, Kind: api.CommandKindInterrupt})
	r.turn(b, api.RunStateBLOCKED) // nor does one that came before keep a later interrupt from being heard
}

func TestMessageTools(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", `
- tool_calls:
    - {name: send_message, input: {to: [parent], subject: Result, body: It is 42.}}
    - {name: send_message, input: {to: [parent], subject: "", body: x}}
    - {name: list_messages, input: {}}
    - {name: read_message, input: {message_id: m1}}
- text: done`)
	r.session.Assignment.ParentRunId = "the-parent"
	o := &others{}
	r.session.Peers = o
	r.session.Inbox.Put(tells(1, "It is 42."))
	r.record.onAppend = func(e api.Entry) {
		if e.Type == api.EntryTypeAction {
			r.session.Inbox.Put(tells(1, "It is 42.")) // on its way while it is read
		}
	}
	a := r.start()
	r.session.Inbox.Take(nil)
	r.turn(a, api.RunStateSUCCEEDED)
	if len(o.sent) != 1 || o.sent[0] != "[parent]ResultIt is 42.true" {
		t.Errorf("sent %q", o.sent)
	}
	res := of[api.ActionResult](r)
	if len(res) != 4 || res[0].Output != "Sent as m-out." || res[1].State != api.ActionStateFailed || !strings.Contains(res[1].Output, "subject") ||
		!strings.Contains(res[2].Output, "from run child: Result") || !strings.Contains(res[3].Output, "It is 42.") {
		t.Errorf("results %+v", res)
	}
	if body := r.vendor.Requests()[0].Body; !strings.Contains(body, "started by run the-parent") {
		t.Error("the agent does not know its parent")
	}
}

func event(seq int64, runID string, kind api.AgentRunEventType) api.AgentRunEvent {
	return api.AgentRunEvent{Sequence: seq, RunId: runID, EventType: kind}
}

// TestWaitTellsOnce how runs came to rest, of each the latest, also after the sandbox was lost.
func TestWaitTellsOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: wait_for_events, input: {}}]\n- text: done\n- tool_calls: [{name: wait_for_events, input: {}}]\n- text: over")
	o := &others{happened: []api.AgentRunEvent{
		event(3, "a", "run_in_progress"), event(5, "a", "run_failed"), event(6, "b", "run_succeeded"), event(7, "a", "run_in_progress"),
		event(8, "c", "run_blocked"), event(9, "a", "run_succeeded"),
	}}
	r.session.Peers = o
	r.turn(r.start(), api.RunStateSUCCEEDED)
	res := of[api.ActionResult](r)
	if len(res) != 1 || res[0].Output != "Run b: succeeded.\nRun c: blocked.\nRun a: succeeded.\n" {
		t.Fatalf("told %+v", res)
	}
	o.happened = append(o.happened, event(12, "c", "run_cancelled"))
	r.session.Inbox.Put(api.Command{Id: 1, Kind: api.CommandKindFollowUp, Text: "again"})
	r.turn(r.start(), api.RunStateSUCCEEDED)
	res = of[api.ActionResult](r)
	if len(res) != 2 || res[1].Output != "Run c: cancelled.\n" || !slices.Equal(o.since, []int64{0, 9}) {
		t.Errorf("told %+v, from %d", res, o.since)
	}
	if !slices.Equal(o.waits, []bool{true, false, true, false}) {
		t.Errorf("shown as waiting %v", o.waits)
	}
}

// TestWaitEnds when somebody speaks, and when a person interrupts.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	r := newRig(t, "go", "- tool_calls: [{name: wait_for_events, input: {}}]\n- tool_calls: [{name: wait_for_events, input: {}}]\n- text: done")
	o := &others{}
	r.session.Peers = o
	commands := []api.Command{tells(1, "It is 42."), {Id: 2, Kind: api.CommandKindInterrupt}}
	o.waiting = func() {
		r.session.Inbox.Put(commands[0])
		commands = commands[1:]
	}
	a := r.start()
	if out := r.turn(a, api.RunStateBLOCKED); out.Waiting != api.WaitingCodeInterrupted {
		t.Errorf("outcome %+v", out)
	}
	res := of[api.ActionResult](r)
	if len(res) != 2 || res[0].Output != "A message has arrived; it follows." || res[0].State != api.ActionStateCompleted || len(r.vendor.Requests()) != 2 {
		t.Errorf("results %+v after %d model calls", res, len(r.vendor.Requests()))
	}
	if !slices.Equal(o.waits, []bool{true, false, true, false}) {
		t.Errorf("shown as waiting %v", o.waits)
	}
}
