package dispatch

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
)

// hello notes what a worker says about itself.
func (d *Dispatcher) hello(ctx context.Context, c *conn, h api.Hello) error {
	if h.Capacity < 0 || h.Capacity > maxCapacity {
		return fmt.Errorf("%s: capacity must be between 0 and %d", api.WorkerHello, maxCapacity)
	}
	d.mu.Lock()
	if !c.greeted {
		c.full = time.Time{}
	}
	c.greeted = true
	c.version, c.backend = cut(h.Version, maxID), cut(h.Backend, maxID)
	c.capacity, c.window = h.Capacity, maxWindow
	d.registry.soilPlace(c.place)
	d.mu.Unlock()
	d.wakeUp()
	return d.heartbeat(ctx, c, h.Running)
}

// heartbeat takes the executions a worker names as proof that it has them. Those this process does
// not know as the connection's are looked up: the worker came back with them, or is to stop them.
func (d *Dispatcher) heartbeat(ctx context.Context, c *conn, running []string) error {
	if len(running) > maxRunning {
		return fmt.Errorf("%s: names more than %d executions", api.WorkerHeartbeat, maxRunning)
	}
	var unknown []string
	now := d.now()
	d.mu.Lock()
	c.greeted = true
	for _, t := range c.tasks {
		t.forgotten = t.state == taskClaimed
	}
	for _, id := range running {
		t := c.tasks[id]
		switch {
		case t == nil && id != "" && len(id) <= maxID:
			unknown = append(unknown, id)
		case t == nil:
		case !t.gone.IsZero() && now.Sub(t.gone) >= d.cfg.Lease/2:
			d.sendCancel(c, t.runID, id)
			t.gone = now // again after the same grace, should it go on
		default:
			t.proof, t.forgotten = now, false
		}
	}
	d.mu.Unlock()
	for ids := range slices.Chunk(unknown, chunk) {
		c.lanes.do(ctx, heartbeatLane, func() { d.reunite(ctx, c, ids) })
	}
	return nil
}

// heartbeatLane keeps look-ups of one connection in order. No run has this id.
const heartbeatLane = ""

// reunite gives a connection the live ones of the executions it runs and stops the others.
func (d *Dispatcher) reunite(ctx context.Context, c *conn, ids []string) {
	var live []Lease
	err := d.persist(ctx, func(ctx context.Context) (err error) {
		live, err = d.cfg.Store.Live(ctx, ids)
		return err
	})
	if err != nil {
		d.cfg.Logger.Error("cannot look up a worker's executions; its next heartbeat tries again", "error", err)
		return
	}
	mine := make(map[string]bool, len(live))
	for _, l := range live {
		mine[l.ExecutionID] = d.adopt(c, l) != nil
	}
	for _, id := range ids {
		if !mine[id] {
			d.tellOff(c, "", id)
		}
	}
}

// Workers lists the connected workers of a team by host, those at other replicas included.
func (d *Dispatcher) Workers(teamUID string) []api.ConnectedWorker {
	d.mu.Lock()
	hosts := make(map[string]*api.ConnectedWorker)
	for _, p := range d.registry.places {
		if p.TeamUID == teamUID {
			w := p.summary()
			hosts[p.Host] = &w
		}
	}
	for _, p := range d.elsewhere(teamUID) {
		w := hosts[p.Worker.WorkerHost]
		if w == nil {
			w = &api.ConnectedWorker{WorkerHost: p.Worker.WorkerHost}
			hosts[p.Worker.WorkerHost] = w
		}
		merge(w, p.Worker)
	}
	d.mu.Unlock()
	list := make([]api.ConnectedWorker, 0, len(hosts))
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		list = append(list, *hosts[host])
	}
	return list
}

// summary is a place as one worker: times of its oldest and liveliest connection, sums of the rest.
func (p *place) summary() api.ConnectedWorker {
	w := api.ConnectedWorker{WorkerHost: p.Host, ConnectionCount: len(p.conns)}
	bounded := true
	for _, c := range p.conns {
		if w.ConnectedAt.IsZero() || c.since.Before(w.ConnectedAt) {
			w.ConnectedAt = c.since
		}
		if c.seen.After(w.LastSeenAt) {
			w.LastSeenAt = c.seen
		}
		w.Running += len(c.tasks)
		w.Capacity += c.capacity
		bounded = bounded && c.capacity > 0
		if c.greeted {
			w.Backend, w.Version = c.backend, c.version
		}
	}
	if !bounded {
		w.Capacity = 0
	}
	return w
}

// Counts says how many connections serve a place, how many executions they have, and how many more
// could be offered to them now.
type Counts struct{ Connections, Running, Free int }

// Counts returns a place's counts, other replicas included; all are zero when no worker serves it.
func (d *Dispatcher) Counts(at Place) (n Counts) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.registry.places[at]; p != nil {
		for _, c := range p.conns {
			n.Running += len(c.tasks)
		}
		n.Connections, n.Free = len(p.conns), p.free(d.now())
	}
	for _, p := range d.elsewhere(at.TeamUID) {
		if p.Worker.WorkerHost == at.Host {
			n.Connections += p.Worker.ConnectionCount
			n.Running += p.Worker.Running
			n.Free += p.Free
		}
	}
	return n
}

// Connected reports whether any worker is connected to this server.
func (d *Dispatcher) Connected() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.registry.places) > 0
}
