package run

import (
	"context"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// steady is how long an execution whose agent acted must have lasted to count as progress: a run
	// that brings its sandbox down again and again is given up, one interrupted now and then is not.
	steady = time.Minute
	// actedFactor times MaxAttempts is how often in a row an execution may be lost after it acted
	// without having lasted.
	actedFactor = 4
)

// Lost records that an execution is gone without a word: its lease ran out or its worker vanished.
// The run goes back to the line, silently when its agent had not acted yet and as a resume
// otherwise. It has no effect on an execution that is over or superseded.
func (s *Service) Lost(ctx context.Context, runID, executionID, reason string) error {
	_, err := s.change(ctx, runID, func(t *turn) error {
		if !t.mayWrite(executionID) {
			return nil
		}
		return s.cfg.interrupted(t, ByDispatch, reason)
	})
	return err
}

// interrupted ends an execution that stopped through no fault of the run and decides how it goes on.
func (c Config) interrupted(t *turn, by Cause, reason string) error {
	t.endExecution(reason)
	if !t.run.State.Working() {
		return nil
	}
	if t.run.Location == api.RunExecutionLocationLOCAL {
		return t.move(api.RunStateERROR, by, status{
			code:    api.PlatformErrorCodeInfrastructureTimeout,
			message: "The machine that carried out this run stopped reporting (" + reason + ").",
		})
	}
	limit := c.countLoss(t)
	if t.run.Attempts >= limit {
		return t.move(api.RunStateERROR, by, status{
			code: api.PlatformErrorCodeResourceUnavailable, retryable: true,
			message: fmt.Sprintf("Gave up after %d sandboxes in a row were lost; the last one: %s.", t.run.Attempts, reason),
		})
	}
	return t.move(api.RunStateQUEUED, by, again(t, reason))
}

// countLoss counts one more lost execution and returns how many are allowed.
func (c Config) countLoss(t *turn) (limit int) {
	limit = c.MaxAttempts
	if t.exec.Acted {
		limit *= actedFactor
		if t.now.Sub(t.exec.StartedAt) >= steady {
			t.run.Attempts = 0
		}
	}
	t.run.Attempts++
	return limit
}

// again is the reason of a run that waits for another sandbox.
func again(t *turn, reason string) status {
	if t.exec.Acted {
		return status{waiting: api.WaitingCodeWorkerLost, why: "Its sandbox was lost (" + reason + "); it goes on in another one."}
	}
	return status{waiting: api.WaitingCodeRetrying, why: "Its sandbox could not be used (" + reason + "); trying again."}
}
