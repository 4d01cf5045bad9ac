package runner

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/link"
)

// errMaxRunTime ends a run that worked longer than it may.
var errMaxRunTime = errors.New("the run worked longer than it may")

// turns lets the agent work as long as there is something to do. It returns errFinished when the
// execution has ended because nothing more came, else the reason it must end.
func (r *execution) turns(ctx context.Context) error {
	if r.cfg.SkipInitialTurn && r.inbox.Len() == 0 && !r.past().worked {
		// A run is at work before it can have done its part.
		if err := r.report(ctx, api.RunnerReport{State: api.RunStateINPROGRESS}); err != nil {
			return err
		}
		if err := r.await(ctx, harness.Outcome{State: api.RunStateSUCCEEDED, Message: "Everything is ready; nothing was asked for yet."}); !errors.Is(err, errMoreToDo) {
			return err
		}
	}
	for {
		if err := r.report(ctx, api.RunnerReport{State: api.RunStateINPROGRESS}); err != nil {
			return err
		}
		before := r.inbox.Len()
		outcome, err := r.turn(ctx)
		if err != nil {
			return err
		}
		if before > 0 && r.inbox.Len() >= before {
			// An interrupt between two turns has nothing to stop.
			r.inbox.Take(func(c api.Command) bool { return c.Kind == api.CommandKindInterrupt })
		}
		if r.inbox.Has(calls(outcome.State)) {
			continue
		}
		if err := r.await(ctx, outcome); !errors.Is(err, errMoreToDo) {
			return err
		}
	}
}

// await keeps the workspace, reports how a turn ended and idles. It returns errMoreToDo when a command
// came.
func (r *execution) await(ctx context.Context, outcome harness.Outcome) error {
	if outcome.State != api.RunStateBLOCKED {
		r.keeper.keep(ctx)
	}
	if err := r.report(ctx, api.RunnerReport{
		State: outcome.State, Message: outcome.Message, ErrorCode: outcome.Code, Waiting: outcome.Waiting,
	}); err != nil {
		return err
	}
	return r.idle(ctx, outcome.State)
}

// turn is one turn of the agent, with the time of all of them bounded and the workspace kept
// meanwhile.
func (r *execution) turn(ctx context.Context) (harness.Outcome, error) {
	turn, cancel := ctx, context.CancelFunc(func() {})
	if limit := r.assignment.Limits.MaxRunSeconds; limit > 0 {
		turn, cancel = context.WithTimeoutCause(ctx, time.Duration(limit)*time.Second-r.worked, errMaxRunTime)
	}
	defer cancel()
	began := time.Now()
	defer func() { r.worked += time.Since(began) }()
	stop := r.keeper.watch(turn)
	outcome, err := r.drive(turn)
	stop()
	switch {
	case err == nil && outcome.State == "":
		err = errors.New("the harness gave no outcome")
	case err == nil:
		return outcome, nil
	}
	if ctx.Err() != nil {
		return harness.Outcome{}, context.Cause(ctx)
	}
	if errors.Is(err, link.ErrOver) {
		return harness.Outcome{}, err
	}
	failed := &stepError{step: "agent", message: err.Error(), code: api.PlatformErrorCodeInternalError, err: err}
	var failure *api.Failure
	switch {
	case errors.Is(err, errMaxRunTime):
		failed.message = fmt.Sprintf("stopped after %d seconds of work, the longest a run may take", r.assignment.Limits.MaxRunSeconds)
		failed.code = api.PlatformErrorCodeInfrastructureTimeout
	case errors.As(err, &failure):
		failed.code = failure.Code
	}
	return harness.Outcome{}, failed
}

// drive has the agent take its turn. When the turn must end, everything the agent started is ended
// too, and an agent that does not notice is left behind: no harness keeps a sandbox beyond its grace.
func (r *execution) drive(ctx context.Context) (harness.Outcome, error) {
	type end struct {
		outcome harness.Outcome
		err     error
	}
	ended := make(chan end, 1)
	agent := r.agent
	go func() {
		outcome, err := agent.Turn(ctx)
		ended <- end{outcome, err}
	}()
	select {
	case e := <-ended:
		return e.outcome, e.err
	case <-ctx.Done():
	}
	grace := r.cfg.Grace / 2
	if errors.Is(context.Cause(ctx), link.ErrOver) {
		grace = 0
	}
	if err := r.tree().Kill(context.WithoutCancel(ctx), grace); err != nil {
		r.cfg.Log.Error("processes left", "run_id", r.assignment.RunId, "error", err)
	}
	t := time.NewTimer(max(grace, time.Second))
	defer t.Stop()
	select {
	case e := <-ended:
		return e.outcome, e.err
	case <-t.C:
		return harness.Outcome{}, context.Cause(ctx)
	}
}

// report tells the server a state, in order with the entries, without waiting: the outbox delivers.
// A state that ends a turn is waited for.
func (r *execution) report(ctx context.Context, report api.RunnerReport) error {
	receipt, err := r.sink.put(ctx, &report)
	if err != nil {
		return err
	}
	if report.State == api.RunStateINPROGRESS {
		return nil
	}
	if err := receipt.Wait(ctx); err != nil {
		return err
	}
	r.result.State, r.result.Message, r.result.Code = report.State, report.Message, report.ErrorCode
	return nil
}

// failed reports how a failure ends the run and, where asked, stays for a person to look at it.
func (r *execution) failed(f *stepError) error {
	r.keeper.keep(r.work)
	report := f.report()
	if err := r.report(r.work, report); err != nil {
		return err
	}
	err := r.idle(r.work, report.State)
	if errors.Is(err, errMoreToDo) {
		return errAgain
	}
	return err
}

// calls reports whether a command sets an agent going that rests in a state: what other runs say does not
// while it waits for a person.
func calls(state api.RunState) func(api.Command) bool {
	return func(c api.Command) bool {
		return state != api.RunStateBLOCKED || c.Kind != api.CommandKindMessage
	}
}

// errMoreToDo says that a command arrived in the idle window.
var errMoreToDo = errors.New("a command arrived")

// idle waits for a command as long as the sandbox stays. It returns errMoreToDo when one came,
// errFinished when none did and the execution has ended.
func (r *execution) idle(ctx context.Context, state api.RunState) error {
	window, bounded := r.window(state)
	wait, cancel := ctx, context.CancelFunc(func() {})
	if bounded {
		wait, cancel = context.WithTimeoutCause(ctx, window, errIdle)
	}
	defer cancel()
	if state == api.RunStateBLOCKED {
		stop := r.keeper.keepAfter(wait, blockedFor)
		defer stop()
	}
	_, err := r.inbox.Wait(wait, calls(state))
	switch {
	case err == nil:
		return errMoreToDo
	case errors.Is(err, errIdle):
		if window > 0 || state == api.RunStateBLOCKED {
			r.keeper.keep(ctx)
		}
		return r.close(ctx)
	}
	return err
}

var errIdle = errors.New("nothing came while the sandbox idled")

// blockedFor is how long a run waits for a person before its workspace is kept: most answers come
// sooner, and the wait may outlive the sandbox.
const blockedFor = 30 * time.Second

// window is how long to stay in a state; without bound for a local execution that waits for an
// answer, which no other sandbox could take up.
func (r *execution) window(state api.RunState) (time.Duration, bool) {
	if r.cfg.Local && state == api.RunStateBLOCKED {
		return 0, false
	}
	failed := state == api.RunStateFAILED || state == api.RunStateERROR
	window, own := time.Duration(r.assignment.IdleSeconds)*time.Second, r.cfg.IdleOnComplete
	if failed {
		window, own = time.Duration(r.assignment.IdleOnFailSeconds)*time.Second, r.cfg.IdleOnFail
	}
	asked := !failed && r.assignment.Config.IdleTimeoutMinutes != nil
	switch {
	case own != nil && !asked:
		window = *own
	case r.cfg.Local && own == nil:
		window = 0
	}
	return max(window, 0), true
}

// close ends the idle window: the execution ends unless a command just came.
func (r *execution) close(ctx context.Context) error {
	fault.Here(fault.RunnerBeforeEnd)
	err := r.client.End(ctx, r.ending("completed"))
	if !errors.Is(err, link.ErrCommandsWait) {
		if err == nil {
			return errFinished
		}
		return err
	}
	wait, cancel := context.WithTimeoutCause(ctx, commandWithin, errIdle)
	defer cancel()
	if _, err := r.inbox.Wait(wait, nil); err == nil || errors.Is(err, errIdle) {
		return errMoreToDo
	}
	return context.Cause(ctx)
}

// commandWithin is how long a command that the server holds may take to arrive here.
const commandWithin = 10 * time.Second
