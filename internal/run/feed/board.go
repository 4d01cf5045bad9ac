package feed

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// together is how long changes are gathered before they are shown: nobody reads faster.
	together = 200 * time.Millisecond
	// most is how many changed runs are shown one by one; with more of them a list is better read anew.
	most = 200
	// lag is how many showings a looker may fall behind before it is told to read anew.
	lag = 16
)

// Shown is a changed run as those who may see it are shown it.
type Shown struct {
	Owner identity.Owner
	Data  []byte // shared; must not be modified
}

// Showing is what changed within one moment. Many says that not all of it is told, since it was too much or
// is gone.
type Showing struct {
	Runs []Shown
	Many bool
}

// Board shows changed runs to all who look at lists. It is safe for concurrent use.
type Board struct {
	feed *Feed
	load func(ctx context.Context, runIDs []string) ([]Shown, error)
	log  *slog.Logger

	mu      sync.Mutex
	lookers map[chan Showing]struct{}
	reading chan struct{} // closed when what happens from then on will be shown, or nothing will
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// NewBoard makes a board that reads the feed while somebody looks. load finds and encodes runs; those
// that are gone are left out.
func NewBoard(feed *Feed, load func(ctx context.Context, runIDs []string) ([]Shown, error), log *slog.Logger) *Board {
	return &Board{feed: feed, load: load, log: log, lookers: make(map[chan Showing]struct{})}
}

// Look delivers what changes after it returned, until ctx ends or the feed closes; the channel is closed
// then.
func (b *Board) Look(ctx context.Context) <-chan Showing {
	ch := make(chan Showing, lag)
	reading := b.enter(ch)
	context.AfterFunc(ctx, func() { b.leave(ch) })
	select {
	case <-reading:
	case <-ctx.Done():
	}
	return ch
}

func (b *Board) enter(ch chan Showing) (reading <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lookers[ch] = struct{}{}
	if len(b.lookers) == 1 {
		showing, stop := context.WithCancel(context.Background())
		begun := make(chan struct{})
		b.stop, b.reading = stop, begun
		b.done.Go(func() { b.show(showing, begun) })
	}
	return b.reading
}

func (b *Board) leave(ch chan Showing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.lookers[ch]; !there {
		return
	}
	delete(b.lookers, ch)
	close(ch)
	if len(b.lookers) == 0 {
		b.stop()
	}
}

// Wait returns when nothing of the board runs any more, which is soon after its last looker has left or
// the feed has closed.
func (b *Board) Wait() { b.done.Wait() }

func (b *Board) show(ctx context.Context, begun chan<- struct{}) {
	w, err := b.feed.Watch(ctx, Newest)
	close(begun)
	for err == nil {
		err = b.round(ctx, w)
	}
	if w != nil {
		w.Close()
	}
	if ctx.Err() != nil {
		return
	}
	if !errors.Is(err, ErrClosed) {
		b.log.Warn("changes of runs are no longer shown", "error", err)
	}
	b.end()
}

// end lets every looker go: it comes back, and finds a board that reads again.
func (b *Board) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.lookers {
		close(ch)
	}
	clear(b.lookers)
	b.stop()
}

// round waits for a change, gathers what follows it closely, and shows all of it.
func (b *Board) round(ctx context.Context, w *Watcher) error {
	changed := make(map[string]struct{})
	events, err := w.Next(ctx)
	moment, cancel := context.WithTimeout(ctx, together)
	defer cancel()
	for err == nil {
		for _, e := range events {
			changed[e.RunID] = struct{}{}
		}
		events, err = w.Next(moment)
	}
	if len(changed) == 0 || ctx.Err() != nil || moment.Err() == nil {
		return err
	}
	if len(changed) > most {
		b.deliver(Showing{Many: true})
		return nil
	}
	ids := make([]string, 0, len(changed))
	for id := range changed {
		ids = append(ids, id)
	}
	runs, err := b.load(ctx, ids)
	if err != nil {
		return err
	}
	// Of a run that was deleted there is nothing to show: a list that had it is read anew.
	b.deliver(Showing{Runs: runs, Many: len(runs) < len(ids)})
	return nil
}

// deliver never waits: a looker that is behind is told that there was much.
func (b *Board) deliver(s Showing) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.lookers {
		select {
		case ch <- s:
		default:
			// Make room for the news that it should read anew; only we send, so it fits then.
			select {
			case <-ch:
			default:
			}
			ch <- Showing{Many: true}
		}
	}
}
