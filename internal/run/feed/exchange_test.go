package feed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/internal/run"
)

// happen appends an event of a type.
func (m *memory) happen(runID string, t run.EventType, refID string) {
	m.mu.Lock()
	m.events = append(m.events, run.Event{Seq: int64(len(m.events) + 1), RunID: runID, Type: t, RefID: refID})
	m.mu.Unlock()
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

// Of makes memory a Past.
func (m *memory) Of(_ context.Context, runIDs []string, since, upTo int64, limit int) (found []run.Event, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events[min(int(since), len(m.events)):] {
		if e.Seq <= upTo && len(found) < limit && followed[e.Type] && slices.Contains(runIDs, e.RunID) {
			found = append(found, e)
		}
	}
	return found, nil
}

// Descendants reads the children off the events.
func (m *memory) Descendants(_ context.Context, runID string) (found []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		if e.Type == run.EventChild && (e.RunID == runID || slices.Contains(found, e.RunID)) {
			found = append(found, e.RefID)
		}
	}
	return found, nil
}

// exchange makes an exchange that writes events as their numbers, and counts how often.
func exchange(f *Feed, m *memory) (*Exchange, *atomic.Int64) {
	encoded := new(atomic.Int64)
	return NewExchange(f, m, func(e run.Event) []byte {
		encoded.Add(1)
		return strconv.AppendInt(nil, e.Seq, 10)
	}, slog.New(slog.DiscardHandler)), encoded
}

// collect follows until ctx ends, with pauses in which it falls behind.
func collect(t *testing.T, ctx context.Context, x *Exchange, sub Subscription, slow bool) (got []int64) {
	f, err := x.Follow(ctx, sub)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer f.Close()
	for {
		chunks, err := f.Next(ctx)
		if err != nil {
			return got
		}
		for _, c := range chunks {
			n, _ := strconv.ParseInt(string(c), 10, 64)
			got = append(got, n)
		}
		if slow && rand.IntN(3) == 0 {
			time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
		}
	}
}

// TestFollowersSeeTheirRuns: each event of the runs they follow once and in order, whenever they come, however
// slow they are, and of all that is below a run however it grows.
func TestFollowersSeeTheirRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := open(m)
		x, _ := exchange(f, m)
		ctx, stop := context.WithCancel(t.Context())
		runs := []string{"root", "other"}
		live := func() {
			for range 40 {
				parent := runs[rand.IntN(len(runs))]
				if rand.IntN(6) == 0 && len(runs) < 120 {
					child := fmt.Sprint("run-", len(runs))
					m.happen(child, run.EventCreated, "")
					m.happen(parent, run.EventChild, child)
					runs = append(runs, child)
				}
				m.happen(parent, []run.EventType{run.EventInProgress, run.EventMessage, run.EventQueued, run.EventSucceeded}[rand.IntN(4)], "")
			}
			time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		}
		live()
		var all sync.WaitGroup
		type view struct {
			sub Subscription
			got []int64
		}
		var views []*view
		for i := range 60 {
			v := &view{sub: Subscription{Ancestor: runs[rand.IntN(len(runs))], Self: i%2 == 0, Since: int64(rand.IntN(len(m.events)))}}
			if i%3 == 0 {
				v.sub = Subscription{RunIDs: []string{runs[rand.IntN(len(runs))], "other"}, Since: v.sub.Since}
			}
			views = append(views, v)
			all.Go(func() { v.got = collect(t, ctx, x, v.sub, i%4 == 0) })
			if i%5 == 0 {
				live()
			}
		}
		for range 30 {
			live()
		}
		time.Sleep(time.Hour) // for the slow
		stop()
		all.Wait()
		x.Wait()
		f.Close()
		for _, v := range views {
			ids := v.sub.RunIDs
			if v.sub.Ancestor != "" {
				ids, _ = m.Descendants(ctx, v.sub.Ancestor)
				if v.sub.Self {
					ids = append(ids, v.sub.Ancestor)
				}
			}
			events, _ := m.Of(ctx, ids, v.sub.Since, int64(len(m.events)), len(m.events))
			want := make([]int64, len(events))
			for i, e := range events {
				want[i] = e.Seq
			}
			if !slices.Equal(v.got, want) {
				t.Fatalf("%+v saw %d events, of %d; first difference %v", v.sub, len(v.got), len(want), difference(v.got, want))
			}
		}
		if len(x.interest) != 0 {
			t.Errorf("nobody follows, and %d runs are remembered", len(x.interest))
		}
	})
}

func difference(got, want []int64) string {
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			return fmt.Sprintf("at %d: want %d, before it %v", i, want[i], got[max(0, min(i, len(got))-3):min(i, len(got))])
		}
	}
	return fmt.Sprintf("%d more", len(got)-len(want))
}

// TestEventsAreEncodedOnce however many follow, and a stranger's not at all.
func TestEventsAreEncodedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := open(m)
		x, encoded := exchange(f, m)
		ctx, stop := context.WithCancel(t.Context())
		const viewers, events = 500, 40
		var all sync.WaitGroup
		for range viewers {
			all.Go(func() {
				if got := collect(t, ctx, x, Subscription{RunIDs: []string{"a"}}, false); len(got) != events {
					t.Errorf("%d of %d events", len(got), events)
				}
			})
		}
		synctest.Wait()
		for range events {
			m.happen("a", run.EventMessage, "")
			m.happen("b", run.EventMessage, "")
		}
		time.Sleep(time.Minute)
		if n := encoded.Load(); n != events {
			t.Errorf("%d events encoded %d times", events, n)
		}
		stop()
		all.Wait()
		x.Wait()
		f.Close()
	})
}

// TestFollowingEnds with the feed, also for whoever comes after.
func TestFollowingEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := open(m)
		x, _ := exchange(f, m)
		first, err := x.Follow(t.Context(), Subscription{RunIDs: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			_, err := first.Next(t.Context())
			ended <- err
		}()
		synctest.Wait()
		f.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("ended with %v", err)
		}
		late, err := x.Follow(t.Context(), Subscription{RunIDs: []string{"a"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := late.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("a late one ended with %v", err)
		}
		first.Close()
		late.Close()
		late.Close()
		x.Wait()
	})
}
