package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

const (
	// page is how many events are read at once.
	page = 1000
	// kept is how many events stay in memory for watchers that are not there yet.
	kept = 4096
)

// ErrClosed ends watching when the Feed closes.
var ErrClosed = errors.New("feed is closed")

// Log is the stored lifecycle events of all runs.
type Log interface {
	// After returns at most limit events above seq, in order. Numbers have no gaps that fill later.
	After(ctx context.Context, seq int64, limit int) ([]run.Event, error)
	// Last returns the number of the newest event, 0 before the first.
	Last(ctx context.Context) (int64, error)
}

// Config sets up a Feed. Log and Logger are required.
type Config struct {
	Log Log
	// Bell rings when events may have been stored, until ctx ends. Without it, and when it fails,
	// they are found by looking.
	Bell func(ctx context.Context) (<-chan struct{}, error)
	// Every is how often the feed looks by itself. Default 1 s.
	Every  time.Duration
	Logger *slog.Logger
}

// Feed follows the log for all watchers. It is safe for concurrent use.
type Feed struct {
	cfg Config

	mu       sync.Mutex
	events   []run.Event // the newest, without gap
	last     int64       // number of the newest event seen; meaningful while watched
	news     chan struct{}
	watchers int
	stop     context.CancelFunc // of the reader, while there is one
	closed   bool
	done     sync.WaitGroup
}

// New makes a feed that nobody watches yet.
func New(cfg Config) *Feed {
	if cfg.Every <= 0 {
		cfg.Every = time.Second
	}
	return &Feed{cfg: cfg, news: make(chan struct{})}
}

// Close ends all watching with ErrClosed. It may be called twice.
func (f *Feed) Close() {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.news)
	}
	if f.stop != nil {
		f.stop()
	}
	f.mu.Unlock()
	f.done.Wait()
}

// Watcher is a place in the feed. It is for one goroutine.
type Watcher struct {
	feed *Feed
	seq  int64
	once sync.Once
}

// Newest makes Watch begin with what happens from now on.
const Newest = -1

// Watch begins after the event with the given number, or with what happens next. The caller closes the
// watcher.
func (f *Feed) Watch(ctx context.Context, after int64) (*Watcher, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	w := &Watcher{feed: f, seq: after}
	if after == Newest {
		last, err := f.cfg.Log.Last(ctx)
		if err != nil {
			w.Close()
			return nil, err
		}
		w.seq = last
	}
	return w, nil
}

// enter counts a watcher and starts the reader for the first one.
func (f *Feed) enter() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return ErrClosed
	}
	f.watchers++
	if f.watchers == 1 {
		ctx, stop := context.WithCancel(context.Background())
		f.stop, f.events, f.last = stop, nil, Newest
		f.done.Go(func() { f.read(ctx) })
	}
	return nil
}

// Close leaves the feed. It may be called twice.
func (w *Watcher) Close() {
	w.once.Do(func() {
		f := w.feed
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.watchers--; f.watchers == 0 {
			f.stop()
			f.stop = nil
		}
	})
}

// Seq is the number of the last event Next has returned.
func (w *Watcher) Seq() int64 { return w.seq }

// Next waits until there are events after the last ones, and returns them. They are shared and must not
// be modified.
func (w *Watcher) Next(ctx context.Context) ([]run.Event, error) {
	for {
		events, behind, news := w.feed.since(w.seq)
		if behind {
			var err error
			if events, err = w.feed.cfg.Log.After(ctx, w.seq, page); err != nil {
				return nil, err
			}
		}
		if len(events) > 0 {
			w.seq = events[len(events)-1].Seq
			return events, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-news:
		}
		if w.feed.isClosed() {
			return nil, ErrClosed
		}
	}
}

func (f *Feed) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// since returns the kept events above seq, or says that they are not all kept. news closes when there
// are more.
func (f *Feed) since(seq int64) (events []run.Event, behind bool, news <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.events) == 0 || seq < f.events[0].Seq-1 {
		// Before the reader knows where the log ends there is nothing to wait for but it.
		return nil, f.last > seq, f.news
	}
	at, found := slices.BinarySearchFunc(f.events, seq, func(e run.Event, seq int64) int { return int(e.Seq - seq) })
	if found {
		at++
	}
	return slices.Clip(f.events[at:]), false, f.news
}

// read follows the log until ctx ends.
func (f *Feed) read(ctx context.Context) {
	bell := f.ring(ctx)
	timer := time.NewTimer(f.cfg.Every)
	defer timer.Stop()
	for {
		more, err := f.load(ctx)
		if err != nil && ctx.Err() == nil {
			f.cfg.Logger.Warn("cannot read events; trying again", "error", err)
		}
		if more {
			continue
		}
		timer.Reset(f.cfg.Every)
		select {
		case <-ctx.Done():
			return
		case _, ok := <-bell:
			if !ok {
				bell = nil // looking by itself will do
			}
		case <-timer.C:
		}
	}
}

func (f *Feed) ring(ctx context.Context) <-chan struct{} {
	if f.cfg.Bell == nil {
		return nil
	}
	bell, err := f.cfg.Bell(ctx)
	if err != nil {
		if ctx.Err() == nil {
			f.cfg.Logger.Warn("cannot listen for events; looking for them", "error", err)
		}
		return nil
	}
	return bell
}

// load reads what is new and wakes the watchers. more says that there may be further events.
func (f *Feed) load(ctx context.Context) (more bool, err error) {
	f.mu.Lock()
	last := f.last
	f.mu.Unlock()
	if last == Newest {
		if last, err = f.cfg.Log.Last(ctx); err != nil {
			return false, fmt.Errorf("find the end of the log: %w", err)
		}
	}
	events, err := f.cfg.Log.After(ctx, last, page)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil || f.closed {
		return false, ctx.Err()
	}
	first := f.last == Newest
	f.last = last
	if len(events) > 0 {
		f.last = events[len(events)-1].Seq
		if f.events = append(f.events, events...); len(f.events) > 2*kept {
			f.events = slices.Clone(f.events[len(f.events)-kept:])
		}
	}
	if first || len(events) > 0 {
		close(f.news)
		f.news = make(chan struct{})
	}
	return len(events) == page, nil
}
