// Package model speaks to a language model through the gateway's vendor wires.
//
// It owns the neutral shape of a conversation and its translation to each wire, streaming included.
// It refuses to retry, to count steps or to know any tool: the agent loop does that. No vendor key
// passes here; the run token is the key.
package model

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cadrehq/cadre/api"
)

// Model is one language model.
type Model interface {
	// Generate asks for the next turn and streams its fragments to emit, in order, from the calling
	// goroutine. On an error the Reply holds what had arrived complete enough to keep: text and
	// reasoning, never calls. Errors are *Error, or the cause of ctx's end.
	Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error)

	// Limits are the bounds of the model, defaults filled in.
	Limits() Limits
}

// Limits bound what a model can be asked.
type Limits struct {
	// ContextTokens is the size of the window, input and output together.
	ContextTokens int
	// MaxOutputTokens bounds one turn.
	MaxOutputTokens int
}

// Request is everything the model sees.
type Request struct {
	System   string
	Messages []Message
	Tools    []Tool
	// MaxOutputTokens lowers the model's own limit when above 0.
	MaxOutputTokens int
}

// Tool is a function the model may call. Schema is a JSON Schema of type object.
type Tool struct {
	Name        string
	Description string
	Schema      json.RawMessage
}

// Role says who speaks.
type Role string

// The roles.
const (
	User      Role = "user"
	Assistant Role = "assistant"
)

// Message is one side's contribution. Roles need not alternate; the wires merge neighbours.
type Message struct {
	Role  Role
	Parts []Part
}

// Part is the closed set of things a message is made of.
type Part interface{ part() }

// Text is plain words.
type Text struct{ Text string }

// Image is a picture shown to the model.
type Image struct {
	MediaType string
	Data      []byte
}

// Reasoning is thinking. Opaque is the vendor's own form, to be sent back untouched.
type Reasoning struct {
	Text   string
	Opaque json.RawMessage
}

// Call is a tool call. Input is always a JSON object.
type Call struct {
	ID    string
	Name  string
	Input json.RawMessage
}

// Result answers a Call.
type Result struct {
	CallID string
	Text   string
	Images []Image
	Failed bool
}

func (Text) part()      {}
func (Image) part()     {}
func (Reasoning) part() {}
func (Call) part()      {}
func (Result) part()    {}

// Stop says why the model stopped.
type Stop string

// The reasons to stop.
const (
	StopEnd     Stop = "end"
	StopCalls   Stop = "calls"
	StopLength  Stop = "length"
	StopRefused Stop = "refused"
)

// Reply is one turn of the model. Parts are Text, Reasoning and Call.
type Reply struct {
	Parts []Part
	// Index holds, for each of Parts, the number its Fragments carried.
	Index []int
	Stop  Stop
	Usage Usage
}

// Usage counts tokens as the vendor reported them. Input excludes what came from or went to a cache.
type Usage struct {
	Input, Output, CacheRead, CacheWrite int64
}

// Context is how many tokens of the window the call filled.
func (u Usage) Context() int64 { return u.Input + u.Output + u.CacheRead + u.CacheWrite }

// Fragment is a piece of the part with index Part in the Reply to come. Offset is the number of
// bytes of that part emitted before it.
type Fragment struct {
	Part   int
	Kind   api.DeltaKind
	Offset int64
	Text   string
}

const (
	defaultContextTokens   = 128_000
	defaultMaxOutputTokens = 16_384
	// maxReplyBytes bounds one turn in memory; a wire that sends more is broken or hostile.
	maxReplyBytes = 8 << 20
)

// New makes the client for a model. The transport is nil for http.DefaultTransport.
func New(m api.RunnerModel, token string, transport http.RoundTripper) (Model, error) {
	lim := Limits{ContextTokens: m.ContextTokens, MaxOutputTokens: m.MaxOutputTokens}
	if lim.ContextTokens <= 0 {
		lim.ContextTokens = defaultContextTokens
	}
	if lim.MaxOutputTokens <= 0 {
		lim.MaxOutputTokens = min(defaultMaxOutputTokens, max(lim.ContextTokens/4, 1))
	}
	model, err := newWire(m, lim, token, &http.Client{Transport: transport})
	if err == nil && !m.Vision {
		model = blind{model}
	}
	return model, err
}

func newWire(m api.RunnerModel, lim Limits, token string, client *http.Client) (Model, error) {
	switch m.Wire {
	case api.ModelWireAnthropicMessages:
		return newAnthropic(m, lim, token, client), nil
	case api.ModelWireOpenaiResponses:
		return newResponses(m, lim, token, client), nil
	case api.ModelWireOpenaiChat:
		return newChat(m, lim, token, client), nil
	}
	return nil, api.Fail(api.PlatformErrorCodeOperationNotSupported, "model %q is spoken to by %q, which this agent does not know", m.Id, m.Wire)
}

// blind is a model that cannot see: it is told where a picture would be.
type blind struct{ Model }

// Generate asks without pictures.
func (b blind) Generate(ctx context.Context, req Request, emit func(Fragment)) (Reply, error) {
	seen := make([]Message, len(req.Messages))
	for i, m := range req.Messages {
		seen[i] = Message{Role: m.Role, Parts: make([]Part, len(m.Parts))}
		for j, part := range m.Parts {
			switch p := part.(type) {
			case Image:
				part = Text{hidden(p)}
			case Result:
				for _, im := range p.Images {
					p.Text += "\n" + hidden(im)
				}
				p.Images = nil
				part = p
			}
			seen[i].Parts[j] = part
		}
	}
	req.Messages = seen
	return b.Model.Generate(ctx, req, emit)
}

func hidden(im Image) string {
	return fmt.Sprintf("[A picture (%s), which you cannot see.]", im.MediaType)
}

var errTooLong = &Error{Kind: KindBroken, Message: fmt.Sprintf("the model's answer is larger than %d bytes", maxReplyBytes)}

// reply collects the parts of a turn as a wire delivers them by its own index.
type reply struct {
	parts []*building
	index map[int64]int
	size  int
	emit  func(Fragment)
}

type building struct {
	part      Part // what is known from the start; Text and Input are filled in by finish
	text      []byte
	sent      int64
	signature string
}

func newReply(emit func(Fragment)) *reply {
	return &reply{index: map[int64]int{}, emit: emit}
}

// at returns the part with the wire's index, making it from fresh when it is new.
func (r *reply) at(index int64, fresh Part) *building {
	if i, ok := r.index[index]; ok {
		return r.parts[i]
	}
	r.index[index] = len(r.parts)
	b := &building{part: fresh}
	r.parts = append(r.parts, b)
	return b
}

func (r *reply) add(index int64, fresh Part, text string) error {
	b := r.at(index, fresh)
	if text == "" {
		return nil
	}
	if r.size += len(text); r.size > maxReplyBytes {
		return errTooLong
	}
	b.text = append(b.text, text...)
	kind := api.DeltaKindText
	switch b.part.(type) {
	case Reasoning:
		kind = api.DeltaKindReasoning
	case Call:
		return nil
	}
	r.emit(Fragment{Part: r.index[index], Kind: kind, Offset: b.sent, Text: text})
	b.sent += int64(len(text))
	return nil
}

// sign takes a piece of the vendor's signature of a thinking block.
func (r *reply) sign(index int64, piece string) error {
	b := r.at(index, Reasoning{})
	if r.size += len(piece); r.size > maxReplyBytes {
		return errTooLong
	}
	b.signature += piece
	return nil
}

// finish fills in the parts; calls only when the turn arrived whole.
func (r *reply) finish(out *Reply, whole bool) {
	for i, b := range r.parts {
		var part Part
		switch p := b.part.(type) {
		case Text:
			if p.Text = string(b.text); p.Text != "" {
				part = p
			}
		case Reasoning:
			p.Text = string(b.text)
			if p.Text != "" || len(p.Opaque) > 0 {
				part = p
			}
		case Call:
			if whole {
				p.Input = object(b.text)
				part = p
			}
		}
		if part != nil {
			out.Parts, out.Index = append(out.Parts, part), append(out.Index, i)
		}
	}
}

// InvalidInput is the member that holds the raw text of arguments that were not a JSON object.
const InvalidInput = "_invalid_arguments"

// object makes arguments a JSON object whatever the model wrote.
func object(b []byte) json.RawMessage {
	if len(b) == 0 {
		return json.RawMessage("{}")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(b, &m); err == nil && m != nil {
		return json.RawMessage(b)
	}
	raw, _ := json.Marshal(map[string]string{InvalidInput: string(b)})
	return raw
}
