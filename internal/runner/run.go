package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/link"
	"github.com/cadrehq/cadre/internal/runner/redact"
)

// Why an execution stops before its work is done.
var (
	errStopping  = errors.New("the runner was asked to stop")
	errCancelled = fmt.Errorf("the run was cancelled: %w", link.ErrOver)
	errFinished  = errors.New("the execution has ended")
)

// Result is how an execution went, for whoever started the runner.
type Result struct {
	RunID       string
	ExecutionID string
	// State is the last state reported; empty when none was.
	State   api.RunState
	Message string
	Code    api.PlatformErrorCode
	// Over is true when the server ended the execution: it was superseded or cancelled.
	Over bool
	// Stopped is true when the runner left because its context ended.
	Stopped bool
}

// execution is one Run at work.
type execution struct {
	cfg        Config
	client     *link.Client
	outbox     *link.Outbox
	sink       *sink
	inbox      harness.Inbox
	assignment api.RunnerAssignment
	history    []api.Entry
	at         layout
	repos      []repository
	env        []string // of every process of the agent, without secrets
	secrets    map[api.SecretPhase]api.RunnerSecretsResponse
	redactor   *redact.Redactor
	files      harness.Files
	fetching   sync.Mutex    // one file is fetched at a time
	placed     chan struct{} // closed by place once there is a directory for files
	place      func()
	agent      harness.Agent
	keeper     *keeper
	restored   restoration
	result     Result
	worked     time.Duration // all turns together
	began      uint64        // before any of its processes; see proc.Ticks

	life context.Context // ends when nothing may be sent any more
	end  context.CancelCauseFunc
	work context.Context // ends with life, or when the runner is asked to stop
	done sync.WaitGroup
}

// Run carries out one execution to its end. The error says that the runner could not do its duty:
// it never reached the server, or cfg is wrong. How the run went is in the Result. All processes of
// the execution are gone when it returns.
func Run(ctx context.Context, cfg Config) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	if err := cfg.defaults(); err != nil {
		return Result{}, err
	}
	if cfg.OwnProcess {
		defer surviveBrokenOutput()()
		debug.SetGCPercent(gcPercent)
	}
	r := &execution{cfg: cfg, began: proc.Ticks(), placed: make(chan struct{})}
	r.place = sync.OnceFunc(func() { close(r.placed) })
	client, err := link.New(cfg.ServerURL, cfg.Token, link.Options{Transport: cfg.Transport, Retry: cfg.Retry})
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	r.client = client
	r.redactor = redact.New(append([]string{cfg.Token}, cfg.Secrets...)...)
	if err := r.start(ctx); err != nil {
		if errors.Is(err, link.ErrOver) {
			return Result{Over: true}, nil
		}
		return Result{}, err
	}
	r.link(ctx)
	defer r.unlink()
	return r.carryOut(), nil
}

// gcPercent lets the heap of a runner grow to some 12 MB before it is collected first, which most
// runs do not reach.
const gcPercent = 300

// surviveBrokenOutput keeps a runner alive whose output nobody reads any more: it logs into a pipe of
// its worker, and when that was killed there is still a workspace to keep and a tree to end. Caught
// rather than ignored, since what is ignored stays so in every command the agent runs.
func surviveBrokenOutput() (undo func()) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGPIPE)
	return func() { signal.Stop(caught) }
}

// start fetches what is to be done.
func (r *execution) start(ctx context.Context) error {
	a, err := r.client.Start(ctx, api.RunnerStartRequest{
		Version: r.cfg.Version, Host: r.cfg.Host, Backend: r.cfg.Backend, Pid: os.Getpid(),
	})
	if err != nil {
		return err
	}
	fault.Here(fault.RunnerAfterStart)
	r.assignment = a
	r.result.RunID, r.result.ExecutionID = a.RunId, a.ExecutionId
	if r.cfg.OnStart != nil {
		r.cfg.OnStart(a)
	}
	return nil
}

// link starts everything that talks to the server beside the work itself.
func (r *execution) link(ctx context.Context) {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	work, stop := context.WithCancelCause(life)
	context.AfterFunc(ctx, func() { stop(errStopping) })
	r.life, r.end, r.work = life, end, work
	r.outbox = link.NewOutbox(r.client, r.assignment)
	deltas := link.NewDeltas(r.client)
	r.keeper = newKeeper(r)
	r.sink = &sink{
		cfg: &r.cfg, client: r.client, outbox: r.outbox, deltas: deltas, redactor: r.redactor,
		maxBlob: r.assignment.Limits.MaxBlobBytes, acted: r.keeper.acted, streams: map[stream]*redact.Stream{},
	}
	for _, c := range r.assignment.Commands {
		r.take(c)
	}
	r.loop(r.outbox.Run)
	r.loop(deltas.Run)
	r.loop(func(ctx context.Context) error { return r.client.Commands(ctx, r.take) })
	if !r.cfg.Managed {
		r.loop(r.heartbeats)
	}
}

// loop runs a loop until life ends. One that learns that the execution is over ends life.
func (r *execution) loop(run func(context.Context) error) {
	r.done.Go(func() {
		if err := run(r.life); errors.Is(err, link.ErrOver) {
			r.end(err)
		} else if err != nil && r.life.Err() == nil {
			r.cfg.Log.Error("link lost for good", "run_id", r.assignment.RunId, "error", err)
			r.end(fmt.Errorf("%w: %w", link.ErrOver, err))
		}
	})
}

// take receives a command from the server.
func (r *execution) take(c api.Command) {
	if c.Kind == api.CommandKindCancel {
		r.end(errCancelled)
		return
	}
	if _, tells := r.find(r.harnessName()).(harness.Messenger); c.Kind == api.CommandKindMessage && !tells {
		c.Kind, c.Text = api.CommandKindFollowUp, c.Said().Told()
	}
	r.inbox.Put(r.withFiles(c))
}

// heartbeats keeps the lease of an execution that no worker keeps.
func (r *execution) heartbeats(ctx context.Context) error {
	every := time.Duration(r.assignment.Limits.HeartbeatSeconds) * time.Second
	if every <= 0 {
		every = 6 * time.Second
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		cancelled, err := r.client.Heartbeat(ctx)
		switch {
		case cancelled:
			return errCancelled
		case err != nil && !link.Passes(err) && ctx.Err() == nil:
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// unlink ends every loop and waits for them.
func (r *execution) unlink() {
	r.end(errFinished)
	r.done.Wait()
}

// carryOut does the work and leaves nothing behind.
func (r *execution) carryOut() Result {
	err := r.attempt()
	for errors.Is(err, errAgain) {
		err = r.again()
	}
	r.leave(err)
	r.cleanUp()
	return r.result
}

// errAgain says that a command arrived for an execution whose preparation or agent had failed.
var errAgain = errors.New("to be tried again")

// attempt prepares and works. It returns why the execution is to end; errFinished when it has ended.
func (r *execution) attempt() error {
	err := r.prepare(r.work)
	if err == nil {
		err = r.turns(r.work)
	}
	var failed *stepError
	if errors.As(err, &failed) && r.work.Err() == nil && !errors.Is(err, link.ErrOver) {
		return r.failed(failed)
	}
	return err
}

// again begins anew in a clean workspace, with what the server now says: the person may have
// corrected the environment meanwhile. What the agent had done is in the snapshot and comes back.
func (r *execution) again() error {
	r.stopAgent(r.work, r.cfg.Grace/2)
	if !r.cfg.Local && r.cfg.Workdir == "" {
		for _, dir := range []string{r.at.work, r.at.scratch, r.at.private} {
			if err := emptyDir(dir); err != nil {
				return fmt.Errorf("clean the workspace: %w", err)
			}
		}
	}
	r.repos = nil
	r.keeper.on = false
	a, err := r.client.Start(r.work, api.RunnerStartRequest{Version: r.cfg.Version, Host: r.cfg.Host, Backend: r.cfg.Backend, Pid: os.Getpid()})
	if err != nil {
		return err
	}
	r.assignment = a
	return r.attempt()
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}

// leave brings the execution to its end, in the order its reason asks for.
func (r *execution) leave(cause error) {
	r.result.Over = errors.Is(cause, link.ErrOver)
	r.result.Stopped = errors.Is(cause, errStopping)
	switch {
	case errors.Is(cause, errFinished):
	case errors.Is(cause, errCancelled):
		r.leaveCancelled()
	case r.result.Over:
		// Superseded: another sandbox has the run. Nothing more is wanted from this one.
		r.stopAgent(context.WithoutCancel(r.life), 0)
	case r.result.Stopped:
		r.leaveStopped()
	default:
		r.endWith(r.life, cause.Error())
	}
}

// leaveCancelled kills first and then keeps what there is, since a cancelled run may be taken up
// again by a message.
func (r *execution) leaveCancelled() {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.life), r.cfg.Grace, errStopping)
	defer cancel()
	r.stopAgent(ctx, 0)
	r.keeper.keep(ctx)
	r.endWith(ctx, "cancelled")
}

// leaveStopped leaves in good order: the run goes on elsewhere, from a fresh snapshot. One that only
// this machine can carry out ends instead.
func (r *execution) leaveStopped() {
	ctx, cancel := context.WithTimeoutCause(r.life, r.cfg.Grace, errFinished)
	defer cancel()
	r.stopAgent(ctx, r.cfg.Grace/2)
	r.keeper.keep(ctx)
	if state := r.outbox.State(); r.cfg.Local && !state.Ended() {
		_ = r.report(ctx, api.RunnerReport{State: api.RunStateCANCELLED, Message: "Stopped where it was started."})
	}
	_ = r.outbox.Flush(ctx)
	r.endWith(ctx, "graceful_shutdown")
}

func (r *execution) endWith(ctx context.Context, reason string) {
	fault.Here(fault.RunnerBeforeEnd)
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.Grace, errFinished)
	defer cancel()
	err := r.client.End(ctx, r.ending(reason))
	if err != nil && !errors.Is(err, link.ErrOver) {
		r.cfg.Log.Warn("execution not ended", "run_id", r.assignment.RunId, "error", err)
	}
}

// ending says why the execution ends and what of its workspace is kept.
func (r *execution) ending(reason string) api.RunnerEndRequest {
	kept := r.keeper.last()
	return api.RunnerEndRequest{Reason: reason, SnapshotBlobId: kept.Blob, SnapshotSeq: kept.Seq}
}

// stopAgent closes the agent, then ends whatever it left running.
func (r *execution) stopAgent(ctx context.Context, grace time.Duration) {
	if r.agent != nil {
		bounded, cancel := context.WithTimeout(ctx, max(grace, 100*time.Millisecond))
		if err := r.agent.Close(bounded); err != nil {
			r.cfg.Log.Warn("agent did not close", "run_id", r.assignment.RunId, "error", err)
		}
		cancel()
		r.agent = nil
	}
	if err := r.tree().Kill(ctx, grace); err != nil {
		r.cfg.Log.Error("processes left", "run_id", r.assignment.RunId, "error", err)
	}
}

// tree is every process of the execution but this one. A runner that is a process of its own has
// adopted what detached itself, so descent finds that too.
func (r *execution) tree() proc.Tree {
	t := proc.Tree{Cookies: []proc.Cookie{r.cookie()}, Since: r.began, Spare: []int{os.Getpid()}}
	if r.cfg.OwnProcess {
		t.Roots, t.Closed = []int{os.Getpid()}, proc.Adopted()
	}
	return t
}

func (r *execution) cookie() proc.Cookie {
	return proc.Cookie{Name: cookieName, Value: r.assignment.ExecutionId}
}

// cleanUp ends every process and removes what was made for a local execution. The directory of any
// other belongs to whoever gave it.
func (r *execution) cleanUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.life), r.cfg.Grace)
	defer cancel()
	r.stopAgent(ctx, r.cfg.Grace/2)
	if r.at.remove != "" {
		_ = os.RemoveAll(r.at.remove)
	}
}
