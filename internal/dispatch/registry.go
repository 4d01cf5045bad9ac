package dispatch

import (
	"slices"
	"time"
)

// registry is what this process knows of workers. Dispatcher.mu guards it; it does no I/O.
type registry struct {
	places  map[Place]*place
	tasks   map[string]*task // by execution id
	changed bool             // connections came or went since the peers were told
}

// place is one host's workers of one team. It exists while it has connections.
type place struct {
	Place
	conns []*conn
	dirty bool // the queue may hold runs for it
}

// taskState says how far an execution is on its connection.
type taskState int

const (
	taskAssigning taskState = iota // a slot is reserved; the move is not committed
	taskOffered                    // the assignment was sent
	taskClaiming                   // the worker took it; the move is not committed
	taskClaimed                    // it is
)

// task is an execution that a connection carries out, as far as this process knows.
type task struct {
	runID, executionID string
	conn               *conn // never changes: an execution that moves gets a new task
	state              taskState
	deadline           time.Time // an offer not claimed by then is taken back
	proof              time.Time // when the worker last showed that it has it
	forgotten          bool      // the last heartbeat did not name it: no ping proves it
	renewed            time.Time // the proof the lease was last renewed for
	gone               time.Time // when the execution was found to be over; zero while it is not
	stop               bool      // it was cancelled
	first              bool      // the run's first execution
}

func newRegistry() registry {
	return registry{places: make(map[Place]*place), tasks: make(map[string]*task)}
}

// conns lists all connections.
func (r *registry) conns() []*conn {
	var all []*conn
	for _, p := range r.places {
		all = append(all, p.conns...)
	}
	return all
}

// add makes a connection available.
func (r *registry) add(c *conn) {
	p := r.places[c.place]
	if p == nil {
		p = &place{Place: c.place}
		r.places[c.place] = p
	}
	p.conns = append(p.conns, c)
	p.dirty, r.changed = true, true
}

// remove forgets a connection and its tasks, and returns those the worker had not claimed.
func (r *registry) remove(c *conn) (offered []*task) {
	c.closed, r.changed = true, true
	if p := r.places[c.place]; p != nil {
		p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
		if len(p.conns) == 0 {
			delete(r.places, c.place)
		}
	}
	for _, t := range c.tasks {
		if t.state == taskOffered {
			offered = append(offered, t)
		}
		delete(r.tasks, t.executionID)
	}
	c.tasks, c.byRun, c.unclaimed = nil, nil, 0
	return offered
}

// soil marks the places of a host, or all, dirty and reports whether there are any.
func (r *registry) soil(host string, all bool) (known bool) {
	for _, p := range r.places {
		if all || p.Host == host {
			p.dirty = true
			known = true
		}
	}
	return known
}

// soilPlace marks one place dirty.
func (r *registry) soilPlace(at Place) {
	if p := r.places[at]; p != nil {
		p.dirty = true
	}
}

// open returns the dirty places that have room, marking them clean, and how many runs they could
// take together.
func (r *registry) open(now time.Time) (open []Place, room int) {
	for _, p := range r.places {
		if !p.dirty {
			continue
		}
		free := p.free(now)
		if free == 0 {
			continue
		}
		p.dirty = false
		open = append(open, p.Place)
		room += free
	}
	return open, room
}

func (p *place) free(now time.Time) (free int) {
	for _, c := range p.conns {
		free += c.free(now)
	}
	return free
}

// pick returns the least loaded connection of a place that has room, nil when none has.
func (r *registry) pick(at Place, now time.Time) *conn {
	p := r.places[at]
	if p == nil {
		return nil
	}
	var best *conn
	for _, c := range p.conns {
		if c.free(now) > 0 && (best == nil || len(c.tasks) < len(best.tasks)) {
			best = c
		}
	}
	return best
}

// put gives a new task to a connection, taking its execution from the one that had it.
func (r *registry) put(t *task, c *conn) {
	if had := r.tasks[t.executionID]; had != nil {
		r.drop(had)
	}
	t.conn = c
	r.tasks[t.executionID] = t
	c.tasks[t.executionID] = t
	c.byRun[t.runID] = append(c.byRun[t.runID], t)
	if t.state != taskClaimed {
		c.unclaimed++
	}
}

// drop forgets a task and frees its slot. It may be called twice.
func (r *registry) drop(t *task) {
	if r.tasks[t.executionID] == t {
		delete(r.tasks, t.executionID)
	}
	c := t.conn
	if c.tasks[t.executionID] != t {
		return
	}
	delete(c.tasks, t.executionID)
	if left := slices.DeleteFunc(c.byRun[t.runID], func(other *task) bool { return other == t }); len(left) > 0 {
		c.byRun[t.runID] = left
	} else {
		delete(c.byRun, t.runID)
	}
	if t.state == taskClaimed {
		c.full = time.Time{}
	} else {
		c.unclaimed--
	}
}

// claim notes that a claim was committed.
func (r *registry) claim(t *task) {
	if t.state == taskClaimed {
		return
	}
	t.state = taskClaimed
	if c := t.conn; c.tasks[t.executionID] == t {
		c.unclaimed--
		c.window = min(c.window+1, maxWindow)
		if c.learned > 0 && len(c.tasks)-c.unclaimed > c.learned {
			c.learned, c.window = 0, firstWindow
		}
	}
}
