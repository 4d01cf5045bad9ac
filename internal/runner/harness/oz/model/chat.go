package model

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/cadrehq/cadre/api"
)

// chatModel speaks OpenAI's Chat Completions, which every compatible endpoint understands.
type chatModel struct {
	id     string
	limits Limits
	endpoint
}

func newChat(m api.RunnerModel, lim Limits, token string, client *http.Client) *chatModel {
	return &chatModel{id: m.Id, limits: lim, endpoint: newEndpoint(client, m.BaseUrl, "/chat/completions", bearer(token))}
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

func (m *chatModel) Limits() Limits { return m.limits }

// Parts of a chat turn have no index on the wire; these keep text, reasoning and calls apart.
const (
	chatText      = -1
	chatReasoning = -2
)

// chatChunk is one event. Error is what compatible endpoints send instead of a chunk.
type chatChunk struct {
	Error   json.RawMessage
	Choices []struct {
		Delta        chatDelta
		FinishReason string `json:"finish_reason"`
	}
	Usage struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Details    struct {
			Cached int64 `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
}

type chatDelta struct {
	Content, Refusal string

	// Local servers stream thinking in a member the vendor does not have.
	ReasoningContent json.RawMessage `json:"reasoning_content"`
	Reasoning        json.RawMessage
	ToolCalls        []struct {
		Index    int64
		ID       string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
}

func (m *chatModel) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	r, out := newReply(emit), Reply{}
	finished := false
	err := m.stream(ctx, m.request(req), func(data []byte) (bool, error) {
		if bytes.Equal(bytes.TrimSpace(data), []byte("[DONE]")) {
			return finished, nil
		}
		var chunk chatChunk
		if err := json.Unmarshal(data, &chunk); err != nil {
			return false, err
		}
		if len(chunk.Error) > 0 && !bytes.Equal(chunk.Error, []byte("null")) {
			return false, fromHTTP(http.StatusOK, nil, string(data), nil)
		}
		if u := chunk.Usage; u.Prompt > 0 || u.Completion > 0 {
			out.Usage = Usage{Input: u.Prompt - u.Details.Cached, Output: u.Completion, CacheRead: u.Details.Cached}
		}
		if len(chunk.Choices) == 0 {
			return false, nil
		}
		c := chunk.Choices[0]
		if c.FinishReason != "" {
			finished, out.Stop = true, chatStop(c.FinishReason)
		}
		return false, c.Delta.into(r, &out)
	})
	// Some endpoints leave out the mark of the end; what says why the turn ended was enough then.
	if finished && isCutOff(err) {
		err = nil
	}
	r.finish(&out, err == nil && out.Stop != StopLength)
	return out, err
}

func (d chatDelta) into(r *reply, out *Reply) error {
	for _, raw := range []json.RawMessage{d.ReasoningContent, d.Reasoning} {
		var text string
		if json.Unmarshal(raw, &text) == nil && text != "" {
			if err := r.add(chatReasoning, Reasoning{}, text); err != nil {
				return err
			}
			break
		}
	}
	if d.Refusal != "" {
		out.Stop = StopRefused
	}
	if text := d.Content + d.Refusal; text != "" {
		if err := r.add(chatText, Text{}, text); err != nil {
			return err
		}
	}
	for _, call := range d.ToolCalls {
		b := r.at(call.Index, Call{})
		c, _ := b.part.(Call)
		if call.ID != "" {
			c.ID = call.ID
		}
		if call.Function.Name != "" {
			c.Name = call.Function.Name
		}
		b.part = c
		if err := r.add(call.Index, c, call.Function.Arguments); err != nil {
			return err
		}
	}
	return nil
}

func chatStop(s string) Stop {
	switch s {
	case "tool_calls", "function_call":
		return StopCalls
	case "length":
		return StopLength
	case "content_filter":
		return StopRefused
	}
	return StopEnd
}

type chatRequest struct {
	Model     string        `json:"model"`
	MaxTokens int           `json:"max_completion_tokens"`
	Stream    bool          `json:"stream"`
	Options   chatOptions   `json:"stream_options"`
	Messages  []chatMessage `json:"messages"`
	Tools     []chatTool    `json:"tools,omitempty"`
}

type chatOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

type chatTool struct {
	Type     string       `json:"type"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// chatMessage has Content as a string or a list of chatContent.
type chatMessage struct {
	Role       string     `json:"role"`
	Content    any        `json:"content,omitempty"`
	ToolCalls  []chatCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
}

type chatCall struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type chatContent struct {
	Type     string        `json:"type"`
	Text     string        `json:"text,omitempty"`
	ImageURL *chatImageURL `json:"image_url,omitempty"`
}

type chatImageURL struct {
	URL string `json:"url"`
}

func (m *chatModel) request(req Request) chatRequest {
	p := chatRequest{Model: m.id, MaxTokens: m.limits.maxOutput(req), Stream: true, Options: chatOptions{IncludeUsage: true}}
	if req.System != "" {
		p.Messages = append(p.Messages, chatMessage{Role: "system", Content: req.System})
	}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, chatTool{"function", chatFunction{t.Name, t.Description, schema(t.Schema)}})
	}
	for _, msg := range merge(req.Messages) {
		if msg.Role == Assistant {
			p.Messages = append(p.Messages, chatAssistant(msg.Parts)...)
			continue
		}
		p.Messages = append(p.Messages, chatUser(msg.Parts)...)
	}
	return p
}

func chatAssistant(parts []Part) []chatMessage {
	var text string
	a := chatMessage{Role: "assistant"}
	for _, part := range parts {
		switch p := part.(type) {
		case Text:
			text += p.Text
		case Call:
			c := chatCall{ID: p.ID, Type: "function"}
			c.Function.Name, c.Function.Arguments = p.Name, string(p.Input)
			a.ToolCalls = append(a.ToolCalls, c)
		}
	}
	if text == "" && len(a.ToolCalls) == 0 {
		return nil
	}
	if text != "" {
		a.Content = text
	}
	return []chatMessage{a}
}

// chatUser puts results first, as the wire demands, and pictures of results into the user message,
// because a tool message holds text only.
func chatUser(parts []Part) []chatMessage {
	var out []chatMessage
	var content []chatContent
	picture := func(im Image) {
		content = append(content, chatContent{Type: "image_url", ImageURL: &chatImageURL{dataURL(im)}})
	}
	for _, part := range parts {
		switch p := part.(type) {
		case Result:
			out = append(out, chatMessage{Role: "tool", ToolCallID: p.CallID, Content: resultText(p)})
			for _, im := range p.Images {
				picture(im)
			}
		case Text:
			content = append(content, chatContent{Type: "text", Text: p.Text})
		case Image:
			picture(p)
		}
	}
	if len(content) == 1 && content[0].Type == "text" {
		return append(out, chatMessage{Role: "user", Content: content[0].Text})
	}
	if len(content) > 0 {
		out = append(out, chatMessage{Role: "user", Content: content})
	}
	return out
}

func resultText(r Result) string {
	if r.Failed {
		return "[failed]\n" + r.Text
	}
	return r.Text
}

func dataURL(im Image) string {
	return "data:" + im.MediaType + ";base64," + base64.StdEncoding.EncodeToString(im.Data)
}
