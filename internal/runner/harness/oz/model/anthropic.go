package model

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/cadrehq/cadre/api"
)

type anthropicModel struct {
	id       string
	limits   Limits
	messages anthropic.MessageService
}

func newAnthropic(m api.RunnerModel, lim Limits, token string, client *http.Client) *anthropicModel {
	// The service is made directly: the library's own constructor would read the environment.
	return &anthropicModel{id: m.Id, limits: lim, messages: anthropic.NewMessageService(
		option.WithBaseURL(m.BaseUrl), option.WithAPIKey(token),
		option.WithHTTPClient(client), option.WithMaxRetries(0))}
}

func (m *anthropicModel) Limits() Limits { return m.limits }

func (m *anthropicModel) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	stream := m.messages.NewStreaming(ctx, m.params(req))
	defer func() { _ = stream.Close() }()
	r, out := newReply(emit), Reply{}
	whole := false
	for stream.Next() {
		ev := stream.Current()
		if err := m.event(r, &out, ev); err != nil {
			r.finish(&out, false)
			return out, err
		}
		if ev.Type == "message_stop" {
			whole = true
		}
	}
	err := stream.Err()
	if err == nil && !whole {
		err = io.ErrUnexpectedEOF
	}
	r.finish(&out, err == nil && out.Stop != StopLength)
	if err != nil {
		return out, explain(ctx, err)
	}
	return out, nil
}

func (m *anthropicModel) event(r *reply, out *Reply, ev anthropic.MessageStreamEventUnion) error {
	switch ev.Type {
	case "message_start":
		u := ev.Message.Usage
		out.Usage = Usage{Input: u.InputTokens, Output: u.OutputTokens, CacheRead: u.CacheReadInputTokens, CacheWrite: u.CacheCreationInputTokens}
	case "content_block_start":
		b := ev.ContentBlock
		switch b.Type {
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
	case "content_block_delta":
		switch ev.Delta.Type {
		case "text_delta":
			return r.add(ev.Index, Text{}, ev.Delta.Text)
		case "thinking_delta":
			return r.add(ev.Index, Reasoning{}, ev.Delta.Thinking)
		case "signature_delta":
			r.at(ev.Index, Reasoning{}).signature += ev.Delta.Signature
		case "input_json_delta":
			return r.add(ev.Index, Call{}, ev.Delta.PartialJSON)
		}
	case "content_block_stop":
		if i, ok := r.index[ev.Index]; ok {
			sealThinking(r.parts[i])
		}
	case "message_delta":
		out.Stop = anthropicStop(ev.Delta.StopReason)
		out.Usage.Output = ev.Usage.OutputTokens
		if ev.Usage.JSON.InputTokens.Valid() {
			out.Usage.Input = ev.Usage.InputTokens
		}
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

func anthropicStop(s anthropic.StopReason) Stop {
	switch s {
	case anthropic.StopReasonToolUse:
		return StopCalls
	case anthropic.StopReasonMaxTokens, "model_context_window_exceeded":
		return StopLength
	case anthropic.StopReasonRefusal:
		return StopRefused
	}
	return StopEnd
}

func (m *anthropicModel) params(req Request) anthropic.MessageNewParams {
	maxOut := m.limits.MaxOutputTokens
	if req.MaxOutputTokens > 0 {
		maxOut = min(maxOut, req.MaxOutputTokens)
	}
	p := anthropic.MessageNewParams{Model: m.id, MaxTokens: int64(maxOut)}
	if req.System != "" {
		p.System = []anthropic.TextBlockParam{{Text: req.System, CacheControl: anthropic.NewCacheControlEphemeralParam()}}
	}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
			Name: t.Name, Description: param.NewOpt(t.Description), InputSchema: anthropicSchema(t.Schema)}})
	}
	for _, msg := range merge(req.Messages) {
		role := anthropic.MessageParamRoleUser
		if msg.Role == Assistant {
			role = anthropic.MessageParamRoleAssistant
		}
		var blocks []anthropic.ContentBlockParamUnion
		for _, part := range msg.Parts {
			if b, ok := anthropicBlock(part); ok {
				blocks = append(blocks, b)
			}
		}
		if len(blocks) > 0 {
			p.Messages = append(p.Messages, anthropic.MessageParam{Role: role, Content: blocks})
		}
	}
	cacheLast(p.Messages)
	return p
}

// cacheLast marks the end of the conversation so far as worth caching: the next call repeats it.
func cacheLast(msgs []anthropic.MessageParam) {
	if len(msgs) == 0 {
		return
	}
	blocks := msgs[len(msgs)-1].Content
	switch last := &blocks[len(blocks)-1]; {
	case last.OfText != nil:
		last.OfText.CacheControl = anthropic.NewCacheControlEphemeralParam()
	case last.OfToolResult != nil:
		last.OfToolResult.CacheControl = anthropic.NewCacheControlEphemeralParam()
	}
}

func anthropicBlock(part Part) (anthropic.ContentBlockParamUnion, bool) {
	switch p := part.(type) {
	case Text:
		return anthropic.NewTextBlock(p.Text), p.Text != ""
	case Image:
		return anthropic.NewImageBlockBase64(p.MediaType, base64.StdEncoding.EncodeToString(p.Data)), true
	case Call:
		return anthropic.NewToolUseBlock(p.ID, p.Input, p.Name), true
	case Result:
		b := anthropic.NewToolResultBlock(p.CallID, p.Text, p.Failed)
		for _, im := range p.Images {
			b.OfToolResult.Content = append(b.OfToolResult.Content, anthropic.ToolResultBlockParamContentUnion{
				OfImage: anthropic.NewImageBlockBase64(im.MediaType, base64.StdEncoding.EncodeToString(im.Data)).OfImage})
		}
		return b, true
	case Reasoning:
		var o struct{ Type, Thinking, Signature, Data string }
		if json.Unmarshal(p.Opaque, &o) != nil {
			return anthropic.ContentBlockParamUnion{}, false
		}
		switch o.Type {
		case "thinking":
			return anthropic.NewThinkingBlock(o.Signature, o.Thinking), true
		case "redacted_thinking":
			return anthropic.NewRedactedThinkingBlock(o.Data), true
		}
	}
	return anthropic.ContentBlockParamUnion{}, false
}

func anthropicSchema(raw json.RawMessage) anthropic.ToolInputSchemaParam {
	var m map[string]any
	_ = json.Unmarshal(raw, &m)
	s := anthropic.ToolInputSchemaParam{Properties: m["properties"]}
	if s.Properties == nil {
		s.Properties = map[string]any{}
	}
	if req, ok := m["required"].([]any); ok {
		for _, r := range req {
			if name, ok := r.(string); ok {
				s.Required = append(s.Required, name)
			}
		}
	}
	delete(m, "properties")
	delete(m, "required")
	delete(m, "type")
	s.ExtraFields = m
	return s
}

// merge joins neighbouring messages of one role, as the vendors want them to alternate.
func merge(msgs []Message) []Message {
	var out []Message
	for _, m := range msgs {
		if n := len(out); n > 0 && out[n-1].Role == m.Role {
			out[n-1].Parts = append(out[n-1].Parts[:len(out[n-1].Parts):len(out[n-1].Parts)], m.Parts...)
			continue
		}
		out = append(out, m)
	}
	return out
}
