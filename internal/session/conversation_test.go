package session_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
)

func TestConversation(t *testing.T) {
	m := newMemory()
	s, _ := newService(t, m, nil)
	exit := 1
	m.put(
		api.Phase{Name: "clone", State: api.PhaseCompleted},
		api.UserMessage{Text: "Mend it.\nSoon."},
		api.AgentReasoning{Turn: 1, Text: "hm"},
		api.AgentMessage{Turn: 1, Text: "Looking."},
		api.Action{ID: "a", Turn: 1, Category: api.ActionCategoryCommand, Name: "bash", Input: json.RawMessage(`{"command":"go test"}`)},
		api.ActionResult{ActionID: "a", Category: api.ActionCategoryCommand, Name: "bash", State: api.ActionStateFailed, Output: "FAIL", ExitCode: &exit},
		api.Usage{ModelID: "m"},
		api.Action{ID: "b", Turn: 2, Name: "odd", Input: json.RawMessage(`"text"`)},
		api.Request{ID: "q", Kind: api.RequestKindQuestion, Prompt: "Which?"},
		api.Answer{RequestID: "q", Text: "that"},
		api.UserMessage{Text: "Thanks."},
		api.AgentMessage{Turn: 3, Text: "Bye."},
		api.StateChange{To: api.RunStateSUCCEEDED},
	)
	m.entries = append(m.entries, api.Entry{Seq: 14, Type: "from the future", Data: json.RawMessage(`{}`)})
	got, err := s.Conversation(t.Context(), runID, "conv")
	if err != nil {
		t.Fatal(err)
	}
	type block struct{ Role, Type, What string }
	var steps [][]block
	for _, st := range got.Steps {
		var blocks []block
		for _, msg := range st.Messages {
			for _, c := range msg.Content {
				what := c.Name
				if c.Text != nil {
					what = *c.Text
				}
				if c.Input != nil {
					what += string(c.Input)
				}
				if c.Output != nil {
					what += string(c.Output)
				}
				blocks = append(blocks, block{string(msg.Role), string(c.Type), what})
			}
		}
		steps = append(steps, blocks)
	}
	want := [][]block{
		{{"system", "event", "phase"}},
		{
			{"user", "text", "Mend it.\nSoon."}, {"assistant", "event", "reasoning"}, {"assistant", "text", "Looking."},
			{"assistant", "action", `bash{"command":"go test"}`}, {"tool", "action_result", `bash{"exit_code":1,"text":"FAIL"}`},
			{"assistant", "action", `odd{"value":"text"}`}, {"assistant", "event", "request"}, {"user", "event", "answer"},
		},
		{{"user", "text", "Thanks."}, {"assistant", "text", "Bye."}, {"system", "event", "state"}},
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	if st := got.Steps[1]; got.ConversationId != "conv" || st.Description != "Mend it." || st.Id != "step-"+runID+"-2" ||
		len(st.Messages[1].MessageIds) != 3 || st.Steps == nil {
		t.Errorf("step %+v", st)
	}
	if again, _ := s.Conversation(t.Context(), runID, "conv"); cmp.Diff(got, again) != "" {
		t.Error("ids change from reading to reading")
	}
}

func TestTranscript(t *testing.T) {
	m := newMemory()
	s, _ := newService(t, m, nil)
	m.put(say(300)...)
	m.put(api.AgentMessage{Text: "two\nlines <b>"})
	var b bytes.Buffer
	if err := s.Transcript(t.Context(), runID, &b); err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(&b)
	seq := int64(0)
	for d.More() {
		var e api.Entry
		if err := d.Decode(&e); err != nil || e.Seq != seq+1 || e.CreatedAt != time.Unix(0, 0).UTC() {
			t.Fatalf("after %d: %+v, %v", seq, e, err)
		}
		seq = e.Seq
	}
	if seq != 301 {
		t.Errorf("%d lines", seq)
	}
}
