package crash

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// TestSteeringSurvives kills everything right after steering was acknowledged: an approval and a
// message each have their effect, once.
func TestSteeringSurvives(t *testing.T) {
	for _, victim := range []string{"server", "worker", "runner", "all"} {
		t.Run(victim, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, layout{}, newReferee(t, "", 0))
			id := f.start("asks", map[string]any{
				"prompt": asking(f.ref, "asks", 1),
				"config": map[string]any{"name": "asks", "worker_host": host, "model_id": "scripted", "permissions": map[string]any{"ask": []string{"bash"}}},
			})
			request := f.asked(id)
			f.strike(victim) // while it waits for a person
			f.insist("approve", func() error {
				err := f.call("POST", fmt.Sprintf("/agent/runs/%s/requests/%s/answer", id, request), map[string]any{"decision": "allow"}, nil)
				if err != nil && strings.Contains(err.Error(), "answered") {
					return nil // the answer before was taken, and its acknowledgement lost
				}
				return err
			})
			f.strike(victim)
			f.until("the end of the first turn", func() bool { return f.get(id).State == api.RunStateSUCCEEDED })
			const text = "One more thing, please."
			f.insist("send a message", func() error {
				return f.call("POST", "/agent/runs/"+id+"/followups", map[string]any{"message": text}, nil)
			})
			f.strike(victim)
			f.until("the answer to the message", func() bool {
				return f.get(id).State == api.RunStateSUCCEEDED && strings.Contains(f.words(id), "you said one more thing")
			})
			if n := strings.Count(f.said(id), text); n != 1 {
				t.Errorf("the message is recorded %d times", n)
			}
			n, done := f.ref.marks("asks")[1], strings.Contains(f.words(id), "step-1 counted")
			if n > 1 || done && n == 0 {
				t.Errorf("the approved command was carried out %d times; it has a result: %t", n, done)
			}
		})
	}
}

// asking is a prompt whose only command needs permission, and whose agent answers one message.
func asking(ref *referee, name string, step int) string {
	text, _ := json.Marshal(map[string]any{"turns": []any{
		map[string]any{"text": "may I?", "tool_calls": []any{map[string]any{"name": "bash", "input": map[string]any{"command": mark(ref, name, step)}}}},
		map[string]any{"text": "done"},
		// An answer that was cut off counts as one, too.
		map[string]any{"text": "you said one more thing"},
		map[string]any{"text": "you said one more thing"},
		map[string]any{"text": "you said one more thing"},
	}})
	return "Ask first.\n```scripted\n" + string(text) + "\n```"
}

// strike kills a role of the fleet, or all, as kill does.
func (f *fleet) strike(victim string) {
	if victim != "all" {
		f.kill(victim)
		return
	}
	for _, role := range f.roles() {
		f.kill(role)
	}
	for _, pid := range f.runners() {
		killPID(pid)
	}
}

// insist repeats a request until it is acknowledged.
func (f *fleet) insist(what string, act func() error) {
	f.t.Helper()
	var err error
	defer func() {
		if f.t.Failed() {
			f.t.Logf("%s: %v", what, err)
		}
	}()
	f.until("the server to "+what, func() bool { err = act(); return err == nil })
}

// asked waits until a run is BLOCKED by a request and returns the request's id.
func (f *fleet) asked(id string) (request string) {
	f.t.Helper()
	f.until("a request", func() bool {
		var list api.ListRequestsResponse
		if f.call("GET", "/agent/runs/"+id+"/requests", nil, &list) != nil || len(list.Requests) == 0 {
			return false
		}
		request = list.Requests[0].Id
		return f.get(id).State == api.RunStateBLOCKED
	})
	return request
}

// words is all that the agent said and its commands wrote, said all that people did.
func (f *fleet) words(id string) string {
	return f.texts(id, func(d api.EntryData) string {
		switch d := d.(type) {
		case api.AgentMessage:
			return d.Text
		case api.ActionResult:
			return d.Output
		}
		return ""
	})
}

func (f *fleet) said(id string) string {
	return f.texts(id, func(d api.EntryData) string {
		m, _ := d.(api.UserMessage)
		return m.Text
	})
}

func (f *fleet) texts(id string, of func(api.EntryData) string) string {
	var b strings.Builder
	for _, e := range f.entries(id) {
		b.WriteString(of(decoded(f.t, e)) + "\n")
	}
	return b.String()
}
