package run

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Cancel ends a run at once: it moves to CANCELLED, its execution may write no more, and whoever
// runs it is told to kill it. A PENDING run is a retryable conflict, since a worker is just taking
// it; an ended one is invalid_request; one carried out elsewhere is operation_not_supported.
func (s *Service) Cancel(ctx context.Context, actor identity.Actor, id string) (Run, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermSteer); err != nil {
		return Run{}, err
	}
	done, err := s.change(ctx, id, func(t *turn) error { return decideCancel(t, actor.Profile()) })
	return done.Run, err
}

// cancellable says whether runs of this type can be cancelled at all, whatever their state.
func cancellable(r Run) bool {
	return r.Location != api.RunExecutionLocationLOCAL &&
		r.Source != api.RunSourceTypeLOCAL && r.Source != api.RunSourceTypeGITHUBACTION
}

func decideCancel(t *turn, by api.UserProfile) error {
	state := t.run.State
	switch {
	case !cancellable(t.run) && t.run.Location == api.RunExecutionLocationREMOTE:
		return api.Fail(api.PlatformErrorCodeOperationNotSupported,
			"a run of source %s cannot be cancelled through the API: interrupt its agent instead", t.run.Source)
	case !cancellable(t.run):
		return api.Fail(api.PlatformErrorCodeOperationNotSupported,
			"this run is carried out on a machine of its own (source %s): stop it there", t.run.Source)
	case state.Ended():
		return api.Fail(api.PlatformErrorCodeInvalidRequest, "the run has already ended (%s)", state)
	case state == api.RunStatePENDING:
		return api.Fail(api.PlatformErrorCodeConflict, "a worker is just taking this run: try again in a moment")
	}
	message := "Cancelled."
	if by.DisplayName != "" {
		message = "Cancelled by " + clip(by.DisplayName, 200) + "."
	}
	if err := t.move(api.RunStateCANCELLED, ByPerson, status{message: message}); err != nil {
		return err
	}
	t.consume(func(Command) bool { return true })
	if t.run.Live {
		t.endExecution("cancelled")
		t.command(Command{Kind: api.CommandKindCancel, Author: by})
	}
	return nil
}

// Interrupt stops the agent's current turn; the run then waits BLOCKED for the next message. It has
// no effect when the same was asked already.
func (s *Service) Interrupt(ctx context.Context, actor identity.Actor, id string) (Run, error) {
	if _, err := s.reach(ctx, actor, id, identity.PermSteer); err != nil {
		return Run{}, err
	}
	done, err := s.change(ctx, id, func(t *turn) error { return decideInterrupt(t, actor.Profile()) })
	return done.Run, err
}

func decideInterrupt(t *turn, by api.UserProfile) error {
	state := t.run.State
	working := state == api.RunStateINPROGRESS || (state == api.RunStateBLOCKED && len(t.open) > 0)
	switch {
	case state.Ended():
		return api.Fail(api.PlatformErrorCodeInvalidRequest, "the run has already ended (%s)", state)
	case state.Working() && !working:
		return api.Fail(api.PlatformErrorCodeConflict, "the agent has not begun to work yet (%s)", state)
	case !working || !t.run.Live:
		return api.Fail(api.PlatformErrorCodeInvalidRequest, "the agent is not working: there is nothing to interrupt")
	}
	for _, c := range t.wait {
		if c.Kind == api.CommandKindInterrupt {
			return nil
		}
	}
	t.command(Command{Kind: api.CommandKindInterrupt, Author: by})
	return nil
}
