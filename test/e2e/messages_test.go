package e2e

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

// TestChildReportsToItsParent: a parent that waits costs no model call, goes on when its child has told it
// the result, hears it once and before it hears of the child's end; and a message wakes it when it is over.
func TestChildReportsToItsParent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	parent := w.start(script(
		say("I wait.", call("wait_for_events", map[string]any{"timeout_seconds": 120})),
		say("I have heard."),
		say("And once more."),
	))
	w.until("the parent to wait", func() bool { return w.get(parent).Waiting.Code == api.WaitingCodeMessages })
	if r := w.get(parent); r.State != api.RunStateINPROGRESS || len(of[api.Usage](w, parent)) != 1 {
		t.Errorf("the waiting parent is %s after %d model calls", r.State, len(of[api.Usage](w, parent)))
	}
	follow, stop := context.WithCancel(w.ctx)
	defer stop()
	events := make(chan []api.AgentRunEvent, 1)
	go func() {
		var seen []api.AgentRunEvent
		for ev, err := range w.FollowEvents(follow, client.Following{Ancestor: parent, Self: true}, 0) {
			if err != nil {
				break
			}
			if ev.Event != nil {
				seen = append(seen, *ev.Event)
			}
			if ev.Event != nil && ev.Event.RunId == parent && ev.Event.EventType == api.AgentRunEventTypeRunSucceeded {
				break
			}
		}
		events <- seen
	}()
	child := w.start(script(
		say("I report.", call("send_message", map[string]any{"to": []string{parent}, "subject": "Result", "body": "It is 42."})),
		say("Done."),
	), func(req *api.RunAgentRequest) { req.ParentRunId = parent })
	w.finish(child)
	w.finish(parent)
	contains(t, "the parent", w.said(parent), "I have heard.")

	heard := slices.DeleteFunc(of[api.UserMessage](w, parent), func(m api.UserMessage) bool { return m.MessageID == "" })
	if len(heard) != 1 || heard[0].Text != "It is 42." || heard[0].Subject != "Result" || heard[0].SenderRunID != child {
		t.Fatalf("the parent heard %+v", heard)
	}
	inbox, err := w.Messages(w.ctx, parent, false, time.Time{}, 10)
	if err != nil || len(inbox) != 1 || inbox[0].DeliveredAt.IsZero() || !inbox[0].ReadAt.IsZero() {
		t.Errorf("the mailbox holds %+v (%v)", inbox, err)
	}
	checkStory(t, <-events, parent, child, heard[0].MessageID)

	// The parent is over. What its child has to add wakes it.
	if _, err := w.SendMessage(w.ctx, api.SendMessageRequest{To: []string{parent}, Subject: "More", Body: "Make it 43.", SenderRunId: child}); err != nil {
		t.Fatal(err)
	}
	w.until("the parent to go on", func() bool { return strings.Contains(w.said(parent), "And once more.") })
	if r := w.finish(parent); r.Execution != 2 {
		t.Errorf("it went on in execution %d", r.Execution)
	}
}

// checkStory: every event once, in order, the result before the end of who sent it.
func checkStory(t *testing.T, events []api.AgentRunEvent, parent, child, message string) {
	t.Helper()
	var words []string
	last := int64(0)
	for _, e := range events {
		if e.Sequence <= last {
			t.Errorf("event %d comes after %d", e.Sequence, last)
		}
		last = e.Sequence
		who := map[string]string{parent: "parent", child: "child"}[e.RunId]
		words = append(words, who+" "+strings.TrimPrefix(string(e.EventType), "run_"))
		if e.EventType == api.AgentRunEventTypeNewMessage && e.RefId != message || e.EventType == api.AgentRunEventTypeChildAgentStarted && e.RefId != child {
			t.Errorf("%s is about %s", e.EventType, e.RefId)
		}
	}
	at := func(word string) int { return slices.Index(words, word) }
	for _, pair := range [][2]string{
		{"parent in_progress", "parent child_agent_started"}, {"parent child_agent_started", "child session_linked"},
		{"child in_progress", "parent new_message"}, {"parent new_message", "child succeeded"}, {"parent new_message", "parent succeeded"},
	} {
		if at(pair[0]) < 0 || at(pair[1]) >= 0 && at(pair[0]) > at(pair[1]) {
			t.Errorf("%q is not before %q: %q", pair[0], pair[1], words)
		}
	}
}

// TestParentHearsHowItsChildrenEnd: without a word from them, in one wait, also of those that ended before.
func TestParentHearsHowItsChildrenEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	parent := w.start(script(
		say("", bash("while [ ! -e go ]; do sleep 0.05; done")),
		say("", call("wait_for_events", nil)),
		say("", call("wait_for_events", map[string]any{"timeout_seconds": 1})),
		say("Over."),
	), func(req *api.RunAgentRequest) {
		req.Prompt = strings.ReplaceAll(req.Prompt, "-e go", "-e "+w.home+"/go")
	})
	quick := w.start(script(say("Done.")), func(req *api.RunAgentRequest) { req.ParentRunId = parent })
	w.finish(quick)
	if err := os.WriteFile(w.home+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.finish(parent)
	var waits []string
	for _, r := range w.results(parent) {
		if r.Name == "wait_for_events" {
			waits = append(waits, r.Output)
		}
	}
	if len(waits) != 2 || !strings.Contains(waits[0], "Run "+quick+": succeeded.") || !strings.Contains(waits[1], "Nothing happened within 1 seconds") {
		t.Errorf("the waits told %q", waits)
	}
}
