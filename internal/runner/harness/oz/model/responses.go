package model

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/cadrehq/cadre/api"
)

// responsesModel speaks OpenAI's Responses, statelessly: the vendor stores nothing.
type responsesModel struct {
	id     string
	limits Limits
	endpoint
}

func newResponses(m api.RunnerModel, lim Limits, token string, client *http.Client) *responsesModel {
	return &responsesModel{id: m.Id, limits: lim, endpoint: newEndpoint(client, m.BaseUrl, "/responses", bearer(token))}
}

func (m *responsesModel) Limits() Limits { return m.limits }

func (m *responsesModel) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	r, out := newReply(emit), Reply{}
	err := m.stream(ctx, m.request(req), func(data []byte) (bool, error) {
		var ev responsesEvent
		if err := json.Unmarshal(data, &ev); err != nil {
			return false, err
		}
		if ev.Type == "error" {
			return false, fromHTTP(http.StatusOK, nil, string(data), nil)
		}
		return responsesEventInto(r, &out, ev)
	})
	r.finish(&out, err == nil && out.Stop != StopLength)
	return out, err
}

// responsesEvent is every kind of event in one.
type responsesEvent struct {
	Type     string
	Index    int64 `json:"output_index"`
	Delta    json.RawMessage
	Item     json.RawMessage
	Response struct {
		Error      json.RawMessage
		Incomplete struct{ Reason string } `json:"incomplete_details"`
		Usage      struct {
			Input   int64 `json:"input_tokens"`
			Output  int64 `json:"output_tokens"`
			Details struct {
				Cached int64 `json:"cached_tokens"`
			} `json:"input_tokens_details"`
		}
	}
}

type responsesItem struct {
	Type, Name, Arguments string

	CallID string `json:"call_id"`
}

// text is the delta of the events whose delta is text.
func (ev responsesEvent) text() string {
	var s string
	_ = json.Unmarshal(ev.Delta, &s)
	return s
}

func responsesEventInto(r *reply, out *Reply, ev responsesEvent) (whole bool, err error) {
	switch ev.Type {
	case "response.output_item.added":
		var item responsesItem
		if json.Unmarshal(ev.Item, &item) == nil && item.Type == "function_call" {
			r.at(ev.Index, Call{ID: item.CallID, Name: item.Name})
		}
	case "response.output_text.delta", "response.refusal.delta":
		return false, r.add(ev.Index, Text{}, ev.text())
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		return false, r.add(ev.Index, Reasoning{}, ev.text())
	case "response.function_call_arguments.delta":
		return false, r.add(ev.Index, Call{}, ev.text())
	case "response.output_item.done":
		r.itemDone(ev)
	case "response.completed", "response.incomplete":
		out.Stop = responsesStop(r, ev.Response.Incomplete.Reason)
		u := ev.Response.Usage
		out.Usage = Usage{Input: u.Input - u.Details.Cached, Output: u.Output, CacheRead: u.Details.Cached}
		return true, nil
	case "response.failed":
		e := fromHTTP(http.StatusOK, nil, string(ev.Response.Error), nil)
		if e.Kind == KindBroken && len(ev.Response.Error) == 0 {
			e.Message = "the model call failed without a reason"
		}
		return false, e
	}
	return false, nil
}

// itemDone settles what the deltas built: the vendor's own form of reasoning, final arguments.
func (r *reply) itemDone(ev responsesEvent) {
	var item responsesItem
	_ = json.Unmarshal(ev.Item, &item)
	switch item.Type {
	case "reasoning":
		b := r.at(ev.Index, Reasoning{})
		b.part = Reasoning{Opaque: ev.Item}
	case "function_call":
		b := r.at(ev.Index, Call{})
		b.part = Call{ID: item.CallID, Name: item.Name}
		if item.Arguments != "" && len(item.Arguments) <= maxReplyBytes {
			b.text = []byte(item.Arguments)
		}
	}
}

func responsesStop(r *reply, incomplete string) Stop {
	switch incomplete {
	case "max_output_tokens":
		return StopLength
	case "content_filter":
		return StopRefused
	}
	for _, b := range r.parts {
		if _, ok := b.part.(Call); ok {
			return StopCalls
		}
	}
	return StopEnd
}

type responsesRequest struct {
	Model        string          `json:"model"`
	MaxTokens    int             `json:"max_output_tokens"`
	Stream       bool            `json:"stream"`
	Store        bool            `json:"store"`
	Include      []string        `json:"include"`
	Instructions string          `json:"instructions,omitempty"`
	Tools        []responsesTool `json:"tools,omitempty"`
	Input        []any           `json:"input"`
}

type responsesTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// responsesMessage has Content as a string or a list of responsesContent.
type responsesMessage struct {
	Role    Role `json:"role"`
	Content any  `json:"content"`
}

type responsesContent struct {
	Type     string `json:"type"`
	Text     string `json:"text,omitempty"`
	ImageURL string `json:"image_url,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

type responsesCall struct {
	Type      string `json:"type"`
	CallID    string `json:"call_id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type responsesOutput struct {
	Type   string `json:"type"`
	CallID string `json:"call_id"`
	Output string `json:"output"`
}

func (m *responsesModel) request(req Request) responsesRequest {
	p := responsesRequest{Model: m.id, MaxTokens: m.limits.maxOutput(req), Stream: true, Instructions: req.System,
		Include: []string{"reasoning.encrypted_content"}, Input: []any{}}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, responsesTool{Type: "function", Name: t.Name, Description: t.Description, Parameters: schema(t.Schema)})
	}
	for _, msg := range merge(req.Messages) {
		p.Input = append(p.Input, responsesItems(msg)...)
	}
	return p
}

func responsesItems(msg Message) []any {
	var out []any
	var content []responsesContent
	picture := func(im Image) {
		content = append(content, responsesContent{Type: "input_image", ImageURL: dataURL(im), Detail: "auto"})
	}
	for _, part := range msg.Parts {
		switch p := part.(type) {
		case Text:
			if msg.Role == Assistant {
				out = append(out, responsesMessage{Assistant, p.Text})
				continue
			}
			content = append(content, responsesContent{Type: "input_text", Text: p.Text})
		case Image:
			picture(p)
		case Call:
			out = append(out, responsesCall{"function_call", p.ID, p.Name, string(p.Input)})
		case Result:
			out = append(out, responsesOutput{"function_call_output", p.CallID, resultText(p)})
			for _, im := range p.Images {
				picture(im)
			}
		case Reasoning:
			// Only the vendor's own items go back; thinking of another vendor means nothing here.
			var kind struct{ Type, ID string }
			if json.Unmarshal(p.Opaque, &kind) == nil && kind.Type == "reasoning" && kind.ID != "" {
				out = append(out, p.Opaque)
			}
		}
	}
	if len(content) > 0 {
		out = append(out, responsesMessage{User, content})
	}
	return out
}
