package oz

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
)

const (
	maxBackoff = 30 * time.Second
	// maxCutOff is how many answers in a row may be cut off at the output limit.
	maxCutOff = 3
)

// step makes one model call and records what came of it. An Outcome ends the Turn.
func (a *Agent) step(ctx, work context.Context) (*harness.Outcome, error) {
	if out, err := a.compactIfNeeded(ctx, work); out != nil || err != nil {
		return out, err
	}
	reply, attempt, err := a.generate(ctx, work)
	var failed *model.Error
	if errors.As(err, &failed) && failed.Kind == model.KindTooLong {
		out, cerr := a.compact(ctx, work, true)
		if out != nil || cerr != nil {
			return out, cerr
		}
		reply, attempt, err = a.generate(ctx, work)
	}
	if err != nil {
		if rerr := a.recordPartial(ctx, reply, attempt); rerr != nil {
			return nil, rerr
		}
		if errors.As(err, &failed) {
			out := modelOutcome(failed)
			return &out, nil
		}
		return nil, err
	}
	return a.record(ctx, reply, attempt)
}

// generate calls the model, again when it failed for a passing reason.
func (a *Agent) generate(ctx, work context.Context) (model.Reply, int, error) {
	req := model.Request{System: a.system + a.modePrompt(), Messages: a.messages(), Tools: a.tools.specs(a.conv.planned)}
	for attempt := 0; ; attempt++ {
		reply, err := a.model.Generate(work, req, func(f model.Fragment) {
			a.s.Sink.Delta(api.Delta{Key: a.key(attempt, f.Part), Kind: f.Kind, Offset: f.Offset, Text: f.Text})
		})
		var failed *model.Error
		if !errors.As(err, &failed) || failed.Kind != model.KindTransient || attempt >= a.cfg.Retries {
			return reply, attempt, err
		}
		wait := max(a.backoff(attempt), failed.RetryAfter)
		if nerr := a.notice(ctx, api.NoticeWarning, "The model call failed: %s\nTrying again in %v.", failed.Message, wait.Round(time.Millisecond)); nerr != nil {
			return model.Reply{}, attempt, nerr
		}
		if err := api.Pause(work, wait); err != nil {
			return model.Reply{}, attempt, err
		}
	}
}

// backoff doubles, with jitter so that many runs do not come back at the same moment.
func (a *Agent) backoff(attempt int) time.Duration {
	d := min(a.cfg.Backoff<<min(attempt, 20), maxBackoff)
	return d/2 + rand.N(d/2+1)
}

// key names a part of the answer being produced, unlike any other of the run.
func (a *Agent) key(attempt, part int) string {
	return fmt.Sprintf("e%d.t%d.a%d.p%d", a.s.Assignment.Execution, a.conv.turn+1, attempt, part)
}

// record appends a whole answer in one batch; its usage entry comes last and says that it is whole.
func (a *Agent) record(ctx context.Context, reply model.Reply, attempt int) (*harness.Outcome, error) {
	turn := a.conv.turn + 1
	data, inputs, err := a.replyEntries(ctx, reply, attempt, turn)
	if err != nil {
		return nil, err
	}
	u := a.usage(reply.Usage)
	cut := reply.Stop == model.StopLength
	if !cut {
		u.Turn = turn
	}
	if err := a.append(ctx, append(data, u)...); err != nil {
		return nil, err
	}
	for id, full := range inputs {
		a.conv.actions[id].full = full
	}
	switch {
	case cut && (len(data) == 0 || a.cutOffs() >= maxCutOff):
		return &harness.Outcome{State: api.RunStateFAILED, Code: api.PlatformErrorCodeOperationNotSupported,
			Message: "the model's answers are longer than its output limit allows"}, nil
	case reply.Stop == model.StopRefused:
		return &harness.Outcome{State: api.RunStateFAILED, Code: api.PlatformErrorCodeContentPolicyViolation,
			Message: "the model refused to go on"}, nil
	}
	return nil, nil
}

// cutOffs counts the answers cut off in a row, the last one included.
func (a *Agent) cutOffs() int {
	n := 0
	for t := a.conv.turn; t > 0 && !a.conv.whole[t]; t-- {
		n++
	}
	return n
}

// recordPartial keeps what an interrupted or failed call had said.
func (a *Agent) recordPartial(ctx context.Context, reply model.Reply, attempt int) error {
	turn := a.conv.turn + 1
	data, _, err := a.replyEntries(ctx, reply, attempt, turn)
	if err != nil || len(data) == 0 {
		return err
	}
	return a.append(ctx, append(data, a.usage(reply.Usage))...)
}

func (a *Agent) usage(u model.Usage) api.Usage {
	return api.Usage{ModelID: a.s.Assignment.Model.Id, InputTokens: u.Input, OutputTokens: u.Output,
		CacheReadTokens: u.CacheRead, CacheWriteTokens: u.CacheWrite, ContextTokens: u.Context()}
}

// replyEntries makes the entries of an answer. Inputs holds, by action id, arguments too large for
// their entry.
func (a *Agent) replyEntries(ctx context.Context, reply model.Reply, attempt, turn int) ([]api.EntryData, map[string]json.RawMessage, error) {
	var data []api.EntryData
	inputs := map[string]json.RawMessage{}
	for i, part := range reply.Parts {
		key := a.key(attempt, reply.Index[i])
		switch p := part.(type) {
		case model.Text:
			for n, piece := range pieces(p.Text, a.entryBytes()/2) {
				k := key
				if n > 0 {
					k = fmt.Sprintf("%s.%d", key, n)
				}
				data = append(data, api.AgentMessage{Key: k, Turn: turn, Text: piece})
			}
		case model.Reasoning:
			data = append(data, a.reasoning(key, turn, p))
		case model.Call:
			act, full, err := a.newAction(ctx, turn, i, p)
			if err != nil {
				return nil, nil, err
			}
			if full != nil {
				inputs[act.ID] = full
			}
			data = append(data, act)
		}
	}
	return data, inputs, nil
}

func (a *Agent) reasoning(key string, turn int, p model.Reasoning) api.AgentReasoning {
	r := api.AgentReasoning{Key: key, Turn: turn, Text: clip(strings.ToValidUTF8(p.Text, "\uFFFD"), a.entryBytes()/4), Opaque: p.Opaque}
	if len(r.Opaque) > a.entryBytes()/2 {
		r.Opaque = nil // the vendor goes on without it, less well
	}
	return r
}

// newAction makes the entry of a call under an id unique in the run: models and local servers
// repeat theirs.
func (a *Agent) newAction(ctx context.Context, turn, index int, p model.Call) (api.Action, json.RawMessage, error) {
	id := p.ID
	if id == "" || len(id) > 128 || a.conv.actions[id] != nil || strings.ToValidUTF8(id, "") != id {
		id = fmt.Sprintf("call_%d_%d_%d", a.s.Assignment.Execution, turn, index)
	}
	act := api.Action{ID: id, Turn: turn, Category: a.tools.category(p.Name), Name: clip(strings.ToValidUTF8(p.Name, "\uFFFD"), 128), Input: p.Input,
		ReadOnly: a.tools.readOnly(p.Name)}
	if len(p.Input) <= a.entryBytes()/2 {
		return act, nil, nil
	}
	ref, err := a.s.Sink.PutBlob(ctx, api.BlobKindOutput, "input-"+id+".json", strings.NewReader(string(p.Input)))
	if err != nil {
		return api.Action{}, nil, fmt.Errorf("store arguments: %w", err)
	}
	act.Input = shortInput(p.Input, ref.BlobId)
	return act, p.Input, nil
}

// shortInput keeps the shape of arguments and clips their long strings; the whole is in the blob.
func shortInput(input json.RawMessage, blob string) json.RawMessage {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(input, &members)
	short := map[string]any{"_whole": blob}
	for name, raw := range members {
		var s string
		switch {
		case len(short) > 64:
		case json.Unmarshal(raw, &s) == nil:
			short[clip(name, 128)] = clip(s, 1024)
		case len(raw) <= 1024:
			short[clip(name, 128)] = raw
		default:
			short[clip(name, 128)] = fmt.Sprintf("[%d bytes omitted]", len(raw))
		}
	}
	b, _ := json.Marshal(short)
	return b
}

// pieces cuts text so that each piece, encoded as JSON, has at most limit bytes.
func pieces(text string, limit int) []string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	var out []string
	start, size := 0, 0
	for i, r := range text {
		n := 0
		switch {
		case r < 0x20 || r == '<' || r == '>' || r == '&' || r == 0x2028 || r == 0x2029 || r == '"' || r == '\\':
			n = 6
		default:
			n = len(string(r))
		}
		if size += n; size > limit && i > start {
			out = append(out, text[start:i])
			start, size = i, n
		}
	}
	return append(out, text[start:])
}

// modelOutcome says how a run ends, or waits, for a failed model call.
func modelOutcome(e *model.Error) harness.Outcome {
	out := harness.Outcome{State: api.RunStateERROR, Code: e.Code, Message: "The model call failed: " + e.Message}
	if e.Kind == model.KindBudget {
		out.State, out.Waiting = api.RunStateBLOCKED, api.WaitingCodeBudget
		if out.Code == "" {
			out.Code = api.PlatformErrorCodeBudgetExceeded
		}
		return out
	}
	if out.Code == "" {
		switch e.Kind {
		case model.KindTransient, model.KindBroken:
			out.Code = api.PlatformErrorCodeResourceUnavailable
		default:
			out.Code = api.PlatformErrorCodeInvalidRequest
		}
	}
	if api.LookupCode(out.Code).Fault == api.FaultUser {
		out.State = api.RunStateFAILED
	}
	return out
}
