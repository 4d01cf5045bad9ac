package model

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cadrehq/cadre/api"
)

// anthropicModel speaks Anthropic's Messages.
type anthropicModel struct {
	id     string
	limits Limits
	endpoint
}

func newAnthropic(m api.RunnerModel, lim Limits, token string, client *http.Client) *anthropicModel {
	return &anthropicModel{id: m.Id, limits: lim, endpoint: newEndpoint(client, m.BaseUrl, "/v1/messages",
		map[string]string{"x-api-key": token, "anthropic-version": "2023-06-01"})}
}

func (m *anthropicModel) Limits() Limits { return m.limits }

func (m *anthropicModel) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	r, out := newReply(emit), Reply{}
	err := m.stream(ctx, m.request(req), func(data []byte) (bool, error) {
		var ev anthropicEvent
		if err := json.Unmarshal(data, &ev); err != nil {
			return false, err
		}
		if ev.Type == "error" {
			return false, fromHTTP(http.StatusOK, nil, string(data), nil)
		}
		return ev.Type == "message_stop", anthropicEventInto(r, &out, ev)
	})
	r.finish(&out, err == nil && out.Stop != StopLength)
	return out, err
}

// anthropicEvent is every kind of event in one.
type anthropicEvent struct {
	Type    string
	Index   int64
	Message struct{ Usage anthropicUsage }
	Usage   anthropicUsage
	Block   struct {
		Type, ID, Name, Text, Thinking, Data string
	} `json:"content_block"`
	Delta struct {
		Type, Text, Thinking, Signature string

		PartialJSON string `json:"partial_json"`
		StopReason  string `json:"stop_reason"`
	}
}

type anthropicUsage struct {
	Input      *int64 `json:"input_tokens"`
	Output     int64  `json:"output_tokens"`
	CacheRead  int64  `json:"cache_read_input_tokens"`
	CacheWrite int64  `json:"cache_creation_input_tokens"`
}

func anthropicEventInto(r *reply, out *Reply, ev anthropicEvent) error {
	switch ev.Type {
	case "message_start":
		u := ev.Message.Usage
		out.Usage = Usage{Output: u.Output, CacheRead: u.CacheRead, CacheWrite: u.CacheWrite}
		if u.Input != nil {
			out.Usage.Input = *u.Input
		}
	case "content_block_start":
		return anthropicBlockInto(r, ev)
	case "content_block_delta":
		switch ev.Delta.Type {
		case "text_delta":
			return r.add(ev.Index, Text{}, ev.Delta.Text)
		case "thinking_delta":
			return r.add(ev.Index, Reasoning{}, ev.Delta.Thinking)
		case "signature_delta":
			return r.sign(ev.Index, ev.Delta.Signature)
		case "input_json_delta":
			return r.add(ev.Index, Call{}, ev.Delta.PartialJSON)
		}
	case "content_block_stop":
		if i, ok := r.index[ev.Index]; ok {
			sealThinking(r.parts[i])
		}
	case "message_delta":
		out.Stop = anthropicStop(ev.Delta.StopReason)
		out.Usage.Output = ev.Usage.Output
		if ev.Usage.Input != nil {
			out.Usage.Input = *ev.Usage.Input
		}
	}
	return nil
}

func anthropicBlockInto(r *reply, ev anthropicEvent) error {
	switch b := ev.Block; b.Type {
	case "text":
		return r.add(ev.Index, Text{}, b.Text)
	case "thinking":
		return r.add(ev.Index, Reasoning{}, b.Thinking)
	case "redacted_thinking":
		raw, _ := json.Marshal(map[string]string{"type": b.Type, "data": b.Data})
		return r.add(ev.Index, Reasoning{Opaque: raw}, "")
	case "tool_use":
		return r.add(ev.Index, Call{ID: b.ID, Name: b.Name}, "")
	}
	return nil
}

// sealThinking keeps a thinking block with its signature, which the vendor wants back untouched.
func sealThinking(b *building) {
	p, ok := b.part.(Reasoning)
	if !ok || b.signature == "" {
		return
	}
	p.Opaque, _ = json.Marshal(map[string]string{"type": "thinking", "thinking": string(b.text), "signature": b.signature})
	b.part = p
}

func anthropicStop(s string) Stop {
	switch s {
	case "tool_use":
		return StopCalls
	case "max_tokens", "model_context_window_exceeded":
		return StopLength
	case "refusal":
		return StopRefused
	}
	return StopEnd
}

type anthropicRequest struct {
	Model     string             `json:"model"`
	MaxTokens int                `json:"max_tokens"`
	Stream    bool               `json:"stream"`
	System    []anthropicBlock   `json:"system,omitempty"`
	Tools     []anthropicTool    `json:"tools,omitempty"`
	Messages  []anthropicMessage `json:"messages"`
}

type anthropicTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema"`
}

type anthropicMessage struct {
	Role    Role             `json:"role"`
	Content []anthropicBlock `json:"content"`
}

// anthropicBlock is every kind of content block in one.
type anthropicBlock struct {
	Type      string           `json:"type"`
	Text      string           `json:"text,omitempty"`
	Source    *anthropicSource `json:"source,omitempty"`
	ID        string           `json:"id,omitempty"`
	Name      string           `json:"name,omitempty"`
	Input     json.RawMessage  `json:"input,omitempty"`
	ToolUseID string           `json:"tool_use_id,omitempty"`
	Content   []anthropicBlock `json:"content,omitempty"`
	IsError   bool             `json:"is_error,omitempty"`
	Thinking  *string          `json:"thinking,omitempty"`
	Signature string           `json:"signature,omitempty"`
	Data      string           `json:"data,omitempty"`
	Cache     *anthropicCache  `json:"cache_control,omitempty"`
}

type anthropicSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      []byte `json:"data"` // base64 on the wire
}

type anthropicCache struct {
	Type string `json:"type"`
}

var anthropicEphemeral = &anthropicCache{Type: "ephemeral"}

func (m *anthropicModel) request(req Request) anthropicRequest {
	p := anthropicRequest{Model: m.id, MaxTokens: m.limits.maxOutput(req), Stream: true}
	if req.System != "" {
		p.System = []anthropicBlock{{Type: "text", Text: req.System, Cache: anthropicEphemeral}}
	}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, anthropicTool{t.Name, t.Description, schema(t.Schema)})
	}
	for _, msg := range merge(req.Messages) {
		var blocks []anthropicBlock
		for _, part := range msg.Parts {
			if b := anthropicBlockOf(part); b.Type != "" {
				blocks = append(blocks, b)
			}
		}
		if len(blocks) > 0 {
			p.Messages = append(p.Messages, anthropicMessage{msg.Role, blocks})
		}
	}
	cacheLast(p.Messages)
	return p
}

// cacheLast marks the end of the conversation so far as worth caching: the next call repeats it.
func cacheLast(msgs []anthropicMessage) {
	if len(msgs) == 0 {
		return
	}
	blocks := msgs[len(msgs)-1].Content
	switch last := &blocks[len(blocks)-1]; last.Type {
	case "text", "tool_result":
		last.Cache = anthropicEphemeral
	}
}

// anthropicBlockOf is the zero block for what the wire has no place for.
func anthropicBlockOf(part Part) anthropicBlock {
	switch p := part.(type) {
	case Text:
		if p.Text != "" {
			return anthropicBlock{Type: "text", Text: p.Text}
		}
	case Image:
		return anthropicImage(p)
	case Call:
		return anthropicBlock{Type: "tool_use", ID: p.ID, Name: p.Name, Input: p.Input}
	case Result:
		b := anthropicBlock{Type: "tool_result", ToolUseID: p.CallID, IsError: p.Failed, Content: []anthropicBlock{{Type: "text", Text: p.Text}}}
		for _, im := range p.Images {
			b.Content = append(b.Content, anthropicImage(im))
		}
		return b
	case Reasoning:
		var o struct{ Type, Thinking, Signature, Data string }
		if json.Unmarshal(p.Opaque, &o) != nil {
			break
		}
		switch o.Type {
		case "thinking":
			return anthropicBlock{Type: o.Type, Thinking: &o.Thinking, Signature: o.Signature}
		case "redacted_thinking":
			return anthropicBlock{Type: o.Type, Data: o.Data}
		}
	}
	return anthropicBlock{}
}

func anthropicImage(im Image) anthropicBlock {
	return anthropicBlock{Type: "image", Source: &anthropicSource{"base64", im.MediaType, im.Data}}
}
