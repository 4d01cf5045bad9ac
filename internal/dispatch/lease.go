package dispatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

// keep does what time brings about: renewing, taking back, reaping, and a look at the whole queue.
func (d *Dispatcher) keep(ctx context.Context) {
	last := d.now()
	for n := 1; pause(ctx, tick); n++ {
		now := d.now()
		d.keepTime(ctx, last, now)
		last = now
		d.hint(Wake{Dropped: true})
		d.renew(ctx)
		d.recall(ctx, now)
		d.reap(ctx, now)
		if n%announceEvery == 0 || d.news() {
			d.announce(false)
		}
		if n%30 == 0 && d.cfg.MaxActive > 0 {
			d.retire(ctx, now.Add(-d.untold()))
		}
	}
}

// renew extends the leases of everything proven since the last time, counted from the oldest of the
// proofs: a lease never outlives its worker by more than its length.
func (d *Dispatcher) renew(ctx context.Context) {
	type proven struct {
		t     *task
		proof time.Time
	}
	var due []proven
	d.mu.Lock()
	for _, t := range d.registry.tasks {
		if t.state == taskClaimed && t.gone.IsZero() && t.proof.After(t.renewed) {
			due = append(due, proven{t, t.proof})
		}
	}
	d.mu.Unlock()
	slices.SortFunc(due, func(a, b proven) int { return a.proof.Compare(b.proof) })
	for part := range slices.Chunk(due, chunk) {
		ids := make([]string, len(part))
		for i, p := range part {
			ids[i] = p.t.executionID
		}
		ended, err := d.cfg.Store.Renew(ctx, ids, part[0].proof.Add(d.cfg.Lease))
		if err != nil {
			if ctx.Err() == nil {
				d.cfg.Logger.Error("cannot renew leases", "count", len(ids), "error", err)
			}
			continue // the next tick tries again
		}
		over := make(map[string]bool, len(ended))
		for _, id := range ended {
			over[id] = true
		}
		d.mu.Lock()
		for _, p := range part {
			p.t.renewed = p.proof
			if over[p.t.executionID] {
				p.t.gone = d.now()
			}
		}
		d.mu.Unlock()
	}
}

// recall takes back offers that were not claimed in time, and stops what a worker without heartbeats
// still has long after it was over.
func (d *Dispatcher) recall(ctx context.Context, now time.Time) {
	var late []*task
	d.mu.Lock()
	for _, t := range d.registry.tasks {
		switch {
		case t.state == taskOffered && now.After(t.deadline):
			late = append(late, t)
		case !t.gone.IsZero() && now.Sub(t.gone) >= d.cfg.Lease:
			// A worker with heartbeats was told off by then, if it named the execution again.
			if !t.conn.greeted {
				d.sendCancel(t.conn, t.runID, t.executionID)
			}
			d.registry.drop(t)
		}
	}
	d.mu.Unlock()
	each(late, func(t *task) {
		d.cfg.Logger.Warn("worker did not claim a run in time", "worker_id", t.conn.info.Host, "run_id", t.runID)
		d.takeBack(ctx, t, "the worker did not claim it in time")
	})
}

// reap ends executions whose lease ran out, and gives those about to run out to workers that came
// back without saying what they run. It goes by the time that keepTime has judged, not a later one.
func (d *Dispatcher) reap(ctx context.Context, now time.Time) {
	for ctx.Err() == nil {
		leases, err := d.cfg.Store.Expired(ctx, now.Add(d.cfg.Lease/2), chunk)
		if err != nil {
			if ctx.Err() == nil {
				d.cfg.Logger.Error("cannot look for lost executions", "error", err)
			}
			d.paused(d.now()) // no lease could be renewed either
			return
		}
		var lost []Lease
		for _, l := range leases {
			if d.isLost(l, now) {
				lost = append(lost, l)
			}
		}
		each(lost, func(l Lease) { d.lose(ctx, l) })
		// Those that could not be ended would come again at once: leave them to the next tick.
		if len(leases) < chunk || len(lost) < len(leases) {
			return
		}
	}
}

// isLost decides on a lease that ran out or is about to.
func (d *Dispatcher) isLost(l Lease, now time.Time) bool {
	d.mu.Lock()
	held := d.registry.tasks[l.ExecutionID]
	offered := held != nil && held.state != taskClaimed
	heir := d.registry.heir(Place{l.Host, l.TeamUID})
	calm := !now.Before(d.calm)
	d.mu.Unlock()
	expired := !l.LeaseUntil.After(now)
	switch {
	case offered:
		return false // recall watches it
	case held == nil && l.Claimed && l.Worker != "" && heir != nil:
		return d.adopt(heir, l) == nil && expired && calm
	}
	return expired && calm
}

// heir is the youngest connection of a place whose worker does not say what it runs.
func (r *registry) heir(at Place) (heir *conn) {
	p := r.places[at]
	if p == nil {
		return nil
	}
	for _, c := range p.conns {
		if !c.greeted && (heir == nil || c.since.After(heir.since)) {
			heir = c
		}
	}
	return heir
}

func (d *Dispatcher) lose(ctx context.Context, l Lease) {
	var err error
	if l.Claimed {
		d.cfg.Logger.Warn("execution lost", "run_id", l.RunID, "host", l.Host)
		err = d.cfg.Runs.Lost(ctx, l.RunID, l.ExecutionID, "nothing was heard of it for "+d.cfg.Lease.String())
	} else {
		err = d.cfg.Runs.Reject(ctx, l.RunID, l.ExecutionID, "no worker claimed it in time")
	}
	if err != nil {
		if transient(err) && ctx.Err() == nil {
			d.cfg.Logger.Error("cannot end a lost execution; the next tick tries again", "run_id", l.RunID, "error", err)
		}
		return
	}
	d.mu.Lock()
	if t := d.registry.tasks[l.ExecutionID]; t != nil && t.gone.IsZero() {
		t.gone = d.now()
	}
	d.mu.Unlock()
	d.hint(Wake{Host: l.Host})
}

// retire ends runs that were active for too long.
func (d *Dispatcher) retire(ctx context.Context, now time.Time) {
	overdue, err := d.cfg.Store.Overdue(ctx, now.Add(-d.cfg.MaxActive), chunk)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Logger.Error("cannot look for runs that take too long", "error", err)
		}
		return
	}
	each(overdue, func(l Lease) {
		err := d.cfg.Runs.Exited(ctx, l.RunID, l.ExecutionID, run.Exit{
			Reason:  "task_timeout",
			Message: "The run was active for longer than " + d.cfg.MaxActive.String() + ", the longest this server allows.",
		})
		if err != nil {
			d.cfg.Logger.Error("cannot end a run that takes too long", "run_id", l.RunID, "error", err)
			return
		}
		d.cancel(l.RunID, l.ExecutionID)
	})
}

// recover puts back in line what a former self of this server had offered when it died.
func (d *Dispatcher) recover(ctx context.Context) {
	former, self := d.cfg.Instance+"/", d.cfg.Instance+"/"+d.boot+"/"
	for ctx.Err() == nil {
		leases, err := d.cfg.Store.Unclaimed(ctx, chunk)
		if err != nil {
			d.cfg.Logger.Error("cannot look for unclaimed executions; their leases will end", "error", err)
			return
		}
		mine := slices.DeleteFunc(slices.Clone(leases), func(l Lease) bool {
			return !strings.HasPrefix(l.Worker, former) || strings.HasPrefix(l.Worker, self)
		})
		each(mine, func(l Lease) {
			if err := d.cfg.Runs.Reject(ctx, l.RunID, l.ExecutionID, "the server restarted before a worker claimed it"); err != nil {
				d.cfg.Logger.Error("cannot take execution back; its lease will end", "run_id", l.RunID, "error", err)
			}
		})
		if len(leases) < chunk || len(mine) < len(leases) {
			return
		}
	}
}
