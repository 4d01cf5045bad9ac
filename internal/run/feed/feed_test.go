package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a log whose events tests append, and which can be out of reach.
type memory struct {
	mu     sync.Mutex
	events []run.Event
	broken bool
	reads  int
	bell   chan struct{}
}

func newMemory() *memory { return &memory{bell: make(chan struct{}, 1)} }

func (m *memory) add(runID string) {
	m.mu.Lock()
	m.events = append(m.events, run.Event{Seq: int64(len(m.events) + 1), RunID: runID})
	m.mu.Unlock()
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

func (m *memory) After(_ context.Context, seq int64, limit int) ([]run.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.broken {
		return nil, errors.New("out of reach")
	}
	rest := m.events[min(int(seq), len(m.events)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (m *memory) Last(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return 0, errors.New("out of reach")
	}
	return int64(len(m.events)), nil
}

func (m *memory) setBroken(b bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = b
}

func open(m *memory) *Feed {
	return New(Config{Log: m, Logger: slog.New(slog.DiscardHandler),
		Bell: func(context.Context) (<-chan struct{}, error) { return m.bell, nil }})
}

// TestWatchersSeeEverythingOnce: from wherever they begin, and however slow they are, through a log that
// fails at times and more events than are kept.
func TestWatchersSeeEverythingOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := open(m)
		const total = 5 * kept
		for range 700 {
			m.add("before")
		}
		var all sync.WaitGroup
		for _, after := range []int64{0, 1, 350, 700, 700, 2000} {
			all.Go(func() {
				w, err := f.Watch(t.Context(), after)
				if err != nil {
					t.Error(err)
					return
				}
				defer w.Close()
				for want := after + 1; want <= total; {
					events, err := w.Next(t.Context())
					if err != nil {
						time.Sleep(time.Second) // the log's trouble; the place is kept
						continue
					}
					for _, e := range events {
						if e.Seq != want {
							t.Errorf("event %d, want %d", e.Seq, want)
							return
						}
						want++
					}
					if rand.IntN(4) == 0 {
						time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
					}
				}
			})
		}
		for i := len(m.events); i < total; i++ {
			m.add(fmt.Sprint(i))
			if i%997 == 0 {
				m.setBroken(true)
				time.Sleep(1500 * time.Millisecond)
				m.setBroken(false)
			}
		}
		all.Wait()
		f.Close()
		if _, err := f.Watch(t.Context(), 0); !errors.Is(err, ErrClosed) {
			t.Errorf("a closed feed is watched: %v", err)
		}
	})
}

func TestNobodyWatchesNothingIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := open(m)
		defer f.Close()
		m.add("a")
		w, err := f.Watch(t.Context(), Newest)
		if err != nil {
			t.Fatal(err)
		}
		m.add("b")
		if events, err := w.Next(t.Context()); err != nil || len(events) != 1 || events[0].RunID != "b" {
			t.Fatalf("%v %v", events, err)
		}
		w.Close()
		w.Close()
		synctest.Wait()
		before := m.reads
		time.Sleep(time.Minute)
		if m.reads != before {
			t.Errorf("%d reads for nobody", m.reads-before)
		}
		// A later watcher finds a reader again, and what happened meanwhile if it asks for it.
		m.add("c")
		w, err = f.Watch(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if events, err := w.Next(t.Context()); err != nil || len(events) != 1 || events[0].RunID != "c" {
			t.Fatalf("%v %v", events, err)
		}
	})
}

func TestBoard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := open(m)
		defer f.Close()
		loads := 0
		b := NewBoard(f, func(_ context.Context, ids []string) ([]Shown, error) {
			loads++
			slices.Sort(ids)
			var out []Shown
			for _, id := range ids {
				out = append(out, Shown{Owner: identity.Owner{UID: "team"}, Data: []byte(id)})
			}
			return out, nil
		}, slog.New(slog.DiscardHandler))
		first, leave := context.WithCancel(t.Context())
		looks := []<-chan Showing{b.Look(first), b.Look(t.Context()), b.Look(first)}
		synctest.Wait()
		for range 50 { // changes of a moment are shown once, and loaded once for all
			m.add("x")
			m.add("y")
		}
		for _, ch := range looks {
			if s := <-ch; s.Many || len(s.Runs) != 2 || string(s.Runs[1].Data) != "y" {
				t.Errorf("%+v", s)
			}
		}
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
		for i := range 2 * most {
			m.add(fmt.Sprint(i))
		}
		if s := <-looks[1]; !s.Many {
			t.Errorf("%d runs at once", len(s.Runs))
		}
		// One that takes nothing learns that it missed something, and delays nobody.
		for range 3 * lag {
			m.add("z")
			time.Sleep(2 * together)
			<-looks[1]
		}
		many := false
		for len(looks[0]) > 0 {
			many = (<-looks[0]).Many || many
		}
		if !many {
			t.Error("nothing was said of what was missed")
		}
		leave()
		for _, ch := range []<-chan Showing{looks[0], looks[2]} {
			for range ch {
			}
		}
		f.Close()
		for range looks[1] {
		}
		b.Wait()
	})
}

// slowToEnd is a log whose end takes time to find.
type slowToEnd struct {
	*memory
	found chan struct{}
}

func (s slowToEnd) Last(ctx context.Context) (int64, error) {
	<-s.found
	return s.memory.Last(ctx)
}

// TestLookingMissesNothing: whoever reads a list after Look has returned is shown all that changes in it
// from then on.
func TestLookingMissesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := slowToEnd{newMemory(), make(chan struct{})}
		f := New(Config{Log: log, Logger: slog.New(slog.DiscardHandler)})
		defer f.Close()
		b := NewBoard(f, func(_ context.Context, ids []string) (out []Shown, err error) {
			for _, id := range ids {
				out = append(out, Shown{Data: []byte(id)})
			}
			return out, nil
		}, slog.New(slog.DiscardHandler))
		looks := make(chan (<-chan Showing), 2)
		for range cap(looks) {
			go func() { looks <- b.Look(t.Context()) }()
		}
		synctest.Wait()
		if len(looks) > 0 {
			t.Error("looking before anything would be shown")
		}
		close(log.found)
		first, second := <-looks, <-looks
		log.add("x")
		for _, ch := range []<-chan Showing{first, second} {
			select {
			case s := <-ch:
				if len(s.Runs) != 1 || string(s.Runs[0].Data) != "x" {
					t.Errorf("%+v", s)
				}
			case <-time.After(time.Minute):
				t.Error("shown nothing")
			}
		}
		f.Close()
		for range first {
		}
		b.Wait()
	})
}
