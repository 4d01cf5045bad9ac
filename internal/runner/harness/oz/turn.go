package oz

import (
	"context"
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// errInterrupted is the cause of a stop that a person asked for.
var errInterrupted = errors.New("interrupted by a person")

// Turn drives the agent until it cannot go on by itself.
func (a *Agent) Turn(ctx context.Context) (harness.Outcome, error) {
	for {
		a.dropStaleInterrupts()
		work, stop := a.interruptible(ctx)
		out, err := a.drive(ctx, work)
		by := stop()
		switch {
		case ctx.Err() != nil:
			return harness.Outcome{}, context.Cause(ctx)
		case errors.Is(err, errInterrupted):
			on, err := a.interrupted(ctx, by)
			if err != nil || !on {
				return blockedInterrupted(), err
			}
		default:
			return out, err
		}
	}
}

// dropStaleInterrupts forgets interrupts that a message followed: the message says to go on.
func (a *Agent) dropStaleInterrupts() {
	var last int64
	for _, id := range a.conv.consumed {
		last = max(last, id)
	}
	a.s.Inbox.Has(func(c api.Command) bool {
		if c.Kind == api.CommandKindFollowUp {
			last = max(last, c.Id)
		}
		return false
	})
	for {
		if _, ok := a.s.Inbox.Take(func(c api.Command) bool { return isInterrupt(c) && c.Id < last }); !ok {
			return
		}
	}
}

func isInterrupt(c api.Command) bool { return c.Kind == api.CommandKindInterrupt }
func isFollowUp(c api.Command) bool  { return c.Kind == api.CommandKindFollowUp }

// speaks reports whether somebody says something by a command, to an agent that listens: one that a person
// interrupted waits for a person.
func (a *Agent) speaks(c api.Command) bool {
	return isFollowUp(c) || c.Kind == api.CommandKindMessage && !a.conv.parked
}

// interruptible returns a context that an interrupt command ends. Stop returns the command's id, or 0.
func (a *Agent) interruptible(ctx context.Context) (work context.Context, stop func() int64) {
	work, cancel := context.WithCancelCause(ctx)
	done := make(chan int64, 1)
	go func() {
		var id int64
		if _, err := a.s.Inbox.Wait(work, isInterrupt); err == nil {
			if c, ok := a.s.Inbox.Take(isInterrupt); ok {
				id = c.Id
			}
			cancel(errInterrupted)
		}
		done <- id
	}()
	return work, func() int64 { cancel(context.Canceled); return <-done }
}

// drive is the loop. Entries are appended under ctx, which an interrupt does not end; everything
// that may be stopped runs under work.
func (a *Agent) drive(ctx, work context.Context) (harness.Outcome, error) {
	steps := 0
	for {
		if err := a.takeIn(ctx); err != nil {
			return harness.Outcome{}, err
		}
		if work.Err() != nil {
			return harness.Outcome{}, context.Cause(work)
		}
		if a.conv.parked {
			return blockedInterrupted(), nil
		}
		if len(a.conv.pending()) > 0 {
			out, err := a.act(ctx, work)
			if err != nil {
				return harness.Outcome{}, err
			}
			if out != nil {
				return *out, nil
			}
			continue
		}
		if !a.conv.needsModel() {
			return harness.Outcome{State: api.RunStateSUCCEEDED}, nil
		}
		if steps++; steps > a.cfg.MaxSteps {
			return harness.Outcome{State: api.RunStateFAILED, Code: api.PlatformErrorCodeBudgetExceeded,
				Message: fmt.Sprintf("stopped after %d model calls without coming to an end; send a message to let it go on", a.cfg.MaxSteps)}, nil
		}
		if out, err := a.step(ctx, work); out != nil || err != nil {
			if err != nil {
				return harness.Outcome{}, err
			}
			return *out, nil
		}
	}
}

// takeIn consumes answers, and what was said, all of it together, once no call of the model is without a
// result.
func (a *Agent) takeIn(ctx context.Context) error {
	for {
		c, ok := a.s.Inbox.Take(func(c api.Command) bool { return c.Kind == api.CommandKindAnswer })
		if !ok {
			break
		}
		// The server has appended the answer as an entry already.
		a.conv.apply(0, api.Answer{RequestID: c.RequestId, Decision: c.Answer.Decision, Choices: c.Answer.Choices,
			Text: c.Answer.Text, By: c.Answer.By})
	}
	if err := a.speakInsteadOfAnswering(ctx); err != nil {
		return err
	}
	if len(a.conv.pending()) > 0 {
		return nil
	}
	var messages []api.EntryData
	for {
		c, ok := a.s.Inbox.Take(a.speaks)
		if !ok {
			break
		}
		messages = append(messages, c.Said())
	}
	return a.append(ctx, messages...)
}

// speakInsteadOfAnswering settles open requests when a person wrote a message rather than an answer:
// nothing was allowed, and the message follows.
func (a *Agent) speakInsteadOfAnswering(ctx context.Context) error {
	open := false
	for _, act := range a.conv.pending() {
		open = open || act.open()
	}
	if !open || !a.s.Inbox.Has(isFollowUp) {
		return nil
	}
	var results []api.EntryData
	for _, act := range a.conv.pending() {
		state, text := api.ActionStateFailed, "Not carried out: the person wrote a message instead of answering an earlier request."
		switch {
		case act.open() && act.request.Kind == api.RequestKindQuestion:
			state, text = api.ActionStateCompleted, "The person did not choose but wrote a message, which follows."
		case act.open():
			state, text = api.ActionStateDenied, "Not allowed: the person wrote a message instead, which follows."
		case act.lost:
			text = lostText
		}
		results = append(results, a.plainResult(act, state, text))
	}
	return a.append(ctx, results...)
}

// interrupted settles what was under way. It reports whether to go on at once, because a message
// came after the interrupt.
func (a *Agent) interrupted(ctx context.Context, by int64) (goOn bool, err error) {
	var results []api.EntryData
	for _, act := range a.conv.pending() {
		results = append(results, a.plainResult(act, api.ActionStateFailed, "Not carried out: interrupted by a person."))
	}
	if err := a.append(ctx, results...); err != nil {
		return false, err
	}
	for _, id := range a.conv.consumed {
		if id > by {
			return true, nil
		}
	}
	a.conv.parked = true
	return a.s.Inbox.Has(isFollowUp), nil
}

func blockedInterrupted() harness.Outcome {
	return harness.Outcome{State: api.RunStateBLOCKED, Waiting: api.WaitingCodeInterrupted,
		Message: "Interrupted. Send a message to go on."}
}
