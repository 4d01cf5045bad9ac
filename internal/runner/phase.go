package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/link"
)

// stepError is a start-up step that failed: the name of the step, what went wrong and what to do.
type stepError struct {
	step    string
	message string
	output  string
	advice  string
	code    api.PlatformErrorCode
	err     error
}

func (e *stepError) Error() string { return e.step + ": " + e.message }
func (e *stepError) Unwrap() error { return e.err }

// report is how a failed step ends the run.
func (e *stepError) report() api.RunnerReport {
	code := e.code
	if code == "" {
		code = api.PlatformErrorCodeEnvironmentSetupFailed
	}
	message := e.Error()
	if e.advice != "" {
		message += ". " + e.advice
	}
	return api.RunnerReport{State: stateOf(code), Message: message, ErrorCode: code}
}

func stateOf(code api.PlatformErrorCode) api.RunState {
	if api.LookupCode(code).Fault == api.FaultUser {
		return api.RunStateFAILED
	}
	return api.RunStateERROR
}

// showAfter is how long a step runs before it is shown as running: most are over sooner, and one
// entry then tells all.
const showAfter = 300 * time.Millisecond

// phase carries out one start-up step, timed, and records it. key, when not empty, is shown the
// step's output as fragments.
func (r *execution) phase(ctx context.Context, name, command string, act func(ctx context.Context, show func(string)) (output string, err error)) error {
	began := r.cfg.Now()
	entry := api.Phase{Name: name, State: api.PhaseRunning, Command: command, StartedAt: began.UTC()}
	var mu sync.Mutex
	over := false
	shown := time.AfterFunc(showAfter, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			r.record(ctx, api.MakeEntry(r.cfg.Now().UTC(), entry))
		}
	})
	key := "phase:" + name
	show := func(text string) { r.sink.Delta(api.Delta{Key: key, Kind: api.DeltaKindOutput, Text: text}) }
	output, err := act(ctx, show)
	shown.Stop()
	mu.Lock()
	over = true
	mu.Unlock()
	done := entry
	done.State, done.Output, done.DurationMS = api.PhaseCompleted, output, r.cfg.Now().Sub(began).Milliseconds()
	if err == nil {
		r.record(ctx, api.MakeEntry(r.cfg.Now().UTC(), done))
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := asStepError(name, err)
	if errors.Is(err, link.ErrOver) {
		return err
	}
	done.State, done.Advice = api.PhaseFailed, failed.advice
	if failed.output != "" {
		done.Output = failed.output
	}
	if done.Output == "" {
		done.Output = failed.message
	}
	r.record(ctx, api.MakeEntry(r.cfg.Now().UTC(), done))
	return failed
}

func asStepError(name string, err error) *stepError {
	var step *stepError
	if errors.As(err, &step) {
		if step.step == "" {
			step.step = name
		}
		return step
	}
	step = &stepError{step: name, message: err.Error(), err: err}
	var failed *commandError
	if errors.As(err, &failed) {
		step.output = failed.output
	}
	var failure *api.Failure
	if errors.As(err, &failure) {
		step.code = failure.Code
	}
	return step
}

// record queues entries without waiting. What cannot be queued is lost only with the execution.
func (r *execution) record(ctx context.Context, entries ...api.NewEntry) {
	if _, err := r.sink.put(ctx, nil, entries...); err != nil && ctx.Err() == nil {
		r.cfg.Log.Warn("entry not recorded", "run_id", r.assignment.RunId, "error", err)
	}
}

func (r *execution) notice(ctx context.Context, level api.NoticeLevel, text string) {
	r.record(ctx, api.MakeEntry(r.cfg.Now().UTC(), api.Notice{Level: level, Text: text}))
}
