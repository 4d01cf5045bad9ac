package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

const (
	// maxID bounds ids that workers send, in bytes.
	maxID = 128
	// maxText bounds words that workers send; longer ones are cut.
	maxText = 4 << 10
	// maxRunning bounds the executions one hello or heartbeat names.
	maxRunning = 10_000
	// maxCapacity bounds what a worker may claim to take at once.
	maxCapacity = 100_000
)

// receive handles one frame. Its error says why the frame was ignored.
func (d *Dispatcher) receive(ctx context.Context, c *conn, frame []byte) error {
	var m api.WorkerEnvelope
	if err := json.Unmarshal(frame, &m); err != nil {
		return fmt.Errorf("frame is not a message: %w", err)
	}
	switch m.Type {
	case api.WorkerHello:
		var hello api.Hello
		if err := decode(m, &hello); err != nil {
			return err
		}
		return d.hello(ctx, c, hello)
	case api.WorkerHeartbeat:
		var beat api.Heartbeat
		if err := decode(m, &beat); err != nil {
			return err
		}
		return d.heartbeat(ctx, c, beat.Running)
	case api.WorkerClaimed, api.WorkerRejected, api.WorkerCompleted, api.WorkerFailed:
		var report api.TaskReport
		if err := decode(m, &report); err != nil {
			return err
		}
		return d.report(ctx, c, m.Type, report)
	}
	return fmt.Errorf("unknown type %q", cut(string(m.Type), maxID))
}

func decode(m api.WorkerEnvelope, v any) error {
	if len(m.Data) == 0 {
		return fmt.Errorf("%s without data", m.Type)
	}
	if err := json.Unmarshal(m.Data, v); err != nil {
		return fmt.Errorf("data of %s: %w", m.Type, err)
	}
	return nil
}

// report passes what a worker says about a task to its lane: reports on one run keep their order.
func (d *Dispatcher) report(ctx context.Context, c *conn, kind api.WorkerMessageType, r api.TaskReport) error {
	if r.TaskID == "" || len(r.TaskID) > maxID || len(r.ExecutionID) > maxID {
		return fmt.Errorf("%s: task_id and execution_id must be ids", kind)
	}
	find := d.find
	var handle func(context.Context, *task, api.TaskReport)
	switch kind {
	case api.WorkerClaimed:
		handle = d.claimed
	case api.WorkerRejected:
		handle = d.rejected
	default:
		clean := kind == api.WorkerCompleted
		handle = func(ctx context.Context, t *task, r api.TaskReport) { d.exited(ctx, t, r, clean) }
		if r.ExecutionID == "" {
			find = d.findEnded
		}
	}
	if kind == api.WorkerClaimed {
		d.noteClaim(c, r)
	}
	c.lanes.do(ctx, r.TaskID, func() {
		t := find(ctx, c, r)
		switch {
		case t != nil:
			handle(ctx, t, r)
		case kind == api.WorkerClaimed:
			d.tellOff(c, r.TaskID, r.ExecutionID)
		}
	})
	return nil
}

// noteClaim keeps an offer from being taken back while its claim waits for its turn and its commit.
func (d *Dispatcher) noteClaim(c *conn, r api.TaskReport) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := c.task(r); t != nil && t.state == taskOffered {
		t.state, t.proof = taskClaiming, d.now()
	}
}

// task is the connection's task that a report is about, if it has it. Dispatcher.mu is held.
func (c *conn) task(r api.TaskReport) *task {
	if r.ExecutionID != "" {
		if t := c.tasks[r.ExecutionID]; t != nil && t.runID == r.TaskID {
			return t
		}
		return nil
	}
	if all := c.byRun[r.TaskID]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// find returns the task a report is about: one of this connection, or a live execution of its place
// that the connection then takes over, as a worker does that came back. It returns nil when there is
// no such execution, or it is none of this worker's.
func (d *Dispatcher) find(ctx context.Context, c *conn, r api.TaskReport) *task {
	d.mu.Lock()
	t := c.task(r)
	d.mu.Unlock()
	if t != nil {
		return t
	}
	lease, ok := d.latest(ctx, r.TaskID)
	if !ok || r.ExecutionID != "" && r.ExecutionID != lease.ExecutionID {
		return nil
	}
	return d.adopt(c, lease)
}

// findEnded returns the task that an end without an execution's id is about: the oldest one that this
// connection claimed, or the run's first, whose claim was lost then. A run that goes on may have a
// newer one, offered here or claimed elsewhere, whose process did not end. After this server
// restarted, nothing may be known of the old one but that somebody claimed it and nobody else speaks
// for it.
func (d *Dispatcher) findEnded(ctx context.Context, c *conn, r api.TaskReport) *task {
	d.mu.Lock()
	known := c.byRun[r.TaskID]
	for _, t := range known {
		if t.state >= taskClaiming || t.first {
			d.mu.Unlock()
			return t
		}
	}
	d.mu.Unlock()
	if len(known) > 0 {
		return nil
	}
	lease, ok := d.latest(ctx, r.TaskID)
	if !ok || !lease.Claimed || d.held(lease.ExecutionID) {
		return nil
	}
	return d.adopt(c, lease)
}

// held reports whether a connection of this server has an execution.
func (d *Dispatcher) held(executionID string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.registry.tasks[executionID] != nil
}

// latest is the live execution of a run, if it has one.
func (d *Dispatcher) latest(ctx context.Context, runID string) (lease Lease, ok bool) {
	err := d.persist(ctx, func(ctx context.Context) (err error) {
		lease, err = d.cfg.Store.Latest(ctx, runID)
		return err
	})
	if err != nil && transient(err) {
		d.cfg.Logger.Error("cannot look up run of a worker's report", "run_id", runID, "error", err)
	}
	return lease, err == nil
}

// adopt gives a live execution to a connection; nil when it is not for this worker or the connection
// ended. A worker speaks for its host and team: which of its connections it uses is its own affair.
func (d *Dispatcher) adopt(c *conn, l Lease) *task {
	if l.Worker == "" || (Place{l.Host, l.TeamUID}) != c.place {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if had := d.registry.tasks[l.ExecutionID]; had != nil && had.conn == c {
		return had
	}
	now := d.now()
	t := &task{runID: l.RunID, executionID: l.ExecutionID, conn: c, proof: now, deadline: now.Add(d.cfg.ClaimWait)}
	t.state = taskOffered
	if l.Claimed {
		t.state = taskClaimed
	}
	if !c.closed {
		d.registry.put(t, c)
	}
	return t
}

func (d *Dispatcher) claimed(ctx context.Context, t *task, r api.TaskReport) {
	d.mu.Lock()
	again := t.state == taskClaimed
	d.mu.Unlock()
	if again {
		return
	}
	err := d.persist(ctx, func(ctx context.Context) error {
		return d.cfg.Runs.Claim(ctx, t.runID, t.executionID, d.now().Add(d.cfg.Lease))
	})
	if err != nil {
		if transient(err) {
			d.cfg.Logger.Error("cannot record claim", "run_id", t.runID, "error", err)
		}
		// Cancelled, taken back or superseded: the worker must not go on.
		d.forget(t)
		d.tellOff(t.conn, r.TaskID, t.executionID)
		return
	}
	d.mu.Lock()
	d.registry.claim(t)
	look := t.conn.roomy() && d.dirty(t.conn.place)
	d.mu.Unlock()
	if look {
		d.wakeUp()
	}
}

func (d *Dispatcher) rejected(ctx context.Context, t *task, r api.TaskReport) {
	d.mu.Lock()
	if t.state > taskOffered {
		d.mu.Unlock()
		return // it cannot refuse what it took
	}
	t.conn.refused(d.now())
	d.mu.Unlock()
	reason := cut(r.Reason, maxText)
	if reason == "" {
		reason = "rejected by the worker"
	}
	d.takeBack(ctx, t, reason)
}

func (d *Dispatcher) exited(ctx context.Context, t *task, r api.TaskReport, clean bool) {
	err := d.persist(ctx, func(ctx context.Context) error {
		return d.cfg.Runs.Exited(ctx, t.runID, t.executionID, run.Exit{
			Clean:     clean,
			Cancelled: r.TaskState == string(api.RunStateCANCELLED),
			Reason:    cut(r.FailureReason, maxID),
			Message:   cut(r.Message, maxText),
			Code:      r.ExitCode,
		})
	})
	if err != nil && transient(err) {
		d.cfg.Logger.Error("cannot record the end of an execution; its lease will end", "run_id", t.runID, "error", err)
	}
	d.forget(t)
}

// cancel tells the worker that has an execution to stop it. runID serves for logs and messages.
func (d *Dispatcher) cancel(runID, executionID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.registry.tasks[executionID]
	if t == nil {
		return // another replica's, or gone
	}
	t.stop = true
	if t.state != taskAssigning {
		d.sendCancel(t.conn, runID, executionID)
	}
}

// tellOff tells a worker to stop an execution that is none of its own any more. runID may be unknown.
func (d *Dispatcher) tellOff(c *conn, runID, executionID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !c.closed {
		d.sendCancel(c, runID, executionID)
	}
}

// sendCancel is called with mu held.
func (d *Dispatcher) sendCancel(c *conn, runID, executionID string) {
	frame, err := frameOf(api.WorkerCancellation, api.TaskCancellation{TaskID: runID, ExecutionID: executionID})
	if err != nil {
		d.cfg.Logger.Error("cannot make cancellation", "run_id", runID, "error", err)
		return
	}
	c.send(frame)
}

// dirty is called with mu held.
func (d *Dispatcher) dirty(at Place) bool {
	p := d.registry.places[at]
	return p != nil && p.dirty
}

// cut bounds a text from a worker without splitting a character.
func cut(s string, bytes int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= bytes {
		return s
	}
	for bytes > 0 && !utf8.RuneStart(s[bytes]) {
		bytes--
	}
	return s[:bytes]
}
