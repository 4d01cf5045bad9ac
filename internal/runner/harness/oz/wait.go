package oz

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

const (
	waitName = "wait_for_events"
	// defaultWait and longestWait bound a wait, in seconds.
	defaultWait = 600
	longestWait = 6 * 3600
	// gatherFor is how long what follows the first event is waited for: events come in bursts.
	gatherFor = 300 * time.Millisecond
	// maxTold is how many runs one wait tells of; the rest is told by the next.
	maxTold = 200
)

// errWaited ends a wait in which nothing happened.
var errWaited = errors.New("nothing happened")

// waitForEvents yields the turn: no model is called, and the run stays in progress, until another run says
// something, a run below this one comes to rest, a person writes, or time is up.
type waitForEvents struct{ a *Agent }

type waitInput struct {
	TimeoutSeconds *int `json:"timeout_seconds"`
}

// waited is the Detail of a result: up to which event the model was told.
type waited struct {
	Sequence int64 `json:"sequence"`
}

// waitedUpTo reads what a result says of how far the model was told.
func waitedUpTo(detail json.RawMessage) int64 {
	var w waited
	_ = json.Unmarshal(detail, &w)
	return w.Sequence
}

// Spec describes the tool.
func (*waitForEvents) Spec() tool.Spec {
	return tool.Spec{Name: waitName, Category: api.ActionCategoryReview, ReadOnly: true,
		Description: "Wait until a message arrives or a run below this one succeeds, fails, blocks or is cancelled. " +
			"Use it instead of polling once there is nothing else to do. What happened since the last wait is told at once.",
		Schema: json.RawMessage(fmt.Sprintf(`{"type":"object","properties":{
			"timeout_seconds":{"type":"integer","minimum":1,"maximum":%d,"description":"Longest wait; %d unless given."}}}`, longestWait, defaultWait))}
}

// Run waits.
func (w *waitForEvents) Run(ctx context.Context, c tool.Call) (tool.Result, error) {
	in := waitInput{}
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return tool.Failf("invalid arguments: %v", err), nil
	}
	seconds := defaultWait
	if in.TimeoutSeconds != nil {
		seconds = *in.TimeoutSeconds
	}
	if seconds < 1 || seconds > longestWait {
		return tool.Failf("timeout_seconds must be between 1 and %d", longestWait), nil
	}
	wait, cancel := context.WithTimeoutCause(ctx, time.Duration(seconds)*time.Second, errWaited)
	defer cancel()
	a := w.a
	if err := a.s.Peers.Wait(ctx, true); err != nil {
		return tool.Failf("%v", err), err
	}
	events, err := w.await(wait)
	if ctx.Err() != nil {
		_ = a.s.Peers.Wait(context.WithoutCancel(ctx), false)
		return tool.Failf("The wait was interrupted."), context.Cause(ctx)
	}
	if err := a.s.Peers.Wait(ctx, false); err != nil {
		return tool.Failf("%v", err), err
	}
	res := told(events, a.conv.cursor)
	switch {
	case a.s.Inbox.Has(a.speaks):
		res.Text += "A message has arrived; it follows."
	case res.Text == "" && errors.Is(err, errWaited):
		res.Text = fmt.Sprintf("Nothing happened within %d seconds. Decide how to go on.", seconds)
	case res.Text == "":
		res.Text = fmt.Sprintf("The wait failed: %v", err)
		res.Failed = true
	}
	return res, nil
}

// await returns what happened below this run, or nothing when something was said or ctx ended.
func (w *waitForEvents) await(ctx context.Context) ([]api.AgentRunEvent, error) {
	a := w.a
	if a.s.Inbox.Has(a.speaks) {
		return nil, nil
	}
	follow, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	happened := make(chan api.AgentRunEvent)
	failed := make(chan error, 1)
	go func() {
		failed <- a.s.Peers.Follow(follow, a.conv.cursor, func(e api.AgentRunEvent) {
			select {
			case happened <- e:
			case <-follow.Done():
			}
		})
	}()
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		_, _ = a.s.Inbox.Wait(follow, a.speaks)
	}()
	events, err := gather(ctx, happened, heard, failed)
	stop(nil)
	<-heard
	return events, err
}

// gather takes events until one of them matters and what follows it closely has come, too.
func gather(ctx context.Context, happened <-chan api.AgentRunEvent, heard <-chan struct{}, failed <-chan error) (events []api.AgentRunEvent, err error) {
	var enough <-chan time.Time
	for {
		select {
		case e := <-happened:
			events = append(events, e)
			if enough == nil && rests(e.EventType) {
				enough = time.After(gatherFor)
			}
			if len(events) >= 4*maxTold && enough != nil {
				return events, nil
			}
		case <-enough:
			return events, nil
		case <-heard:
			return events, nil
		case err := <-failed:
			return events, cmp.Or(context.Cause(ctx), err)
		case <-ctx.Done():
			return events, context.Cause(ctx)
		}
	}
}

// rests reports whether an event says that a run has come to rest.
func rests(t api.AgentRunEventType) bool {
	switch t {
	case api.AgentRunEventTypeRunSucceeded, api.AgentRunEventTypeRunFailed, api.AgentRunEventTypeRunErrored,
		api.AgentRunEventTypeRunBlocked, api.AgentRunEventTypeRunCancelled:
		return true
	}
	return false
}

// told tells the model how runs came to rest: of each the latest, in order.
func told(events []api.AgentRunEvent, cursor int64) tool.Result {
	latest := map[string]api.AgentRunEvent{}
	for _, e := range events {
		if _, known := latest[e.RunId]; rests(e.EventType) && !known && len(latest) == maxTold {
			break // with the rest of the events: the next wait begins here
		}
		cursor = max(cursor, e.Sequence)
		switch {
		case rests(e.EventType):
			latest[e.RunId] = e
		case e.EventType == api.AgentRunEventTypeRunInProgress:
			delete(latest, e.RunId) // it goes on
		}
	}
	list := make([]api.AgentRunEvent, 0, len(latest))
	for _, e := range latest {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b api.AgentRunEvent) int { return cmp.Compare(a.Sequence, b.Sequence) })
	var b strings.Builder
	for _, e := range list {
		fmt.Fprintf(&b, "Run %s: %s.\n", e.RunId, strings.TrimPrefix(string(e.EventType), "run_"))
	}
	return tool.Result{Text: b.String(), Detail: waited{cursor}}
}

// readMessage is tool.ReadMessage for an agent to whom the message may be on its way.
type readMessage struct {
	tool.ReadMessage
	inbox *harness.Inbox
}

// Run reads the message and takes it out of what is delivered.
func (r *readMessage) Run(ctx context.Context, c tool.Call) (tool.Result, error) {
	res, err := r.ReadMessage.Run(ctx, c)
	if err != nil || res.Failed {
		return res, err
	}
	var in struct {
		MessageID string `json:"message_id"`
	}
	_ = json.Unmarshal(c.Input, &in) // it was read
	r.inbox.Take(func(c api.Command) bool {
		return c.Kind == api.CommandKindMessage && c.Message.MessageId == in.MessageID
	})
	return res, nil
}
