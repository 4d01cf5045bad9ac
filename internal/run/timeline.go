package run

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxPhase bounds the length of a phase as told by a sandbox.
const maxPhase = 24 * time.Hour

// Timeline tells a run's life in order: the states it entered with how long it stayed, its start-up
// phases and its executions.
func (s *Service) Timeline(ctx context.Context, actor identity.Actor, id string) ([]api.TimelineEvent, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermRead); err != nil {
		return nil, err
	}
	events, err := s.cfg.History.Events(ctx, id)
	if err != nil {
		return nil, err
	}
	executions, err := s.cfg.History.Executions(ctx, id)
	if err != nil {
		return nil, err
	}
	clients, err := s.cfg.History.ClientEvents(ctx, id)
	if err != nil {
		return nil, err
	}
	return timeline(events, executions, clients), nil
}

func timeline(events []Event, executions []Execution, clients []ClientEvent) []api.TimelineEvent {
	number := make(map[string]int, len(executions))
	for _, x := range executions {
		number[x.ID] = x.Number
	}
	out := make([]api.TimelineEvent, 0, len(events))
	last := -1 // the latest state, whose duration ends with the next
	for _, e := range events {
		t := api.TimelineEvent{At: e.At, Execution: number[e.ExecutionID], Message: e.Message}
		switch e.Type {
		case EventArtifact, EventWaiting, EventMessage, EventChild, EventSession, EventNotification, EventRenamed:
			continue
		case EventPhase:
			phaseEvent(&t, e)
		case EventExecution:
			t.Kind, t.Name = api.TimelineEventKindExecution, "ended"
		default:
			t.Kind, t.Name = api.TimelineEventKindState, string(e.State)
			t.Error = e.State == api.RunStateFAILED || e.State == api.RunStateERROR
			if last >= 0 {
				out[last].DurationMs = max(0, e.At.Sub(out[last].At).Milliseconds())
			}
			last = len(out)
		}
		out = append(out, t)
	}
	for _, c := range clients {
		out = append(out, api.TimelineEvent{
			At: c.At.Add(-c.Duration), Kind: api.TimelineEventKindPhase, Name: c.Name, DurationMs: c.Duration.Milliseconds(), Error: c.Failed,
		})
	}
	slices.SortStableFunc(out, func(a, b api.TimelineEvent) int { return a.At.Compare(b.At) })
	return out
}

func phaseEvent(t *api.TimelineEvent, e Event) {
	var p api.Phase
	// A row this package wrote; one it cannot read still shows its name and time.
	_ = json.Unmarshal(e.Data, &p)
	t.Kind, t.Name = api.TimelineEventKindPhase, orElse(p.Name, e.Message)
	t.Error, t.Message = p.State == api.PhaseFailed, p.Advice
	// The row was written at the phase's end. Its length comes from a sandbox: believe it within reason.
	t.DurationMs = min(max(0, p.DurationMS), maxPhase.Milliseconds())
	t.At = e.At.Add(-time.Duration(t.DurationMs) * time.Millisecond)
}
