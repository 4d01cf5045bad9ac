package run

import (
	"context"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Placement says where an execution is to run.
type Placement struct {
	ExecutionID string
	Host        string
	Worker      string // connection it is offered to
	Backend     string
	LeaseUntil  time.Time
}

// Assign opens an execution of a queued run: PENDING. It is a MoveError when the run is not QUEUED,
// so that two dispatchers cannot place it twice.
func (s *Service) Assign(ctx context.Context, runID string, p Placement) (Run, Execution, error) {
	done, err := s.change(ctx, runID, func(t *turn) error { return decideAssign(t, p) })
	if err != nil {
		return Run{}, Execution{}, err
	}
	return done.Run, *done.Execution, nil
}

func decideAssign(t *turn, p Placement) error {
	if err := t.move(api.RunStatePENDING, ByDispatch, status{
		waiting: api.WaitingCodeStarting, why: "Offered to a worker of host " + p.Host + ".",
	}); err != nil {
		return err
	}
	t.exec = &Execution{
		ID: p.ExecutionID, RunID: t.run.ID, Number: t.run.Execution + 1, State: ExecutionAssigned,
		Host: p.Host, Worker: p.Worker, Backend: p.Backend, LeaseUntil: p.LeaseUntil, CreatedAt: t.now,
	}
	t.touch()
	t.run.Execution, t.run.Live = t.exec.Number, true
	t.change.Events[len(t.change.Events)-1].ExecutionID = t.exec.ID
	t.steered()
	return nil
}

// Claim records that the worker took the execution. A second claim of the same execution only
// renews its lease; one of an execution that is over or superseded is ErrFenced.
func (s *Service) Claim(ctx context.Context, runID, executionID string, leaseUntil time.Time) error {
	_, err := s.change(ctx, runID, func(t *turn) error { return decideClaim(t, executionID, leaseUntil) })
	return err
}

func decideClaim(t *turn, executionID string, leaseUntil time.Time) error {
	if err := t.fence(executionID); err != nil {
		return err
	}
	x := t.touch()
	if leaseUntil.After(x.LeaseUntil) {
		x.LeaseUntil = leaseUntil
	}
	if x.State != ExecutionAssigned {
		return nil
	}
	x.State, x.ClaimedAt = ExecutionClaimed, t.now
	return t.move(api.RunStateCLAIMED, ByWorker, status{
		waiting: api.WaitingCodeStarting, why: fmt.Sprintf("A worker of host %s is building the sandbox.", x.Host),
	})
}

// Reject takes an offered execution back: the run keeps its place in the line. It has no effect on
// an execution that is over, superseded or already claimed.
func (s *Service) Reject(ctx context.Context, runID, executionID, reason string) error {
	_, err := s.change(ctx, runID, func(t *turn) error { return decideReject(t, executionID, reason) })
	return err
}

func decideReject(t *turn, executionID, reason string) error {
	if !t.mayWrite(executionID) || t.exec.State != ExecutionAssigned {
		return nil
	}
	t.endExecution(reason)
	why := "The worker of host " + t.run.Host + " had no room; waiting for the next place."
	return t.move(api.RunStateQUEUED, ByWorker, status{waiting: api.WaitingCodeAtCapacity, why: why})
}

// GiveUp fails a queued run that no worker of its host could take for at least as long. It has no
// effect on a run that waits for something else, or not for as long. A message sets it going again.
func (s *Service) GiveUp(ctx context.Context, runID string, waited time.Duration) error {
	_, err := s.change(ctx, runID, func(t *turn) error { return decideGiveUp(t, waited) })
	return err
}

func decideGiveUp(t *turn, waited time.Duration) error {
	w := t.run.Waiting
	if t.run.State != api.RunStateQUEUED || w.Code != api.WaitingCodeNoWorker || t.now.Sub(w.Since) < waited {
		return nil
	}
	return t.move(api.RunStateFAILED, ByDispatch, status{
		code: api.PlatformErrorCodeResourceUnavailable, retryable: true,
		message: fmt.Sprintf("No worker served host %q for %s. Connect one, or start the run on another host; a message tries again.", t.run.Host, waited),
	})
}

// Explain says why a queued run waits. Nothing is stored when the reason is the one known already
// or the run no longer waits in line.
func (s *Service) Explain(ctx context.Context, runID string, code api.WaitingCode, message string) error {
	r, err := s.cfg.Store.Get(ctx, runID)
	if err != nil || explained(r, code, message) {
		return err
	}
	now := s.now()
	_, err = s.cfg.Store.Change(ctx, runID, func(cur Current) (Change, error) {
		if explained(cur.Run, code, message) {
			return Change{}, nil
		}
		next := cur.Run
		next.Waiting = waiting(cur.Run.Waiting, code, message, now)
		return Change{Run: &next}, nil
	})
	return err
}

func explained(r Run, code api.WaitingCode, message string) bool {
	return r.State != api.RunStateQUEUED || (r.Waiting.Code == code && r.Waiting.Message == message)
}
