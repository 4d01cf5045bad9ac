package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

// guest is a viewer that rests whenever it can. Of what it is given it takes all or, every few times,
// nothing at once; what it lost of its place shows as a gap or a repeat.
type guest struct {
	viewer  *session.Viewer
	ctx     context.Context
	refuse  int // every how many times; 0: never
	given   int
	owed    [][]byte
	seq     int64
	deltas  int
	err     error
	running sync.WaitGroup
	over    chan struct{}
}

func seat(ctx context.Context, t testing.TB, s *session.Service, after int64, refuse int) *guest {
	t.Helper()
	g := &guest{viewer: follow(t, s, after), ctx: ctx, seq: after, refuse: refuse, over: make(chan struct{})}
	g.Wake()
	return g
}

func (g *guest) Take(chunks [][]byte) bool {
	g.given++
	if g.refuse > 0 && g.given%g.refuse == 0 {
		g.owed = chunks
		return false
	}
	g.see(chunks)
	return true
}

func (g *guest) Wake() { g.running.Go(g.run) }

// run reads until it rests. From then on the guest is the room's, until it wakes it again.
func (g *guest) run() {
	for g.err == nil {
		if g.owed == nil && g.viewer.Rest(g) {
			return
		}
		chunks := g.owed
		if g.owed = nil; chunks == nil {
			var err error
			if chunks, err = g.viewer.Next(g.ctx); err != nil {
				g.err = err
			}
		}
		g.see(chunks)
	}
	close(g.over)
}

func (g *guest) see(chunks [][]byte) {
	lines, err := decode(chunks)
	if err != nil {
		g.err = err
	}
	for _, l := range lines {
		switch {
		case l.Seq == 0:
			g.deltas++
		case l.Seq != g.seq+1:
			g.err = fmt.Errorf("entry %d came after %d", l.Seq, g.seq)
		default:
			g.seq = l.Seq
		}
	}
}

func TestRestingLosesAndRepeatsNothing(t *testing.T) {
	for _, window := range []int{1, 200, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemory()
			s, _ := newService(t, m, func(c *session.Config) { c.WindowBytes = window })
			m.put(say(50)...) // more than a room begins with
			var guests []*guest
			for i := range 140 { // enough to be shared among processors
				guests = append(guests, seat(t.Context(), t, s, int64(i%50), i%5))
			}
			for i := range 60 {
				signal := m.put(say(i % 7)...)
				if i%20 != 0 {
					m.signal(signal)
				}
				if i%3 == 0 {
					m.signal(session.Signal{Deltas: []api.Delta{{Key: "k", Text: "word"}}, Dropped: i%9 == 0})
				}
				if i%11 == 0 {
					synctest.Wait()
				}
				if i%25 == 0 {
					time.Sleep(20 * time.Second)
				}
			}
			last := m.put(api.StateChange{To: api.RunStateSUCCEEDED}).LastSeq // its hint is lost
			for i, g := range guests {
				<-g.over
				if !errors.Is(g.err, io.EOF) || g.seq != last || g.deltas == 0 {
					t.Fatalf("guest %d: %v at entry %d of %d after %d deltas", i, g.err, g.seq, last, g.deltas)
				}
			}
		})
	}
}

// TestNobodyWaitsForASlowOne: a viewer that is stuck with what it was given delays nobody.
func TestNobodyWaitsForASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		slow := &stuck{viewer: follow(t, s, 0), woken: make(chan struct{})}
		if !slow.viewer.Rest(slow) {
			t.Fatal("nothing is new, and yet it may not rest")
		}
		quick := seat(t.Context(), t, s, 0, 0)
		for range 20 {
			m.signal(m.put(say(1)...))
			synctest.Wait()
		}
		<-slow.woken
		if quick.seq != 20 || slow.given != 1 {
			t.Fatalf("the quick one is at entry %d of 20; the stuck one was given something %d times", quick.seq, slow.given)
		}
		// It goes on where it stopped, as if it had never rested.
		if got := next(t, slow.viewer); len(got) != 19 || got[0].Seq != 2 {
			t.Fatalf("the stuck one goes on with %v", got)
		}
		if !slow.viewer.Rest(slow) {
			t.Error("caught up, and yet it may not rest")
		}
	})
}

type stuck struct {
	viewer *session.Viewer
	given  int
	woken  chan struct{}
}

func (s *stuck) Take([][]byte) bool { s.given++; return false }
func (s *stuck) Wake()              { close(s.woken) }

func TestGive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		g := seat(t.Context(), t, s, 0, 0)
		synctest.Wait()
		beat := []byte("{}\n")
		g.viewer.Give(beat)
		if g.given != 1 {
			t.Error("one that rests was given nothing")
		}
		slow := &stuck{viewer: follow(t, s, 0), woken: make(chan struct{})}
		slow.viewer.Give(beat)
		if slow.given != 0 {
			t.Error("one that does not rest was given something")
		}
		slow.viewer.Rest(slow)
		slow.viewer.Give(beat)
		<-slow.woken
		slow.viewer.Give(beat)
		if slow.given != 1 {
			t.Errorf("one that took nothing was given something %d times", slow.given)
		}
	})
}

func TestLeavingASeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		guests := make([]*guest, 5)
		for i := range guests {
			guests[i] = seat(t.Context(), t, s, 0, 0)
		}
		synctest.Wait()
		for _, i := range []int{1, 4, 0} {
			guests[i].viewer.Close()
			if guests[i].viewer.Rest(guests[i]) {
				t.Error("rests after it was closed")
			}
		}
		m.signal(m.put(say(1)...))
		synctest.Wait()
		for i, g := range guests {
			if stays := i == 2 || i == 3; g.given > 0 != stays {
				t.Errorf("guest %d was given %d times", i, g.given)
			}
		}
		s.Close()
		for _, i := range []int{2, 3} {
			if <-guests[i].over; !errors.Is(guests[i].err, session.ErrClosed) {
				t.Errorf("guest %d ended by %v", i, guests[i].err)
			}
		}
	})
}

// TestQuietRoomsAreLookedAfterTogether: the log is asked once for all, and read only for what is new.
func TestQuietRoomsAreLookedAfterTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, func(c *session.Config) { c.Poll = time.Second })
		m.put(say(3)...)
		v := follow(t, s, 3)
		before := m.asked()
		time.Sleep(10*time.Second + time.Millisecond)
		if after := m.asked(); after.heads-before.heads != 10 || after.head != before.head || after.reads != before.reads {
			t.Errorf("ten looks at a quiet room: %+v, before %+v", after, before)
		}
		m.put(say(1)...) // its hint is lost
		if got := next(t, v); len(got) != 1 || got[0].Seq != 4 {
			t.Errorf("found by looking: %v", got)
		}
	})
}
