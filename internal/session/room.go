package session

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// recent is how many entries a room begins with, so that most who come share them.
	recent = 32
	// drainSignals bounds the signals taken in before viewers are woken.
	drainSignals = 256
	// retryLoad is the wait after a read of the log failed.
	retryLoad = 500 * time.Millisecond
)

// room is one watched run. Its goroutine alone reads the bus and the log and writes the members below
// mu, which it therefore reads without the lock; viewers take slices of what it encoded.
type room struct {
	svc     *Service
	runID   string
	ctx     context.Context
	stop    context.CancelFunc
	viewers int           // guarded by Service.mu
	ready   chan struct{} // closed when the room is open, or failed is set
	failed  error
	poke    chan struct{} // asks the room to look now
	history history
	seats   seats

	mu      sync.RWMutex
	window  window
	deltas  fragments
	state   api.RunState
	over    bool // the run has ended and the window's last entry is its last
	gone    bool // the run was deleted
	changed chan struct{}
}

func newRoom(s *Service, runID string) *room {
	r := &room{
		svc: s, runID: runID, ready: make(chan struct{}), changed: make(chan struct{}),
		poke: make(chan struct{}, 1), window: window{limit: s.cfg.WindowBytes, first: 1}, deltas: newFragments(s.cfg.DeltaBytes),
	}
	r.ctx, r.stop = context.WithCancel(s.ctx)
	return r
}

// run serves the room until its last viewer left. It subscribes before it loads, so that nothing is
// missed in between.
func (r *room) run() {
	defer r.stop()
	signals, err := r.svc.cfg.Bus.Watch(r.ctx, r.runID)
	if err == nil {
		err = r.quietly(r.open)
	}
	if err != nil {
		r.failed = fmt.Errorf("open session: %w", err)
		if r.svc.ctx.Err() != nil {
			r.failed = ErrClosed
		}
		r.svc.abandon(r)
		close(r.ready)
		return
	}
	close(r.ready)
	r.follow(signals)
	r.seats.rouse()
}

// follow takes in what is new until the room closes.
func (r *room) follow(signals <-chan Signal) {
	var retry <-chan time.Time // only after a failure
	for {
		var err error
		select {
		case <-r.ctx.Done():
			return
		case s, ok := <-signals:
			if !ok {
				signals = nil // the bus is gone; being poked goes on
				continue
			}
			err = r.take(s, signals)
		case <-r.poke:
			err = r.quietly(r.refresh)
		case <-retry:
			retry = nil
			err = r.quietly(r.refresh)
		}
		if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound && err != nil {
			r.vanish()
			return
		}
		if err != nil && r.ctx.Err() == nil {
			r.svc.cfg.Logger.Warn("cannot read session; trying again", "run_id", r.runID, "error", err)
			retry = time.After(retryLoad)
		}
	}
}

// vanish lets the viewers of a deleted run go with all they have got: nothing comes after it.
func (r *room) vanish() {
	r.svc.abandon(r)
	r.update(func() bool {
		r.over, r.gone = true, true
		return true
	})
}

// quietly runs a step of a room that may have nothing to do for long on another goroutine, and waits
// for it: reading the log takes a deep stack, which this one would keep.
func (r *room) quietly(step func() error) error {
	done := make(chan error, 1)
	go func() { done <- step() }()
	return <-done
}

// open finds where the session stands and loads its newest entries.
func (r *room) open() error {
	head, err := r.svc.cfg.Log.Head(r.ctx, r.runID)
	if err != nil {
		return err
	}
	r.window.first = max(1, head.LastSeq-recent+1)
	r.state = head.State
	if err := r.load(); err != nil {
		return err
	}
	return r.settle()
}

// take handles a signal and those already waiting behind it.
func (r *room) take(s Signal, more <-chan Signal) error {
	seq, dropped := int64(0), false
	for n := 0; ; n++ {
		r.show(s.Deltas)
		seq, dropped = max(seq, s.LastSeq), dropped || s.Dropped
		if n == drainSignals {
			break
		}
		select {
		case next, ok := <-more:
			if ok {
				s = next
				continue
			}
		default:
		}
		break
	}
	if dropped {
		return r.refresh()
	}
	if seq > r.window.last() {
		if err := r.load(); err != nil {
			return err
		}
		return r.settle()
	}
	return nil
}

// show passes on deltas.
func (r *room) show(deltas []api.Delta) {
	if len(deltas) == 0 {
		return
	}
	encoded := make([][]byte, len(deltas))
	for i := range deltas {
		encoded[i] = r.svc.cfg.Encode(Item{Delta: &deltas[i]})
	}
	r.update(func() bool {
		news := false
		for i, d := range deltas {
			news = r.deltas.add(d.Key, encoded[i]) || news
		}
		return news
	})
}

// refresh looks at the log without having been told to.
func (r *room) refresh() error {
	head, err := r.svc.cfg.Log.Head(r.ctx, r.runID)
	if err != nil {
		return err
	}
	if head.LastSeq > r.window.last() {
		if err := r.load(); err != nil {
			return err
		}
	}
	return r.settle()
}

// load reads, encodes and adds every entry after the window's last.
func (r *room) load() error {
	for {
		page, err := r.svc.cfg.Log.Entries(r.ctx, r.runID, r.window.last(), pageEntries)
		if err != nil {
			return err
		}
		if err := r.add(page); err != nil {
			return err
		}
		if len(page) < pageEntries {
			return nil
		}
	}
}

func (r *room) add(page []api.Entry) error {
	encoded := make([][]byte, len(page))
	for i := range page {
		if want := r.window.last() + int64(i) + 1; page[i].Seq != want {
			return fmt.Errorf("entry %d is where %d should be", page[i].Seq, want)
		}
		encoded[i] = r.svc.cfg.Encode(Item{Entry: &page[i]})
	}
	r.update(func() bool {
		for i := range page {
			r.window.add(encoded[i])
			r.finish(page[i])
		}
		return len(page) > 0
	})
	return nil
}

// finish forgets what an entry makes stale: the deltas it is the whole of, or all of them when the
// agent's turn is over.
func (r *room) finish(e api.Entry) {
	switch e.Type {
	case api.EntryTypeAgentMessage, api.EntryTypeAgentReasoning, api.EntryTypeActionResult:
		var d struct {
			Key string `json:"key"`
		}
		// An entry that cannot be read closes nothing.
		if json.Unmarshal(e.Data, &d) == nil && d.Key != "" {
			r.deltas.close(d.Key)
		}
	case api.EntryTypePhase:
		var p api.Phase
		if json.Unmarshal(e.Data, &p) == nil && p.State != api.PhaseRunning {
			r.deltas.drop("phase:" + p.Name) // the next execution shows the same phase again
		}
	case api.EntryTypeState:
		var s api.StateChange
		if json.Unmarshal(e.Data, &s) == nil {
			r.state = s.To
			if s.To != api.RunStateINPROGRESS {
				r.deltas.clear()
			}
		}
	}
}

// settle finds out whether the session is over: the run has ended and all is loaded.
func (r *room) settle() error {
	for r.state.Ended() {
		head, err := r.svc.cfg.Log.Head(r.ctx, r.runID)
		if err != nil {
			return err
		}
		if head.LastSeq <= r.window.last() {
			r.setOver(head.State.Ended())
			return nil
		}
		if err := r.load(); err != nil {
			return err
		}
	}
	r.setOver(false)
	return nil
}

func (r *room) setOver(over bool) {
	if r.over != over { // only this goroutine writes it
		r.update(func() bool {
			r.over = over
			return true
		})
	}
}

func (r *room) isOver() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.over
}

// update changes the room and, when change reports news, wakes the viewers that wait and has it
// handed to those that rest.
func (r *room) update(change func() bool) {
	r.mu.Lock()
	news := change()
	if news {
		close(r.changed)
		r.changed = make(chan struct{})
	}
	r.mu.Unlock()
	if news {
		r.spread()
	}
}

// news is what a viewer lacks.
type news struct {
	chunks  [][]byte
	seq     int64
	delta   int64
	behind  bool // the room no longer holds what comes next
	over    bool // nothing comes after the chunks
	gone    bool // nor can what came before be read any more
	changed <-chan struct{}
}

// since returns what comes after an entry and a delta.
func (r *room) since(seq, delta int64) news {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := news{seq: r.window.last(), delta: r.deltas.next - 1, changed: r.changed}
	entries, held := r.window.after(seq)
	if n.gone = r.gone; !held && !n.gone {
		n.behind = true
		return n
	}
	if len(entries) > 0 {
		n.chunks = append(n.chunks, entries)
	}
	if d := r.deltas.after(delta); len(d) > 0 {
		n.chunks = append(n.chunks, d)
	}
	n.over = r.over
	return n
}

// checkAfter refuses a position the session has not reached. The room may lag behind the log.
func (r *room) checkAfter(ctx context.Context, after int64) error {
	r.mu.RLock()
	last := r.window.last()
	r.mu.RUnlock()
	if after <= last {
		return nil
	}
	head, err := r.svc.cfg.Log.Head(ctx, r.runID)
	if err != nil {
		return err
	}
	if after > head.LastSeq {
		return api.Invalid("after", "is %d, but the session has %d entries", after, head.LastSeq)
	}
	return nil
}
