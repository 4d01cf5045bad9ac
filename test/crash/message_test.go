package crash

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// TestMessagesSurvive kills everything right after a message was acknowledged, which its recipient waits for:
// the recipient hears it, once, and the feed of events tells of it, whoever was to be told when it was killed.
func TestMessagesSurvive(t *testing.T) {
	for _, victim := range []string{"server", "runner", "all"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, layout{}, newReferee(t, "", 0))
			text, _ := json.Marshal(map[string]any{"turns": []any{
				map[string]any{"text": "I wait", "tool_calls": []any{map[string]any{"name": "wait_for_events", "input": map[string]any{}}}},
				// One that is cut off by the kill counts, too.
				map[string]any{"text": "heard"}, map[string]any{"text": "heard"}, map[string]any{"text": "heard"},
			}})
			id := f.submit("waits", "Wait.\n```scripted\n"+string(text)+"\n```")
			f.until("it to wait", func() bool { return f.get(id).Waiting.Code == api.WaitingCodeMessages })
			sender := f.submit("speaks", "Say nothing.\n```scripted\n{\"turns\":[{\"text\":\"done\"}]}\n```")
			const words = "It is forty-two."
			var sent api.SendMessageResponse
			f.insist("send a message", func() error {
				return f.call("POST", "/agent/messages", map[string]any{"to": []string{id}, "subject": "Result", "body": words, "sender_run_id": sender}, &sent)
			})
			f.strike(victim)
			f.until("the recipient to have heard", func() bool {
				return f.get(id).State == api.RunStateSUCCEEDED && strings.Contains(f.words(id), "heard")
			})
			if n := strings.Count(f.said(id), words); n != 1 {
				t.Errorf("the message is recorded %d times", n)
			}
			var events []api.AgentRunEvent
			f.insist("read events", func() error { return f.call("GET", "/agent/events?run_ids="+id, nil, &events) })
			told := 0
			for _, e := range events {
				if e.EventType == api.AgentRunEventTypeNewMessage && e.RefId == sent.MessageIds[0] {
					told++
				}
			}
			if told != 1 {
				t.Errorf("the message is told of %d times in %+v", told, events)
			}
		})
	}
}
