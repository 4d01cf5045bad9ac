package dispatch

import (
	"context"
	"sync"

	"github.com/cadrehq/cadre/internal/run"
)

// match runs rounds whenever one may find something.
func (d *Dispatcher) match(ctx context.Context) {
	var placing sync.WaitGroup
	defer placing.Wait()
	for {
		for ctx.Err() == nil && d.round(ctx, &placing) {
		}
		select {
		case <-ctx.Done():
			return
		case <-d.kick:
		}
	}
}

// round places what waits for the dirty places that have room. It returns true when there may be
// more to place right away.
func (d *Dispatcher) round(ctx context.Context, placing *sync.WaitGroup) (more bool) {
	places, limit := d.openPlaces()
	if len(places) == 0 {
		return false
	}
	waiting, err := d.cfg.Store.Waiting(ctx, places, d.cfg.TeamLimit, limit)
	if err != nil {
		if ctx.Err() == nil {
			d.cfg.Logger.Error("cannot read the queue", "error", err) // the next tick tries again
		}
		return false
	}
	started := 0
	full := make(map[Place]bool)
	for _, w := range waiting {
		t, busy := d.reserve(w)
		switch {
		case t != nil:
			started++
			if !d.place(ctx, t, w, placing) {
				return false
			}
		case !busy:
			full[Place{w.Host, w.TeamUID}] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := range full {
		d.registry.soilPlace(at)
	}
	if len(waiting) < limit {
		return false
	}
	for _, at := range places {
		d.registry.soilPlace(at)
	}
	return started > 0
}

// openPlaces starts a round: which places to ask for, and how many runs. Those being placed may
// still show as queued, so they are asked for on top. With a team limit, a team whose runs are being
// placed waits until they are: until then the store cannot count them.
func (d *Dispatcher) openPlaces() (places []Place, limit int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	uncounted := make(map[string]bool)
	for id, a := range d.assigning {
		if a.done {
			delete(d.assigning, id)
		} else if d.cfg.TeamLimit > 0 {
			uncounted[a.teamUID] = true
		}
	}
	places, room := d.registry.open(d.now(), uncounted)
	return places, min(room, parallel) + len(d.assigning)
}

// reserve takes a slot for a run. busy says that the run is being placed already.
func (d *Dispatcher) reserve(w Waiting) (t *task, busy bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.assigning[w.RunID] != nil {
		return nil, true
	}
	c := d.registry.pick(Place{w.Host, w.TeamUID}, d.now())
	if c == nil {
		return nil, false
	}
	t = &task{runID: w.RunID, executionID: d.cfg.NewID(), state: taskAssigning}
	d.registry.put(t, c)
	d.assigning[w.RunID] = &assigning{teamUID: w.TeamUID}
	return t, false
}

// place assigns in the background, waiting when too many are under way. It returns false when ctx
// ended.
func (d *Dispatcher) place(ctx context.Context, t *task, w Waiting, placing *sync.WaitGroup) bool {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		d.unreserve(t)
		return false
	}
	placing.Go(func() {
		defer func() { <-d.slots }()
		defer d.assigned(w)
		d.assign(ctx, t, w)
	})
	return true
}

func (d *Dispatcher) assigned(w Waiting) {
	d.mu.Lock()
	if a := d.assigning[w.RunID]; a != nil {
		a.done = true
	}
	look := d.cfg.TeamLimit > 0 && d.dirty(Place{w.Host, w.TeamUID})
	d.mu.Unlock()
	if look {
		d.wakeUp()
	}
}

func (d *Dispatcher) unreserve(t *task) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.registry.drop(t)
	delete(d.assigning, t.runID)
}

// assign makes the move and offers the execution to its worker. The lease outlasts the offer: this
// process takes an offer back itself, so only that of a dead server is found by its lease.
func (d *Dispatcher) assign(ctx context.Context, t *task, w Waiting) {
	r, x, err := d.cfg.Runs.Assign(ctx, w.RunID, run.Placement{
		ExecutionID: t.executionID,
		Host:        w.Host,
		Worker:      t.conn.id,
		Backend:     d.backend(t.conn),
		LeaseUntil:  d.now().Add(d.cfg.Lease),
	})
	if err != nil {
		d.forget(t)
		if transient(err) && ctx.Err() == nil {
			d.cfg.Logger.Error("cannot assign run", "run_id", w.RunID, "error", err)
		}
		return // refused: cancelled meanwhile, or another replica was quicker
	}
	frame, err := d.assignment(ctx, r, x, t.conn.info)
	if err != nil {
		d.cfg.Logger.Error("cannot make assignment", "run_id", r.ID, "error", err)
		d.takeBack(ctx, t, "the assignment could not be made")
		return
	}
	if !d.offer(t, x.Number == 1, frame) {
		d.takeBack(ctx, t, "the worker's connection ended")
	}
}

func (d *Dispatcher) backend(c *conn) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return c.backend
}

// offer hands the assignment to the connection's writer; false when the connection ended meanwhile
// or the run was cancelled.
func (d *Dispatcher) offer(t *task, first bool, frame []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.conn.closed || t.stop {
		return false
	}
	t.state, t.first, t.deadline = taskOffered, first, d.now().Add(d.cfg.ClaimWait)
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
