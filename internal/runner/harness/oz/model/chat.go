package model

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	"github.com/cadrehq/cadre/api"
)

// chatModel speaks OpenAI's Chat Completions, which every compatible endpoint understands.
type chatModel struct {
	id     string
	limits Limits
	chat   openai.ChatCompletionService
}

func newChat(m api.RunnerModel, lim Limits, token string, client *http.Client) *chatModel {
	return &chatModel{id: m.Id, limits: lim, chat: openai.NewChatCompletionService(openaiOptions(m, token, client)...)}
}

func openaiOptions(m api.RunnerModel, token string, client *http.Client) []option.RequestOption {
	return []option.RequestOption{option.WithBaseURL(m.BaseUrl), option.WithAPIKey(token),
		option.WithHTTPClient(client), option.WithMaxRetries(0)}
}

func (m *chatModel) Limits() Limits { return m.limits }

// Parts of a chat turn have no index on the wire; these keep text, reasoning and calls apart.
const (
	chatText      = -1
	chatReasoning = -2
)

func (m *chatModel) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	stream := m.chat.NewStreaming(ctx, m.params(req))
	defer func() { _ = stream.Close() }()
	r, out := newReply(emit), Reply{}
	whole := false
	for stream.Next() {
		chunk := stream.Current()
		if u := chunk.Usage; u.TotalTokens > 0 || u.PromptTokens > 0 {
			cached := u.PromptTokensDetails.CachedTokens
			out.Usage = Usage{Input: u.PromptTokens - cached, Output: u.CompletionTokens, CacheRead: cached}
		}
		if len(chunk.Choices) == 0 {
			continue
		}
		c := chunk.Choices[0]
		if c.FinishReason != "" {
			whole, out.Stop = true, chatStop(c.FinishReason)
		}
		if err := chatDelta(r, &out, c.Delta); err != nil {
			r.finish(&out, false)
			return out, err
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

func chatDelta(r *reply, out *Reply, d openai.ChatCompletionChunkChoiceDelta) error {
	// Local servers stream thinking in a member the vendor does not have.
	for _, name := range []string{"reasoning_content", "reasoning"} {
		if f, ok := d.JSON.ExtraFields[name]; ok && f.Raw() != "" {
			var text string
			if json.Unmarshal([]byte(f.Raw()), &text) == nil && text != "" {
				if err := r.add(chatReasoning, Reasoning{}, text); err != nil {
					return err
				}
				break
			}
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

func (m *chatModel) params(req Request) openai.ChatCompletionNewParams {
	maxOut := m.limits.MaxOutputTokens
	if req.MaxOutputTokens > 0 {
		maxOut = min(maxOut, req.MaxOutputTokens)
	}
	p := openai.ChatCompletionNewParams{Model: m.id, MaxCompletionTokens: param.NewOpt(int64(maxOut)),
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: param.NewOpt(true)}}
	if req.System != "" {
		p.Messages = append(p.Messages, openai.SystemMessage(req.System))
	}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(openai.FunctionDefinitionParam{
			Name: t.Name, Description: param.NewOpt(t.Description), Parameters: schemaMap(t.Schema)}))
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

func chatAssistant(parts []Part) []openai.ChatCompletionMessageParamUnion {
	var text string
	a := openai.ChatCompletionAssistantMessageParam{}
	for _, part := range parts {
		switch p := part.(type) {
		case Text:
			text += p.Text
		case Call:
			a.ToolCalls = append(a.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{
				OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{ID: p.ID,
					Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: p.Name, Arguments: string(p.Input)}}})
		}
	}
	if text == "" && len(a.ToolCalls) == 0 {
		return nil
	}
	if text != "" {
		a.Content.OfString = param.NewOpt(text)
	}
	return []openai.ChatCompletionMessageParamUnion{{OfAssistant: &a}}
}

// chatUser puts results first, as the wire demands, and pictures of results into the user message,
// because a tool message holds text only.
func chatUser(parts []Part) []openai.ChatCompletionMessageParamUnion {
	var out []openai.ChatCompletionMessageParamUnion
	var content []openai.ChatCompletionContentPartUnionParam
	picture := func(im Image) {
		content = append(content, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: dataURL(im)}))
	}
	for _, part := range parts {
		switch p := part.(type) {
		case Result:
			out = append(out, openai.ToolMessage(resultText(p), p.CallID))
			for _, im := range p.Images {
				picture(im)
			}
		case Text:
			content = append(content, openai.TextContentPart(p.Text))
		case Image:
			picture(p)
		}
	}
	if len(content) == 1 && content[0].OfText != nil {
		return append(out, openai.UserMessage(content[0].OfText.Text))
	}
	if len(content) > 0 {
		out = append(out, openai.UserMessage(content))
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

func schemaMap(raw json.RawMessage) map[string]any {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil || m == nil {
		m = map[string]any{"type": "object"}
	}
	if m["properties"] == nil {
		m["properties"] = map[string]any{}
	}
	return m
}
