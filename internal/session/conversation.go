package session

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// conversation builds the normalised form: a step per thing a person said, with the messages that
// followed. Ids are made of the run's id and the entry's number, so that they stay the same.
type conversation struct {
	runID string
	out   api.ConversationResponse
	// turn is the model call the last assistant message belongs to; entries of one call are blocks
	// of one message.
	turn int
}

func newConversation(runID, conversationID string) *conversation {
	return &conversation{runID: runID, out: api.ConversationResponse{ConversationId: conversationID, Steps: []api.ConversationStep{}}}
}

// Conversation returns entries of a run in normalised form.
func Conversation(runID, conversationID string, entries []api.Entry) api.ConversationResponse {
	c := newConversation(runID, conversationID)
	for _, e := range entries {
		c.add(e)
	}
	return c.out
}

// add takes in the next entry. What it cannot read it leaves out, as every reader must.
func (c *conversation) add(e api.Entry) {
	data, err := e.Decode()
	if err != nil {
		return
	}
	id := c.runID + "-" + strconv.FormatInt(e.Seq, 10)
	switch d := data.(type) {
	case api.UserMessage:
		c.step(id, d.Text, e)
		c.message(id, api.ConversationMessageRoleUser, 0, e, text(id, d.Text))
	case api.AgentMessage:
		c.message(id, api.ConversationMessageRoleAssistant, d.Turn, e, text(id, d.Text))
	case api.AgentReasoning:
		if d.Text != "" {
			c.message(id, api.ConversationMessageRoleAssistant, d.Turn, e, event(id, "reasoning", object(map[string]string{"text": d.Text})))
		}
	case api.Action:
		c.message(id, api.ConversationMessageRoleAssistant, d.Turn, e, api.ContentBlock{
			Type: api.BlockAction, MessageId: id, Id: d.ID, Category: d.Category, Name: d.Name, Input: asObject(d.Input),
		})
	case api.ActionResult:
		c.message(id, api.ConversationMessageRoleTool, 0, e, result(id, d))
	case api.Usage:
	case api.Request, api.Plan:
		c.message(id, api.ConversationMessageRoleAssistant, 0, e, event(id, string(e.Type), e.Data))
	case api.Answer:
		c.message(id, api.ConversationMessageRoleUser, 0, e, event(id, string(e.Type), e.Data))
	default:
		c.message(id, api.ConversationMessageRoleSystem, 0, e, event(id, string(e.Type), e.Data))
	}
}

// step begins a new step.
func (c *conversation) step(id, said string, e api.Entry) {
	c.out.Steps = append(c.out.Steps, api.ConversationStep{
		Id: "step-" + id, Description: firstLine(said), StartedAt: e.CreatedAt,
		Messages: []api.ConversationMessage{}, Steps: []api.ConversationStep{},
	})
	c.turn = 0
}

// message adds a block, to the last message when that is of the same model call.
func (c *conversation) message(id string, role api.ConversationMessageRole, turn int, e api.Entry, block api.ContentBlock) {
	if len(c.out.Steps) == 0 {
		c.step(id, "", e)
	}
	s := &c.out.Steps[len(c.out.Steps)-1]
	s.CompletedAt = e.CreatedAt
	if last := len(s.Messages) - 1; turn > 0 && turn == c.turn && last >= 0 && s.Messages[last].Role == role {
		m := &s.Messages[last]
		m.MessageIds = append(m.MessageIds, id)
		m.Content = append(m.Content, block)
		return
	}
	c.turn = turn
	s.Messages = append(s.Messages, api.ConversationMessage{
		MessageIds: []string{id}, Role: role, Timestamp: e.CreatedAt, Content: []api.ContentBlock{block},
	})
}

func text(id, s string) api.ContentBlock {
	return api.ContentBlock{Type: api.BlockText, MessageId: id, Text: &s}
}

func event(id, name string, data json.RawMessage) api.ContentBlock {
	return api.ContentBlock{Type: api.BlockEvent, MessageId: id, Name: name, Data: data}
}

func result(id string, d api.ActionResult) api.ContentBlock {
	out := map[string]any{"text": d.Output}
	if d.ExitCode != nil {
		out["exit_code"] = *d.ExitCode
	}
	if d.DurationMS > 0 {
		out["duration_ms"] = d.DurationMS
	}
	if d.OmittedBytes > 0 {
		out["omitted_bytes"] = d.OmittedBytes
	}
	if len(d.Detail) > 0 {
		out["detail"] = d.Detail
	}
	return api.ContentBlock{
		Type: api.BlockActionResult, MessageId: id, ActionId: d.ActionID, Category: d.Category, Name: d.Name,
		State: d.State, Output: object(out),
	}
}

// object encodes a map of plain values, which cannot fail.
func object(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return b
}

// asObject makes sure that an action's input is an object, as the wire wants it.
func asObject(v json.RawMessage) json.RawMessage {
	if len(v) == 0 || string(v) == "null" {
		return json.RawMessage(`{}`)
	}
	if v[0] != '{' {
		return object(map[string]json.RawMessage{"value": v})
	}
	return v
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if runes := []rune(s); len(runes) > 120 {
		return string(runes[:119]) + "…"
	}
	return s
}
