package dispatch

import (
	"context"

	"github.com/cadrehq/cadre/internal/run"
)

// match runs rounds whenever one may find something.
func (d *Dispatcher) match(ctx context.Context) {
	for {
		for ctx.Err() == nil && d.round(ctx) {
		}
		select {
		case <-ctx.Done():
			return
		case <-d.kick:
		}
	}
}

// round places what waits for the dirty places that have room, and returns when it is committed and
// offered: then no run that is being placed shows as queued in the next round's query, and whatever
// is queued or freed meanwhile goes into that round together instead of being looked for one by one.
// It returns true when there may be more to place right away.
func (d *Dispatcher) round(ctx context.Context) (more bool) {
	places, limit := d.openPlaces()
	if len(places) == 0 {
		return false
	}
	var waiting []Waiting
	limits, err := d.teamLimits(ctx, places)
	if err == nil {
		waiting, err = d.cfg.Store.Waiting(ctx, places, limits, limit)
	}
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Logger.Error("cannot read the queue", "error", err) // the next tick tries again
		}
		return false
	}
	offers, full := d.reserve(waiting)
	each(offers, func(o *offer) { o.run, o.execution, o.err = d.cfg.Runs.Assign(ctx, o.task.runID, o.placement) })
	decided := d.handOut(ctx, offers)

	d.mu.Lock()
	defer d.mu.Unlock()
	for _, at := range full {
		d.registry.soilPlace(at)
	}
	if len(waiting) < limit {
		return false
	}
	for _, at := range places {
		d.registry.soilPlace(at)
	}
	return decided > 0 // else the store takes nothing; the next tick tries again
}

// teamLimits are the limits of the teams of some places, as far as they have one.
func (d *Dispatcher) teamLimits(ctx context.Context, places []Place) (map[string]int, error) {
	limits := map[string]int{}
	if d.cfg.TeamLimit == nil {
		return limits, nil
	}
	for _, p := range places {
		if _, known := limits[p.TeamUID]; known {
			continue
		}
		n, err := d.cfg.TeamLimit(ctx, p.TeamUID)
		if err != nil {
			return nil, err
		}
		limits[p.TeamUID] = n
	}
	return limits, nil
}

// openPlaces starts a round: which places to ask for, and how many runs.
func (d *Dispatcher) openPlaces() (places []Place, limit int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	places, room := d.registry.open(d.now())
	return places, min(room, parallel)
}

// offer is a run on its way to a connection: the slot reserved for it, and what became of the move.
type offer struct {
	task      *task
	placement run.Placement
	run       run.Run
	execution run.Execution
	err       error
}

// reserve takes a slot for each run, in order, and names the places that have none left. The leases
// outlast the offers: this process takes an offer back itself, so only that of a dead server is found
// by its lease.
func (d *Dispatcher) reserve(waiting []Waiting) (offers []*offer, full []Place) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for _, w := range waiting {
		at := Place{w.Host, w.TeamUID}
		c := d.registry.pick(at, now)
		if c == nil {
			full = append(full, at)
			continue
		}
		t := &task{runID: w.RunID, executionID: d.cfg.NewID(), state: taskAssigning}
		d.registry.put(t, c)
		offers = append(offers, &offer{task: t, placement: run.Placement{
			ExecutionID: t.executionID, Host: w.Host, Worker: c.id, Backend: c.backend, LeaseUntil: now.Add(d.cfg.Lease),
		}})
	}
	return offers, full
}

// handOut sends what was assigned to the workers, in the order of the queue, and returns how many moves
// were made or refused: cancelled meanwhile, or another replica was quicker.
func (d *Dispatcher) handOut(ctx context.Context, offers []*offer) (decided int) {
	machines := d.machines()
	var unsent []*offer
	for _, o := range offers {
		if o.err == nil || !transient(o.err) {
			decided++
		}
		if o.err != nil {
			d.forget(o.task)
			if transient(o.err) && ctx.Err() == nil {
				d.cfg.Logger.Error("cannot assign run", "run_id", o.task.runID, "error", o.err)
			}
			continue
		}
		frame, err := d.assignment(ctx, o.run, o.execution, o.task.conn.info, machines)
		if err != nil {
			d.cfg.Logger.Error("cannot make assignment", "run_id", o.task.runID, "error", err)
		}
		if err != nil || !d.send(o, frame) {
			unsent = append(unsent, o)
		}
	}
	each(unsent, func(o *offer) { d.takeBack(ctx, o.task, "the assignment could not be sent to the worker") })
	return decided
}

// send hands the assignment to the connection's writer; false when the connection ended meanwhile or
// the run was cancelled.
func (d *Dispatcher) send(o *offer, frame []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := o.task
	if t.conn.closed || t.stop {
		return false
	}
	t.state, t.first, t.deadline = taskOffered, o.execution.Number == 1, d.now().Add(d.cfg.ClaimWait)
	t.conn.send(frame)
	return true
}

// forget frees the slot of a task, which may make room for another run.
func (d *Dispatcher) forget(t *task) {
	d.mu.Lock()
	d.registry.drop(t)
	look := d.dirty(t.conn.place)
	d.mu.Unlock()
	if look {
		d.wakeUp()
	}
}

// takeBack puts the run of an offered execution back in line and looks for another worker.
func (d *Dispatcher) takeBack(ctx context.Context, t *task, reason string) {
	err := d.persist(ctx, func(ctx context.Context) error {
		return d.cfg.Runs.Reject(ctx, t.runID, t.executionID, reason)
	})
	if err != nil {
		d.cfg.Logger.Error("cannot take execution back; its lease will end", "run_id", t.runID, "error", err)
	}
	d.mu.Lock()
	d.registry.drop(t)
	d.registry.soilPlace(t.conn.place)
	d.mu.Unlock()
	d.wakeUp()
}
