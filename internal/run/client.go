package run

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// reported are the states that a client may tell of a run it carries out, by the event that tells it.
var reported = map[api.ReportedEventType]api.RunState{
	api.ReportedEventTypeRunInProgress: api.RunStateINPROGRESS, api.ReportedEventTypeRunSucceeded: api.RunStateSUCCEEDED,
	api.ReportedEventTypeRunFailed: api.RunStateFAILED, api.ReportedEventTypeRunErrored: api.RunStateERROR,
	api.ReportedEventTypeRunBlocked: api.RunStateBLOCKED, api.ReportedEventTypeRunCancelled: api.RunStateCANCELLED,
}

// ReportEvent moves a local run to the state that its client tells of, and returns the number of the
// event. Telling what is so already returns the number it has. Any other run is carried out by a worker,
// whose word alone counts.
func (s *Service) ReportEvent(ctx context.Context, actor identity.Actor, id string, req api.ReportEventRequest) (int64, error) {
	r, err := s.reach(ctx, actor, id, identity.PermMessage)
	if err != nil {
		return 0, err
	}
	state, known := reported[req.EventType]
	switch {
	case !known:
		return 0, api.Invalid("event_type", "%q is not for a client to report", clip(string(req.EventType), 64))
	case actor.Kind == identity.KindRun && actor.RunID != id:
		return 0, api.Fail(api.PlatformErrorCodeNotAuthorized, "a run token reports about its own run only")
	case r.Location != api.RunExecutionLocationLOCAL:
		return 0, api.Fail(api.PlatformErrorCodeOperationNotSupported, "this run is carried out by a worker: its state is not for others to tell")
	}
	_, err = s.change(ctx, id, func(t *turn) error { return decideReported(t, state, req.ExecutionId) })
	if errors.Is(err, ErrMove) {
		err = final(err, err.Error())
	}
	if err != nil {
		return 0, err
	}
	return s.cfg.History.LastEvent(ctx, id, eventOfState(state))
}

func decideReported(t *turn, state api.RunState, executionID string) error {
	switch {
	case executionID != "" && (t.exec == nil || t.exec.ID != executionID):
		return final(nil, "execution_id: this is not the run's latest execution")
	case t.run.State == state:
		return nil
	case !t.run.Live:
		return final(nil, "the run's execution is over: nothing more can happen to it")
	}
	if state == api.RunStateINPROGRESS {
		t.closeRequests("The agent went on without an answer.")
	}
	t.steered()
	var s status
	switch state {
	case api.RunStateBLOCKED:
		s.waiting, s.why = api.WaitingCodeQuestion, sentence(api.WaitingCodeQuestion)
		s.message = s.why
	case api.RunStateERROR:
		s.code = api.PlatformErrorCodeInternalError
		s.retryable = api.LookupCode(s.code).Retryable
	}
	return t.move(state, ByRunner, s)
}

// eventOfState is the event of a move to a state in which a run works or rests.
func eventOfState(state api.RunState) EventType {
	for _, m := range moves {
		if m.to == state && m.event != EventCreated {
			return m.event
		}
	}
	return ""
}

// SetEventSequence keeps how far events were followed for a run. It never goes back.
func (s *Service) SetEventSequence(ctx context.Context, actor identity.Actor, id string, seq int64) error {
	if _, err := s.reach(ctx, actor, id, identity.PermMessage); err != nil {
		return err
	}
	if seq < 0 {
		return api.Invalid("sequence", "must not be negative")
	}
	_, err := s.change(ctx, id, func(t *turn) error {
		t.run.EventSeq = max(t.run.EventSeq, seq)
		return nil
	})
	return err
}

// ClientEvent is a step that a client told of. UUID is the client's own name of the report.
type ClientEvent struct {
	UUID     string
	Name     string
	At       time.Time // when it was over
	Duration time.Duration
	Failed   bool
}

// MaxClientEvents is how many of a run's client events are kept.
const MaxClientEvents = 256

// NoteClientEvent keeps a step that a client told of for the run's timeline. A repeated one, and those
// beyond MaxClientEvents, are let go.
func (s *Service) NoteClientEvent(ctx context.Context, actor identity.Actor, id string, req api.ClientEventRequest) error {
	if _, err := s.reach(ctx, actor, id, identity.PermMessage); err != nil {
		return err
	}
	if err := uuid.Validate(req.EventUuid); err != nil || len(req.EventUuid) != 36 {
		return api.Invalid("event_uuid", "must be a UUID")
	}
	if err := checkWord("event_name", req.EventName, 128); err != nil {
		return err
	}
	e := ClientEvent{UUID: req.EventUuid, Name: req.EventName, At: believable(req.Timestamp, s.now()), Failed: req.Payload.IsError}
	if p := req.Payload; p.LatencyMs > 0 {
		e.Duration = time.Duration(min(p.LatencyMs, maxPhase.Milliseconds())) * time.Millisecond
	} else if !p.StartTs.IsZero() && p.FinishTs.After(p.StartTs) {
		e.Duration = min(p.FinishTs.Sub(p.StartTs), maxPhase)
	}
	return s.cfg.Store.NoteClient(ctx, id, e, MaxClientEvents)
}

// believable is a client's time unless its clock cannot be right.
func believable(at, now time.Time) time.Time {
	if at.After(now) || now.Sub(at) > 365*24*time.Hour {
		return now
	}
	return at.UTC().Truncate(time.Microsecond)
}
