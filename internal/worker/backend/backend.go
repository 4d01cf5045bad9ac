// Package backend is the contract between the worker and what builds sandboxes.
//
// It owns the interface and the reasons a sandbox can fail for. It refuses to know the server: a
// backend is told what to start and says how it ended.
package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Backend builds sandboxes and starts runners in them.
//
// Order: the worker calls Open once, then Start as often as there are tasks, then Close once. Start
// and Close may be called at any time after Open, Start for several tasks at once, never twice for
// the same execution.
//
// Failure: after a Start that returned an error nothing of the task is left. The error is an *Error
// where the backend knows more than that it failed.
type Backend interface {
	// Name is what the server and people call the backend.
	Name() string
	// Open makes the backend ready and cleans up after a worker that died. An error stops the worker.
	Open(ctx context.Context) error
	// Start builds a sandbox and starts the runner in it. ctx bounds building only.
	Start(ctx context.Context, t Task) (Sandbox, error)
	// Close releases what Open took. Every sandbox has ended before.
	Close(ctx context.Context) error
}

// Sandbox is one started task. Its methods may be called at the same time.
type Sandbox interface {
	// Wait returns when the runner's process has ended and everything of the sandbox is gone: its
	// processes, and its files unless they are to be kept. Any number of calls give the same answer.
	Wait() Exit
	// Stop ends the sandbox: asks the runner to leave, kills all that is left after the grace.
	// It returns at once and may be called again, to shorten the grace.
	Stop(grace time.Duration)
}

// Dispatching is a capability of backends that only hand a task on: Wait returns at once, nothing is
// reported and no place is taken, since the runner elsewhere reports its own end.
type Dispatching interface {
	Dispatches() bool
}

// Task is what a worker was asked to start.
type Task struct {
	api.TaskAssignment
	// Args is the argv of the runner, without the program.
	Args []string
	// Env is the environment of the runner beside what the backend adds.
	Env map[string]string
}

// Exit is how a runner's process ended.
type Exit struct {
	// Code is the exit status, 128+n for a death by signal n.
	Code int
	// Err is set when the sandbox failed rather than the runner.
	Err error
	// Output is the end of what the process wrote, for the message of a failure.
	Output string
}

// Reason classifies a failure (contract worker-protocol section 4).
type Reason string

// The reasons a worker or its backends give.
const (
	ReasonUnknown         Reason = "unknown"
	ReasonCancelled       Reason = "task_cancelled"
	ReasonShutdown        Reason = "graceful_shutdown"
	ReasonTimeout         Reason = "task_timeout"
	ReasonWorkspace       Reason = "workspace_setup"
	ReasonSetupCommand    Reason = "setup_command"
	ReasonAgent           Reason = "agent_invocation"
	ReasonTeardownCommand Reason = "teardown_command"
	ReasonCleanup         Reason = "cleanup"
)

// Error is a failure with its reason.
type Error struct {
	Reason Reason
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an Error.
func Fail(reason Reason, format string, args ...any) error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// ReasonOf returns the reason an error carries, unknown when it carries none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ReasonUnknown
}
