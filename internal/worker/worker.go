package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/worker/backend"
)

// The texts of reports are the contract's.
const (
	textCompleted  = "Task completed successfully"
	textCancelled  = "Task cancelled by user request."
	textShutdown   = "Task interrupted: the worker was shut down."
	textFailed     = "Failed to execute task: "
	textAtCapacity = "worker at maximum concurrency"
	stateCancelled = "CANCELLED"
	exitTerminated = 143 // 128 + SIGTERM
)

// Worker takes tasks of one host.
type Worker struct {
	cfg  Config
	wire *wire
	once chan struct{} // closed when a one-shot worker's task ended

	mu       sync.Mutex
	stopping bool
	taken    bool             // a one-shot worker has its task
	tasks    map[string]*task // by execution id
	running  sync.WaitGroup
}

// task is one execution this worker carries out.
type task struct {
	assignment api.TaskAssignment
	cancel     context.CancelFunc // ends building

	mu        sync.Mutex
	sandbox   backend.Sandbox
	cancelled bool
	shutdown  bool
}

// Run takes tasks until ctx ends, then stops them in good order: each runner has Config.Grace to
// leave, then its sandbox is killed. Connection problems never end it; the error says that the
// configuration is wrong or the backend unusable.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	cfg.defaults()
	w := &Worker{cfg: cfg, tasks: map[string]*task{}, once: make(chan struct{})}
	url, err := cfg.socketURL()
	if err != nil {
		return err
	}
	if err := cfg.Backend.Open(ctx); err != nil {
		return fmt.Errorf("backend %s: %w", cfg.Backend.Name(), err)
	}
	w.wire = &wire{cfg: &w.cfg, url: url, out: make(chan []byte, queueSize), hello: w.hello, beat: w.heartbeat, take: w.take}

	// The link outlives ctx until every task has ended and said so.
	link, unlink := context.WithCancel(context.WithoutCancel(ctx))
	var linked sync.WaitGroup
	linked.Go(func() { w.wire.run(link) })
	select {
	case <-ctx.Done():
	case <-w.once:
	}
	w.stop()
	unlink()
	linked.Wait()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := cfg.Backend.Close(end); err != nil {
		return fmt.Errorf("backend %s: close: %w", cfg.Backend.Name(), err)
	}
	return nil
}

// stop takes no more tasks, ends those there are and waits for them.
func (w *Worker) stop() {
	w.mu.Lock()
	w.stopping = true
	for _, t := range w.tasks {
		t.end(w.cfg.Grace, func() { t.shutdown = true })
	}
	w.mu.Unlock()
	w.running.Wait()
}

// end asks a task to end, after noting why.
func (t *task) end(grace time.Duration, note func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	note()
	t.cancel()
	if t.sandbox != nil {
		t.sandbox.Stop(grace)
	}
}

func (w *Worker) hello() api.Hello {
	return api.Hello{Version: w.cfg.Version, Backend: w.cfg.Backend.Name(), Capacity: w.cfg.MaxConcurrent, Running: w.list()}
}

func (w *Worker) heartbeat() api.Heartbeat { return api.Heartbeat{Running: w.list()} }

// list names the executions under way, by which the server renews their leases.
func (w *Worker) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.tasks))
}

// take acts on a message of the server. It does not wait for anything to be built.
func (w *Worker) take(ctx context.Context, e api.WorkerEnvelope) {
	switch e.Type {
	case api.WorkerAssignment:
		var a api.TaskAssignment
		if err := json.Unmarshal(e.Data, &a); err != nil || a.Task == nil || a.TaskID == "" {
			w.cfg.Log.Error("assignment not understood", "run_id", a.TaskID, "error", err)
			w.refuse(a, "the worker does not understand the assignment")
			return
		}
		w.assign(ctx, a)
	case api.WorkerCancellation:
		var c api.TaskCancellation
		if err := json.Unmarshal(e.Data, &c); err != nil {
			w.cfg.Log.Error("cancellation not understood", "error", err)
			return
		}
		w.cancel(c)
	default:
		w.cfg.Log.Debug("message of unknown type passed over", "type", e.Type)
	}
}

func (w *Worker) refuse(a api.TaskAssignment, reason string) {
	if a.TaskID == "" {
		return
	}
	w.wire.queue(api.WorkerRejected, api.TaskReport{TaskID: a.TaskID, ExecutionID: a.ExecutionID, Reason: reason})
}

// assign claims a task and starts it, or refuses it. A task whose execution is under way already is
// an echo of a lost connection: it is claimed again and nothing is started.
func (w *Worker) assign(ctx context.Context, a api.TaskAssignment) {
	if a.ExecutionID == "" {
		a.ExecutionID = a.TaskID
	}
	w.mu.Lock()
	_, known := w.tasks[a.ExecutionID]
	full := w.cfg.MaxConcurrent > 0 && len(w.tasks) >= w.cfg.MaxConcurrent
	if !known && (full || w.stopping || w.taken) {
		w.mu.Unlock()
		w.refuse(a, textAtCapacity)
		return
	}
	fault.Here(fault.WorkerBeforeClaim)
	if known {
		w.mu.Unlock()
		w.claim(a)
		return
	}
	build, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &task{assignment: a, cancel: cancel}
	w.tasks[a.ExecutionID] = t
	w.taken = w.cfg.OneShot
	w.running.Add(1)
	w.mu.Unlock()
	w.claim(a)
	fault.Here(fault.WorkerAfterClaim)
	go w.carryOut(build, t)
}

func (w *Worker) claim(a api.TaskAssignment) {
	w.wire.queue(api.WorkerClaimed, api.TaskReport{TaskID: a.TaskID, ExecutionID: a.ExecutionID, WorkerID: w.cfg.WorkerID})
}

// carryOut runs one task to its end and reports it.
func (w *Worker) carryOut(ctx context.Context, t *task) {
	defer w.running.Done()
	defer t.cancel()
	log := w.cfg.Log.With("run_id", t.assignment.TaskID, "execution_id", t.assignment.ExecutionID)
	began := time.Now()
	log.Info("task started")
	exit := w.execute(ctx, t)
	kind, report := t.outcome(exit)
	log.Info("task ended", "result", kind, "exit_code", exit.Code, "reason", report.FailureReason, "duration", time.Since(began).Round(time.Millisecond).String())
	fault.Here(fault.WorkerBeforeReport)
	if d, ok := w.cfg.Backend.(backend.Dispatching); !ok || !d.Dispatches() || exit.Err != nil {
		w.wire.queue(kind, report)
	}
	// Only now, so that a heartbeat never leaves an execution out whose end was not queued.
	w.mu.Lock()
	delete(w.tasks, t.assignment.ExecutionID)
	w.mu.Unlock()
	if w.cfg.OneShot {
		close(w.once)
	}
}

// execute builds the sandbox and waits for its end.
func (w *Worker) execute(ctx context.Context, t *task) backend.Exit {
	args, err := w.cfg.runnerArgs(t.assignment)
	if err != nil {
		return backend.Exit{Err: &backend.Error{Reason: backend.ReasonAgent, Err: err}}
	}
	sandbox, err := w.cfg.Backend.Start(ctx, backend.Task{TaskAssignment: t.assignment, Args: args, Env: w.cfg.runnerEnv(t.assignment)})
	if err != nil {
		return backend.Exit{Err: err}
	}
	fault.Here(fault.WorkerAfterStart)
	t.mu.Lock()
	t.sandbox = sandbox
	if t.cancelled || t.shutdown {
		sandbox.Stop(w.cfg.Grace)
	}
	t.mu.Unlock()
	return sandbox.Wait()
}

// outcome is what the server is told about the end of a task (contract worker-protocol section 4).
func (t *task) outcome(exit backend.Exit) (api.WorkerMessageType, api.TaskReport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	report := api.TaskReport{TaskID: t.assignment.TaskID, ExecutionID: t.assignment.ExecutionID, ExitCode: exit.Code}
	switch {
	case t.cancelled && !t.shutdown:
		report.Message, report.TaskState, report.ExitCode = textCancelled, stateCancelled, 0
		return api.WorkerCompleted, report
	case t.shutdown && (exit.Err != nil || exit.Code != 0):
		report.Message, report.FailureReason = textShutdown, string(backend.ReasonShutdown)
		return api.WorkerFailed, report
	case exit.Err == nil && exit.Code == 0:
		report.Message = textCompleted
		return api.WorkerCompleted, report
	case exit.Code == exitTerminated:
		report.Message, report.FailureReason = textShutdown, string(backend.ReasonShutdown)
		return api.WorkerFailed, report
	}
	err, reason := exit.Err, backend.ReasonOf(exit.Err)
	if err == nil {
		err, reason = fmt.Errorf("the agent's process ended with status %d", exit.Code), backend.ReasonAgent
	}
	if errors.Is(err, context.Canceled) {
		reason = backend.ReasonCancelled
	}
	report.Message, report.FailureReason = textFailed+err.Error(), string(reason)
	if exit.Output != "" {
		report.Message += "\n" + exit.Output
	}
	return api.WorkerFailed, report
}

// cancel stops the execution named, or every one of the run when none is named. A server that does
// not know an execution names it without its run.
func (w *Worker) cancel(c api.TaskCancellation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := false
	for id, t := range w.tasks {
		if c.ExecutionID != "" && c.ExecutionID != id || c.ExecutionID == "" && c.TaskID != t.assignment.TaskID {
			continue
		}
		found = true
		t.end(w.cfg.Grace, func() { t.cancelled = true })
	}
	if !found {
		w.cfg.Log.Warn("cancellation of a task that is not here", "run_id", c.TaskID, "execution_id", c.ExecutionID)
	}
}
