package oz

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
)

const compactPrompt = `You condense the record of a coding agent's work so that it can go on without the record.
Write for the agent itself, in plain Markdown: the task and every instruction of the person still in force, word for word where wording matters;
decisions taken and why; what was done, with file names, commands and their results; what is left to do; what was tried and failed.
Leave out what no longer matters. Do not continue the work.`

const (
	// bytesPerToken turns bytes into tokens, on the safe side for code.
	bytesPerToken = 3
	// compactAt is the part of the usable window, in percent, at which the conversation is condensed.
	compactAt = 85
	// keepPart is the part of the usable window, in percent, that stays verbatim.
	keepPart      = 30
	maxSummary    = 32 << 10
	summaryTokens = 6000
)

// window is how many tokens a request may have.
func (a *Agent) window() int64 {
	lim := a.model.Limits()
	return int64(max(lim.ContextTokens-min(lim.MaxOutputTokens, lim.ContextTokens/4), 256))
}

// contextTokens estimates the next request: what the last call filled and what came since.
func (a *Agent) contextTokens() int64 {
	base := a.conv.context
	if base == 0 {
		base = int64(len(a.system) / bytesPerToken)
	}
	return base + int64(a.conv.fresh/bytesPerToken)
}

func (a *Agent) compactIfNeeded(ctx, work context.Context) (*harness.Outcome, error) {
	if a.contextTokens()*100 < a.window()*compactAt {
		return nil, nil
	}
	return a.compact(ctx, work, false)
}

// compact replaces the older part of the conversation by a summary, for the model only. The record
// keeps every entry. Forced says that the vendor has refused the conversation as too long.
func (a *Agent) compact(ctx, work context.Context, forced bool) (*harness.Outcome, error) {
	keep := int(a.window()) * bytesPerToken * keepPart / 100
	if forced {
		keep /= 4
	}
	from, upTo := a.boundary(keep)
	if upTo == 0 {
		if !forced {
			return nil, nil // nothing to condense; let the vendor decide whether it fits
		}
		return &harness.Outcome{State: api.RunStateFAILED, Code: api.PlatformErrorCodeOperationNotSupported,
			Message: "the conversation does not fit the model's context window and cannot be condensed further"}, nil
	}
	summary, usage, err := a.summarise(work, from)
	if err != nil {
		var failed *model.Error
		if errors.As(err, &failed) {
			out := modelOutcome(failed)
			return &out, nil
		}
		return nil, err
	}
	return nil, a.append(ctx, a.usage(usage), api.Compaction{UpTo: upTo, Summary: summary})
}

// boundary finds where the part to keep begins: at the start of a model turn, never later than the
// last turn, so that no call is parted from its result. It returns the index of the first item kept
// and the seq of the last one condensed, 0 when there is none.
func (a *Agent) boundary(keep int) (from int, upTo int64) {
	items := a.conv.items
	from = len(items)
	size := 0
	for i := len(items) - 1; i >= 0 && !a.conv.dropped(items[i]); i-- {
		size += a.conv.itemSize(items[i])
		starts := !isUser(items[i]) && (i == 0 || items[i-1].turn != items[i].turn || isUser(items[i-1]))
		if starts && (from == len(items) || size <= keep) {
			from = i
		}
		if size > keep && from < len(items) {
			break
		}
	}
	// A message nobody has answered yet must stay as it is.
	for from > 0 && from < len(items) && isUser(items[from-1]) && items[from-1].seq >= items[from].seq {
		from--
	}
	if from == len(items) || from == 0 || a.conv.dropped(items[from-1]) || items[from-1].seq >= items[from].seq {
		return 0, 0
	}
	return from, items[from-1].seq
}

// summarise asks the model for a summary of everything before the item with index from.
func (a *Agent) summarise(work context.Context, from int) (string, model.Usage, error) {
	text := a.transcript(from)
	req := model.Request{System: compactPrompt, MaxOutputTokens: summaryTokens,
		Messages: []model.Message{{Role: model.User, Parts: []model.Part{model.Text{Text: text}}}}}
	var usage model.Usage
	for attempt := 0; ; attempt++ {
		reply, err := a.model.Generate(work, req, func(model.Fragment) {})
		usage = addUsage(usage, reply.Usage)
		if err == nil {
			var b strings.Builder
			for _, p := range reply.Parts {
				if t, ok := p.(model.Text); ok {
					b.WriteString(t.Text)
				}
			}
			if b.Len() == 0 {
				b.WriteString("(The model gave no summary. This is the record, shortened.)\n\n" + clip(text, 8<<10))
			}
			return clip(strings.ToValidUTF8(b.String(), "\uFFFD"), min(maxSummary, a.entryBytes()/2)), usage, nil
		}
		var failed *model.Error
		if !errors.As(err, &failed) || failed.Kind != model.KindTransient || attempt >= max(a.cfg.Retries, 0) {
			return "", usage, err
		}
		if err := api.Pause(work, max(a.backoff(attempt), failed.RetryAfter)); err != nil {
			return "", usage, err
		}
	}
}

func addUsage(a, b model.Usage) model.Usage {
	return model.Usage{Input: a.Input + b.Input, Output: a.Output + b.Output,
		CacheRead: a.CacheRead + b.CacheRead, CacheWrite: a.CacheWrite + b.CacheWrite}
}

// transcript renders the items before from as text that fits one request: each tool output is
// clipped harder until it does.
func (a *Agent) transcript(from int) string {
	limit := int(a.window()) * bytesPerToken * 7 / 10
	for per := 8 << 10; ; per /= 2 {
		text := a.render(from, per)
		if len(text) <= limit || per <= 128 {
			return clip(text, limit)
		}
	}
}

func (a *Agent) render(from, per int) string {
	var b strings.Builder
	if a.conv.summary != nil {
		fmt.Fprintf(&b, "Summary of what came before:\n%s\n\n", a.conv.summary.Summary)
	}
	for i, it := range a.conv.items[:from] {
		if a.conv.dropped(it) && i > 0 {
			continue
		}
		switch d := it.data.(type) {
		case api.UserMessage:
			fmt.Fprintf(&b, "Person: %s\n\n", clip(d.Text, 4*per))
		case api.Notice:
			fmt.Fprintf(&b, "Platform: %s\n\n", clip(d.Text, 4*per))
		case api.AgentMessage:
			fmt.Fprintf(&b, "Agent: %s\n\n", clip(d.Text, 2*per))
		case api.Action:
			fmt.Fprintf(&b, "Agent calls %s %s\n", d.Name, clip(string(d.Input), per))
			if act := a.conv.actions[d.ID]; act != nil && act.result != nil {
				fmt.Fprintf(&b, "Result (%s): %s\n\n", act.result.State, clip(act.result.Output, per))
			}
		}
	}
	return b.String()
}
