package store

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// known is what a server remembers of the runs of owners whose lists it was asked for: the orders they
// are listed in and who is in which state, some 20 bytes a run. It is read from the indexes behind the
// first query and follows the lifecycle events like the search index, which calls it; until it is there
// lists read the indexes themselves. Of many owners those asked for last are remembered.
type known struct {
	db   *DB
	want chan task
	asks atomic.Int64 // counts the lists that asked

	mu     sync.RWMutex
	owners map[identity.Owner]*owned
	kinds  map[api.ArtifactType]*kind
}

// task reads something that was asked for; forget lets the next query ask again if it cannot.
type task struct {
	build  func(context.Context) error
	forget func()
}

// owned is what is known of one owner's runs.
type owned struct {
	orders map[string]*order // by index
	ready  atomic.Bool       // all of it is there
	asked  atomic.Int64      // when it was last asked for, in asks

	mu sync.RWMutex
	// states has every run in a state among those of the state, and perhaps some that left it.
	states map[api.RunState]*posting.Set
}

// orders are the indexes lists are sorted by, with the columns they sort by before the id.
var orders = map[string]string{
	"runs_updated": "r.updated_at", "runs_created": "r.created_at", "runs_title": "r.title", "runs_agent": "r.skill",
}

// wanted bounds the tasks that wait; what finds no room is asked for again by the next query.
const wanted = 64

// remembered bounds the owners of whom something is known. Beside their runs, each takes up to 900 bytes
// per state and block of runs. More than wanted, so that some are always ready.
const remembered = 100

func newKnown(db *DB) *known {
	return &known{
		db: db, want: make(chan task, wanted),
		owners: map[identity.Owner]*owned{}, kinds: map[api.ArtifactType]*kind{},
	}
}

// of returns what is known of an owner's runs; nil if it has to be read first, which this begins.
func (k *known) of(owner identity.Owner) *owned {
	k.mu.RLock()
	w := k.owners[owner]
	k.mu.RUnlock()
	if w == nil {
		k.ask(owner)
		return nil
	}
	if !w.ready.Load() {
		return nil
	}
	w.asked.Store(k.asks.Add(1))
	return w
}

// ask has an owner's runs read unless too many wait for that.
func (k *known) ask(owner identity.Owner) *owned {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.owners[owner]; w != nil || k.busy() {
		return w
	}
	w := &owned{orders: map[string]*order{}, states: map[api.RunState]*posting.Set{}}
	for index, key := range orders {
		w.orders[index] = newOrder(k.db, owner, index, key, k.db.effort.span)
	}
	for _, s := range api.AllRunStates {
		w.states[s] = &posting.Set{}
	}
	k.forgetOne()
	k.owners[owner] = w // from now on it follows the events, and then it is read
	k.want <- task{func(ctx context.Context) error { return w.build(ctx, k.db) }, func() { delete(k.owners, owner) }}
	return w
}

// busy says that too many tasks wait. Only who holds mu adds one, so that otherwise there is room for it.
func (k *known) busy() bool { return len(k.want) == cap(k.want) }

// forgetOne makes room for an owner: the one goes that was not asked for the longest. mu is held.
func (k *known) forgetOne() {
	if len(k.owners) < remembered {
		return
	}
	var oldest *owned
	for _, w := range k.owners {
		if w.ready.Load() && (oldest == nil || w.asked.Load() < oldest.asked.Load()) {
			oldest = w
		}
	}
	if oldest != nil {
		delete(k.owners, oldest.owner())
	}
}

// any says whether something has to follow the events.
func (k *known) any() bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.owners)+len(k.kinds) > 0
}

// loop reads what was asked for until the store closes.
func (k *known) loop() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	k.db.loops.Go(func() {
		select {
		case <-k.db.closing:
		case <-ctx.Done():
		}
		stop()
	})
	for {
		select {
		case <-k.db.closing:
			return
		case t := <-k.want:
			if err := t.build(ctx); err != nil && ctx.Err() == nil {
				k.db.opts.Logger.Warn("read orders of runs", "error", err)
				k.mu.Lock()
				t.forget()
				k.mu.Unlock()
			}
		}
	}
}

func (w *owned) owner() identity.Owner { return w.orders["runs_updated"].owner }

// build reads all of it. It must be following the events already.
func (w *owned) build(ctx context.Context, db *DB) error {
	for _, o := range w.orders {
		if err := o.build(ctx); err != nil {
			return err
		}
	}
	for _, s := range api.AllRunStates {
		if err := w.readState(ctx, db, s); err != nil {
			return err
		}
	}
	w.asked.Store(db.known.asks.Add(1))
	w.ready.Store(true)
	return nil
}

// readState adds the runs that the index has in a state. Who comes into it meanwhile is added by the
// events.
func (w *owned) readState(ctx context.Context, db *DB, state api.RunState) error {
	o := newOrder(db, w.owner(), "runs_state", "r.updated_at", w.orders["runs_updated"].size)
	o.state = state
	if err := o.build(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range o.spans {
		for _, n := range s.numbers {
			w.states[state].Add(int64(n))
		}
	}
	return nil
}

// in is a copy of the runs that are in one of the states, perhaps with others.
func (w *owned) in(states []api.RunState) posting.Set {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var set posting.Set
	for _, s := range states {
		if have := w.states[s]; have != nil {
			set.Or(*have)
		}
	}
	return set
}

// moved is a run as the latest event left it.
type moved struct {
	owner            identity.Owner
	n                int64
	id               string
	state            api.RunState
	updated, created int64
	title, skill     string
	fresh            bool // it was created, came to its shelf or has another title: created, title and skill count too
}

// selectMoved reads the runs that events after one up to another tell of, other than their creation.
// The limit, of followStep, limits nothing: it tells PostgreSQL that they are few, to be found by id.
const selectMoved = `SELECT r.owner_type, r.owner_uid, r.n, r.id, r.state, r.updated_at, r.created_at, r.title, r.skill, e.fresh FROM
	(SELECT run_id, max(CASE WHEN type IN ('` + string(run.EventArchived) + "', '" + string(run.EventUnarchived) + `') THEN 1 ELSE 0 END) AS fresh
		FROM lifecycle_events WHERE seq > $1 AND seq <= $2 AND type <> 'run_created' GROUP BY run_id LIMIT 2000) e
	JOIN runs r ON r.id = e.run_id`

func scanMoved(row scanner) (m moved, err error) {
	var fresh int64
	err = row.Scan(&m.owner.Type, &m.owner.UID, &m.n, &m.id, &m.state, &m.updated, &m.created, &m.title, &m.skill, &fresh)
	m.fresh = fresh != 0
	return m, err
}

// follow takes in what became of a run.
func (k *known) follow(m moved) {
	k.mu.RLock()
	w := k.owners[m.owner]
	k.mu.RUnlock()
	if w == nil {
		return
	}
	w.mu.Lock()
	for state, set := range w.states {
		if state == m.state {
			set.Add(m.n)
		} else {
			set.Remove(m.n)
		}
	}
	w.mu.Unlock()
	w.orders["runs_updated"].enter(place{m.updated, m.id})
	if m.fresh {
		w.orders["runs_created"].enter(place{m.created, m.id})
		w.orders["runs_title"].enter(place{m.title, m.id})
		w.orders["runs_agent"].enter(place{m.skill, m.id})
	}
}
