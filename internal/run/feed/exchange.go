package feed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

const (
	// queued is how many events may wait for a follower. One that falls further behind reads on from the log.
	queued = 256
	// historyPage is how many past events a follower reads at once.
	historyPage = 500
	// again is the pause before the log is asked anew after it failed.
	again = time.Second
)

// Past reads stored events for those who begin in the past or fell behind.
type Past interface {
	// Of returns at most limit followed events of runs, numbered above since and up to upTo, in order.
	Of(ctx context.Context, runIDs []string, since, upTo int64, limit int) ([]run.Event, error)
	// Descendants lists the ids of all runs below one.
	Descendants(ctx context.Context, runID string) ([]string, error)
}

// Exchange hands what happens to certain runs to those who follow these runs. An event costs one look at
// who follows its run, and is encoded once, however many streams there are. It is safe for concurrent use.
type Exchange struct {
	feed   *Feed
	past   Past
	encode func(run.Event) []byte
	log    *slog.Logger

	mu        sync.Mutex
	interest  map[string]map[*Follower]relation // by run
	seq       int64                             // number of the last event that was handed out
	followers int
	closed    bool          // the feed has
	reading   chan struct{} // closed when seq is known and events are handed out
	stop      context.CancelFunc
	done      sync.WaitGroup
}

// relation is what a run is to a follower.
type relation struct {
	shown bool // its events are handed out
	joins bool // its children are followed, too
}

// NewExchange makes an exchange that reads the feed while somebody follows. encode writes an event as
// followers get it.
func NewExchange(feed *Feed, past Past, encode func(run.Event) []byte, log *slog.Logger) *Exchange {
	return &Exchange{feed: feed, past: past, encode: encode, log: log, interest: make(map[string]map[*Follower]relation)}
}

// Wait returns when nothing of the exchange runs any more, which is soon after its last follower has left
// or the feed has closed.
func (x *Exchange) Wait() { x.done.Wait() }

// Subscription says what to follow, from after the event Since: some runs, or everything below Ancestor.
type Subscription struct {
	RunIDs   []string
	Ancestor string
	Self     bool // also the ancestor itself
	Since    int64
}

// Follow begins to follow. The caller has checked that the runs may be seen, and closes the follower.
func (x *Exchange) Follow(ctx context.Context, sub Subscription) (*Follower, error) {
	f := &Follower{x: x, seq: sub.Since, relations: make(map[string]relation), signal: make(chan struct{}, 1)}
	select {
	case <-x.enter():
	case <-ctx.Done():
		f.Close()
		return nil, context.Cause(ctx)
	}
	x.mu.Lock()
	for _, id := range sub.RunIDs {
		x.follow(f, id, relation{shown: true})
	}
	if sub.Ancestor != "" {
		x.follow(f, sub.Ancestor, relation{shown: sub.Self, joins: true})
	}
	x.mu.Unlock()
	if sub.Ancestor != "" {
		if err := x.addDescendants(ctx, f, sub.Ancestor); err != nil {
			f.Close()
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	f.over = x.closed
	f.behind, f.queue = true, nil // it begins with the past
	return f, nil
}

// addDescendants follows everything below a run. A child that came just before its parent was followed is
// found by looking again: when a look finds nothing that is not followed, whatever comes later joins.
func (x *Exchange) addDescendants(ctx context.Context, f *Follower, ancestor string) error {
	for fresh := true; fresh; {
		ids, err := x.past.Descendants(ctx, ancestor)
		if err != nil {
			return err
		}
		fresh = false
		x.mu.Lock()
		for _, id := range ids {
			if !f.relations[id].joins {
				fresh = true
				x.follow(f, id, relation{shown: true, joins: true})
			}
		}
		x.mu.Unlock()
	}
	return nil
}

// follow notes what a run is to a follower; mu is held.
func (x *Exchange) follow(f *Follower, runID string, r relation) {
	f.relations[runID] = r
	if x.interest[runID] == nil {
		x.interest[runID] = make(map[*Follower]relation)
	}
	x.interest[runID][f] = r
}

// enter counts a follower and starts the reader for the first one.
func (x *Exchange) enter() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.followers++; x.followers == 1 {
		ctx, stop := context.WithCancel(context.Background())
		reading := make(chan struct{})
		x.stop, x.reading = stop, reading
		x.done.Go(func() { x.read(ctx, reading) })
	}
	return x.reading
}

// leave forgets a follower; mu is held.
func (x *Exchange) leave(f *Follower) {
	for id := range f.relations {
		if delete(x.interest[id], f); len(x.interest[id]) == 0 {
			delete(x.interest, id)
		}
	}
	if x.followers--; x.followers == 0 {
		x.stop()
	}
}

// read hands out events until ctx ends or the feed closes.
func (x *Exchange) read(ctx context.Context, reading chan<- struct{}) {
	w := x.watch(ctx)
	if w != nil {
		defer w.Close()
		x.mu.Lock()
		if ctx.Err() == nil {
			x.seq = w.Seq()
		}
		x.mu.Unlock()
	}
	close(reading)
	for w != nil {
		events, err := w.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrClosed):
			w.Close()
			w = nil
		case err != nil:
			x.log.Warn("cannot read events; trying again", "error", err)
			pause(ctx, again)
		default:
			x.handOut(ctx, events)
		}
	}
	x.end(ctx)
}

// watch finds the newest event; nil when the feed is closed or ctx has ended.
func (x *Exchange) watch(ctx context.Context) *Watcher {
	for {
		w, err := x.feed.Watch(ctx, Newest)
		if err == nil || errors.Is(err, ErrClosed) || ctx.Err() != nil {
			return w
		}
		x.log.Warn("cannot find the newest event; trying again", "error", err)
		pause(ctx, again)
	}
}

// end tells everybody that nothing more comes.
func (x *Exchange) end(ctx context.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() != nil {
		return // nobody is there
	}
	x.closed = true
	for _, followers := range x.interest {
		for f := range followers {
			f.over = true
			f.wake()
		}
	}
}

// handOut gives events to those who follow their runs, and has children join.
func (x *Exchange) handOut(ctx context.Context, events []run.Event) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ctx.Err() != nil {
		return // another reader is at work for those who came since
	}
	for _, e := range events {
		x.seq = e.Seq
		followers := x.interest[e.RunID]
		if len(followers) == 0 || !followed[e.Type] {
			continue
		}
		var data []byte
		for f, r := range followers {
			if e.Type == run.EventChild && r.joins {
				x.follow(f, e.RefID, relation{shown: true, joins: true})
			}
			if !r.shown {
				continue
			}
			if data == nil {
				data = x.encode(e)
			}
			f.put(e.Seq, data)
		}
	}
}

// followed says which events are handed out.
var followed = func() map[run.EventType]bool {
	set := make(map[run.EventType]bool, len(run.Followed))
	for _, t := range run.Followed {
		set[t] = true
	}
	return set
}()

// pause waits, or returns early when ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
