package model

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	"github.com/cadrehq/cadre/api"
)

// responsesModel speaks OpenAI's Responses, statelessly: the vendor stores nothing.
type responsesModel struct {
	id        string
	limits    Limits
	responses responses.ResponseService
}

func newResponses(m api.RunnerModel, lim Limits, token string, client *http.Client) *responsesModel {
	return &responsesModel{id: m.Id, limits: lim, responses: responses.NewResponseService(openaiOptions(m, token, client)...)}
}

func (m *responsesModel) Limits() Limits { return m.limits }

func (m *responsesModel) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	stream := m.responses.NewStreaming(ctx, m.params(req))
	defer func() { _ = stream.Close() }()
	r, out := newReply(emit), Reply{}
	whole := false
	for stream.Next() {
		ev := stream.Current()
		done, err := m.event(r, &out, ev)
		if err != nil {
			r.finish(&out, false)
			return out, err
		}
		whole = whole || done
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

func (m *responsesModel) event(r *reply, out *Reply, ev responses.ResponseStreamEventUnion) (whole bool, err error) {
	switch ev.Type {
	case "response.output_item.added":
		if ev.Item.Type == "function_call" {
			r.at(ev.OutputIndex, Call{ID: ev.Item.CallID, Name: ev.Item.Name})
		}
	case "response.output_text.delta", "response.refusal.delta":
		return false, r.add(ev.OutputIndex, Text{}, ev.Delta)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		return false, r.add(ev.OutputIndex, Reasoning{}, ev.Delta)
	case "response.function_call_arguments.delta":
		return false, r.add(ev.OutputIndex, Call{}, ev.Delta)
	case "response.output_item.done":
		r.itemDone(ev)
	case "response.completed", "response.incomplete":
		out.Stop = responsesStop(r, ev.Response)
		u := ev.Response.Usage
		cached := u.InputTokensDetails.CachedTokens
		out.Usage = Usage{Input: u.InputTokens - cached, Output: u.OutputTokens, CacheRead: cached}
		return true, nil
	case "response.failed":
		e := fromHTTP(http.StatusOK, nil, ev.Response.Error.RawJSON(), nil)
		if e.Kind == KindBroken && e.Message == "" {
			e.Message = "the model call failed without a reason"
		}
		return false, e
	case "error":
		return false, fromHTTP(http.StatusOK, nil, ev.RawJSON(), nil)
	}
	return false, nil
}

// itemDone settles what the deltas built: the vendor's own form of reasoning, final arguments.
func (r *reply) itemDone(ev responses.ResponseStreamEventUnion) {
	switch ev.Item.Type {
	case "reasoning":
		b := r.at(ev.OutputIndex, Reasoning{})
		b.part = Reasoning{Opaque: json.RawMessage(ev.Item.RawJSON())}
	case "function_call":
		b := r.at(ev.OutputIndex, Call{})
		b.part = Call{ID: ev.Item.CallID, Name: ev.Item.Name}
		var item struct {
			Arguments string `json:"arguments"`
		}
		if json.Unmarshal([]byte(ev.Item.RawJSON()), &item) == nil && item.Arguments != "" && len(item.Arguments) <= maxReplyBytes {
			b.text = []byte(item.Arguments)
		}
	}
}

func responsesStop(r *reply, resp responses.Response) Stop {
	switch resp.IncompleteDetails.Reason {
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

func (m *responsesModel) params(req Request) responses.ResponseNewParams {
	maxOut := m.limits.MaxOutputTokens
	if req.MaxOutputTokens > 0 {
		maxOut = min(maxOut, req.MaxOutputTokens)
	}
	p := responses.ResponseNewParams{Model: m.id, MaxOutputTokens: param.NewOpt(int64(maxOut)), Store: param.NewOpt(false),
		Include: []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}}
	if req.System != "" {
		p.Instructions = param.NewOpt(req.System)
	}
	for _, t := range req.Tools {
		p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: &responses.FunctionToolParam{
			Name: t.Name, Description: param.NewOpt(t.Description), Parameters: schemaMap(t.Schema), Strict: param.NewOpt(false)}})
	}
	var items responses.ResponseInputParam
	for _, msg := range merge(req.Messages) {
		items = append(items, responsesItems(msg)...)
	}
	p.Input.OfInputItemList = items
	return p
}

func responsesItems(msg Message) []responses.ResponseInputItemUnionParam {
	var out []responses.ResponseInputItemUnionParam
	var content responses.ResponseInputMessageContentListParam
	picture := func(im Image) {
		content = append(content, responses.ResponseInputContentUnionParam{OfInputImage: &responses.ResponseInputImageParam{
			ImageURL: param.NewOpt(dataURL(im)), Detail: responses.ResponseInputImageDetailAuto}})
	}
	for _, part := range msg.Parts {
		switch p := part.(type) {
		case Text:
			if msg.Role == Assistant {
				out = append(out, responses.ResponseInputItemParamOfMessage(p.Text, responses.EasyInputMessageRoleAssistant))
				continue
			}
			content = append(content, responses.ResponseInputContentParamOfInputText(p.Text))
		case Image:
			picture(p)
		case Call:
			out = append(out, responses.ResponseInputItemParamOfFunctionCall(string(p.Input), p.ID, p.Name))
		case Result:
			out = append(out, functionOutput(p))
			for _, im := range p.Images {
				picture(im)
			}
		case Reasoning:
			// Only the vendor's own items go back; thinking of another vendor means nothing here.
			var kind struct{ Type, ID string }
			if json.Unmarshal(p.Opaque, &kind) == nil && kind.Type == "reasoning" && kind.ID != "" {
				out = append(out, param.Override[responses.ResponseInputItemUnionParam](p.Opaque))
			}
		}
	}
	if len(content) > 0 {
		out = append(out, responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser))
	}
	return out
}

func functionOutput(p Result) responses.ResponseInputItemUnionParam {
	return responses.ResponseInputItemUnionParam{OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
		CallID: param.NewOpt(p.CallID),
		Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: param.NewOpt(resultText(p))},
	}}
}
