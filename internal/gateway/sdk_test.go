package gateway_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/usage"
)

// twoTurns is a turn with everything in it and the one after its tools have answered.
const twoTurns = `
- reasoning: I should look first. äöü €
  text: "Let me look at the <files> — then decide."
  tool_calls:
    - {name: bash, input: {command: "ls -l && echo \"hi\"", n: 3}}
    - {name: read, input: {path: /etc/hosts}}
  usage: {input_tokens: 1000, output_tokens: 50, cache_read_tokens: 200, cache_write_tokens: 30}
  chunk: 7
- text: "It says: {{last_tool_output}}"
  usage: {input_tokens: 1100, output_tokens: 20, cache_read_tokens: 0, cache_write_tokens: 0}
`

const toolOutput = "two files"

// turn is what a client made of an answer.
type turn struct {
	text, reasoning, stop string
	calls                 []toolCall
}

type toolCall struct{ id, name, input string }

// agent talks to a model in one vendor's way, streaming or not, and keeps the conversation.
type agent interface {
	say(t *testing.T, text string) turn
	answer(t *testing.T, calls []toolCall, output string) turn
}

type anthropicAgent struct {
	c      anthropic.Client
	model  string
	stream bool
	msgs   []anthropic.MessageParam
}

func newAnthropicAgent(b *bundle, model string, stream bool) *anthropicAgent {
	return &anthropicAgent{model: model, stream: stream, c: anthropic.NewClient(
		anthropicoption.WithBaseURL(b.url+gateway.AnthropicPath), anthropicoption.WithAPIKey(runToken),
		anthropicoption.WithHTTPClient(b.client()), anthropicoption.WithMaxRetries(0))}
}

func (a *anthropicAgent) say(t *testing.T, text string) turn {
	a.msgs = append(a.msgs, anthropic.NewUserMessage(anthropic.NewTextBlock(text)))
	return a.run(t)
}

func (a *anthropicAgent) answer(t *testing.T, calls []toolCall, output string) turn {
	var blocks []anthropic.ContentBlockParamUnion
	for _, c := range calls {
		blocks = append(blocks, anthropic.NewToolResultBlock(c.id, output, false))
	}
	a.msgs = append(a.msgs, anthropic.NewUserMessage(blocks...))
	return a.run(t)
}

func (a *anthropicAgent) run(t *testing.T) turn {
	t.Helper()
	params := anthropic.MessageNewParams{Model: a.model, MaxTokens: 1000, Messages: a.msgs}
	var msg anthropic.Message
	if a.stream {
		s := a.c.Messages.NewStreaming(t.Context(), params)
		for s.Next() {
			if err := msg.Accumulate(s.Current()); err != nil {
				t.Fatal(err)
			}
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	} else {
		m, err := a.c.Messages.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		msg = *m
	}
	a.msgs = append(a.msgs, msg.ToParam())
	out := turn{stop: string(msg.StopReason)}
	for _, b := range msg.Content {
		switch v := b.AsAny().(type) {
		case anthropic.TextBlock:
			out.text += v.Text
		case anthropic.ThinkingBlock:
			out.reasoning += v.Thinking
		case anthropic.ToolUseBlock:
			out.calls = append(out.calls, toolCall{v.ID, v.Name, string(v.Input)})
		}
	}
	return out
}

type chatAgent struct {
	c      openai.Client
	model  string
	stream bool
	msgs   []openai.ChatCompletionMessageParamUnion
}

func openaiClient(b *bundle) openai.Client {
	return openai.NewClient(openaioption.WithBaseURL(b.url+gateway.OpenAIPath), openaioption.WithAPIKey(runToken),
		openaioption.WithHTTPClient(b.client()), openaioption.WithMaxRetries(0))
}

func (a *chatAgent) say(t *testing.T, text string) turn {
	a.msgs = append(a.msgs, openai.UserMessage(text))
	return a.run(t)
}

func (a *chatAgent) answer(t *testing.T, calls []toolCall, output string) turn {
	for _, c := range calls {
		a.msgs = append(a.msgs, openai.ToolMessage(output, c.id))
	}
	return a.run(t)
}

func (a *chatAgent) run(t *testing.T) turn {
	t.Helper()
	params := openai.ChatCompletionNewParams{Model: a.model, Messages: a.msgs}
	var done openai.ChatCompletion
	if a.stream {
		var acc openai.ChatCompletionAccumulator
		s := a.c.Chat.Completions.NewStreaming(t.Context(), params)
		for s.Next() {
			if len(s.Current().Choices) == 0 {
				t.Error("got a chunk without choices that was not asked for")
			}
			acc.AddChunk(s.Current())
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
		done = acc.ChatCompletion
	} else {
		c, err := a.c.Chat.Completions.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		done = *c
	}
	msg := done.Choices[0].Message
	a.msgs = append(a.msgs, msg.ToParam())
	out := turn{text: msg.Content, stop: done.Choices[0].FinishReason}
	for _, c := range msg.ToolCalls {
		out.calls = append(out.calls, toolCall{c.ID, c.Function.Name, c.Function.Arguments})
	}
	return out
}

type responsesAgent struct {
	c      openai.Client
	model  string
	stream bool
	items  responses.ResponseInputParam
}

func (a *responsesAgent) say(t *testing.T, text string) turn {
	a.items = append(a.items, responses.ResponseInputItemParamOfMessage(text, responses.EasyInputMessageRoleUser))
	return a.run(t)
}

func (a *responsesAgent) answer(t *testing.T, calls []toolCall, output string) turn {
	for _, c := range calls {
		item := responses.ResponseInputItemParamOfFunctionCallOutput(output)
		item.OfFunctionCallOutput.CallID = param.NewOpt(c.id)
		a.items = append(a.items, item)
	}
	return a.run(t)
}

func (a *responsesAgent) run(t *testing.T) turn {
	t.Helper()
	params := responses.ResponseNewParams{
		Model: a.model, Store: param.NewOpt(false),
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: a.items},
	}
	var done responses.Response
	var deltas string
	if a.stream {
		s := a.c.Responses.NewStreaming(t.Context(), params)
		for s.Next() {
			switch ev := s.Current().AsAny().(type) {
			case responses.ResponseTextDeltaEvent:
				deltas += ev.Delta
			case responses.ResponseCompletedEvent:
				done = ev.Response
			}
		}
		if s.Err() != nil {
			t.Fatal(s.Err())
		}
	} else {
		r, err := a.c.Responses.New(t.Context(), params)
		if err != nil {
			t.Fatal(err)
		}
		done = *r
	}
	if a.stream && deltas != done.OutputText() {
		t.Errorf("the deltas make %q, the whole is %q", deltas, done.OutputText())
	}
	out := turn{text: done.OutputText(), stop: string(done.Status)}
	for _, item := range done.Output {
		switch v := item.AsAny().(type) {
		case responses.ResponseReasoningItem:
			out.reasoning += v.Summary[0].Text
		case responses.ResponseOutputMessage:
			a.items = append(a.items, responses.ResponseInputItemParamOfMessage(v.Content[0].Text, responses.EasyInputMessageRoleAssistant))
		case responses.ResponseFunctionToolCall:
			out.calls = append(out.calls, toolCall{v.CallID, v.Name, v.Arguments})
			a.items = append(a.items, responses.ResponseInputItemParamOfFunctionCall(v.Arguments, v.CallID, v.Name))
		}
	}
	return out
}

// TestClientsOfTheVendors drives whole tool conversations with the vendors' own clients through the
// gateway: to a vendor and to the scripted model, streaming and not, in pieces of any size.
func TestClientsOfTheVendors(t *testing.T) {
	t.Parallel()
	type wire struct {
		name  string
		agent func(b *bundle, model string, stream bool) agent
		stops [2]string
		model string // a priced model of the vendor
		cost  float64
	}
	wires := []wire{
		{"messages", func(b *bundle, m string, s bool) agent { return newAnthropicAgent(b, m, s) }, [2]string{"tool_use", "end_turn"},
			"claude-sonnet-5-5", (1000*2 + 50*10 + 200*0.1 + 30*2.5 + 1100*2 + 20*10) / 1e6},
		{"chat", func(b *bundle, m string, s bool) agent { return &chatAgent{c: openaiClient(b), model: m, stream: s} }, [2]string{"tool_calls", "stop"},
			"gpt-6.1-sol", (1000*2 + 50*10 + 200*0.1 + 30*2.5 + 1100*2 + 20*10) / 1e6},
		{"responses", func(b *bundle, m string, s bool) agent {
			return &responsesAgent{c: openaiClient(b), model: m, stream: s}
		}, [2]string{"completed", "completed"},
			"gpt-6.1-sol", (1000*2 + 50*10 + 200*0.1 + 30*2.5 + 1100*2 + 20*10) / 1e6},
	}
	for _, w := range wires {
		for _, stream := range []bool{true, false} {
			for _, model := range []string{w.model, "scripted"} {
				for _, split := range []int{0, 1, 13} {
					if split > 0 && (!stream || model == "scripted") {
						continue
					}
					name := strings.Join([]string{w.name, model, map[bool]string{true: "stream", false: "whole"}[stream], strconv.Itoa(split)}, "/")
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						b := newBundle(t, "")
						b.anthropic.Split(split)
						b.openai.Split(split)
						converse(t, w.agent(b, model, stream), w.name, w.stops)
						checkLedger(t, b, model, w.cost)
					})
				}
			}
		}
	}
}

func converse(t *testing.T, a agent, wire string, stops [2]string) {
	t.Helper()
	first := a.say(t, "Please look.\n```scripted"+twoTurns+"```\n")
	if first.text != "Let me look at the <files> — then decide." || first.stop != stops[0] {
		t.Errorf("first turn: %+v", first)
	}
	if wire != "chat" && first.reasoning != "I should look first. äöü €" { // chat's client has no reasoning
		t.Errorf("reasoning: %q", first.reasoning)
	}
	if len(first.calls) != 2 || first.calls[0].name != "bash" || first.calls[1].name != "read" || first.calls[0].id == first.calls[1].id {
		t.Fatalf("tool calls: %+v", first.calls)
	}
	var in struct {
		Command string
		N       int
	}
	if err := json.Unmarshal([]byte(first.calls[0].input), &in); err != nil || in.Command != `ls -l && echo "hi"` || in.N != 3 {
		t.Errorf("input %q: %+v, %v", first.calls[0].input, in, err)
	}
	second := a.answer(t, first.calls, toolOutput)
	if second.text != "It says: "+toolOutput || second.stop != stops[1] || len(second.calls) != 0 {
		t.Errorf("second turn: %+v", second)
	}
	third := a.say(t, "And now?")
	if !strings.Contains(third.text, "no further turn") {
		t.Errorf("past the end: %+v", third)
	}
}

func checkLedger(t *testing.T, b *bundle, model string, cost float64) {
	t.Helper()
	calls := b.ledger.all()
	if len(calls) != 3 {
		t.Fatalf("%d calls recorded, want 3", len(calls))
	}
	want := []usage.Tokens{{Input: 1000, Output: 50, CacheRead: 200, CacheWrite: 30}, {Input: 1100, Output: 20}}
	var sum float64
	for i, w := range want {
		c := calls[i]
		sum += c.Cost.Total()
		if c.Tokens != w || c.ModelID != model || c.Status != 200 || c.Error != "" || !c.Priced || c.RunID != "run-1" || c.Execution != 1 || c.TeamUID != "team-1" {
			t.Errorf("call %d: %+v", i, c)
		}
	}
	if model == "scripted" {
		cost = 0
	}
	if diff := sum - cost; diff > 1e-9 || diff < -1e-9 {
		t.Errorf("cost %v, want %v", sum, cost)
	}
	if calls[0].ID == calls[1].ID {
		t.Error("two calls share an id")
	}
}
