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

	"pgregory.net/rapid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/session"
)

// step is one thing that happens to a followed session.
type step struct {
	Entries int
	Hint    bool // the signal arrives
	Dropped bool // a later signal says that some were lost
	Delta   bool
	Wait    time.Duration
	Leave   bool // the viewer drops its connection and comes back with the last number it has
}

func drawScript(t *rapid.T) []step {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			Entries: rapid.IntRange(0, 40).Draw(t, "entries"),
			Hint:    rapid.Bool().Draw(t, "hint"),
			Dropped: rapid.Bool().Draw(t, "dropped"),
			Delta:   rapid.Bool().Draw(t, "delta"),
			Wait:    time.Duration(rapid.IntRange(0, 7000).Draw(t, "wait")) * time.Millisecond,
			Leave:   rapid.Bool().Draw(t, "leave"),
		}
	}), 1, 12).Draw(t, "script")
}

// reader follows from a number and checks that entries come without gap or repeat.
type reader struct {
	seq   int64
	ended bool
	err   error
}

func (r *reader) follow(ctx context.Context, s *session.Service) {
	v, err := s.Follow(ctx, runID, r.seq)
	if err != nil {
		if ctx.Err() == nil {
			r.err = err
		}
		return
	}
	defer v.Close()
	for {
		chunks, err := v.Next(ctx)
		if errors.Is(err, io.EOF) {
			r.ended = true
			return
		}
		if err != nil {
			if ctx.Err() == nil {
				r.err = err
			}
			return
		}
		lines, err := decode(chunks)
		if err != nil {
			r.err = err
			return
		}
		for _, l := range lines {
			if l.Seq == 0 {
				continue
			}
			if l.Seq != r.seq+1 {
				r.err = fmt.Errorf("entry %d came after %d", l.Seq, r.seq)
				return
			}
			r.seq = l.Seq
		}
	}
}

func play(t *testing.T, script []step, window int) (err error) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, func(c *session.Config) { c.WindowBytes = window })
		r := &reader{}
		var wg sync.WaitGroup
		start := func() context.CancelFunc {
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() { r.follow(ctx, s) })
			return cancel
		}
		leave := start()
		for _, st := range script {
			sig := m.put(say(st.Entries)...)
			if st.Hint {
				m.signal(sig)
			}
			if st.Dropped {
				m.signal(session.Signal{Dropped: true})
			}
			if st.Delta {
				m.signal(session.Signal{Deltas: []api.Delta{{Key: "k", Text: "word"}}})
			}
			time.Sleep(st.Wait)
			if st.Leave {
				leave()
				wg.Wait()
				leave = start()
			}
		}
		last := m.put(api.StateChange{To: api.RunStateSUCCEEDED}).LastSeq
		wg.Wait() // the reader ends by itself: no hint came, so a poll found the end
		leave()
		synctest.Wait()
		switch {
		case r.err != nil:
			err = r.err
		case !r.ended:
			err = errors.New("the stream did not end")
		case r.seq != last:
			err = fmt.Errorf("ended at entry %d of %d", r.seq, last)
		case m.watchers() != 0:
			err = fmt.Errorf("%d rooms stay open without viewers", m.watchers())
		}
	})
	return err
}

func TestFollowLosesAndRepeatsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := drawScript(rt)
		window := rapid.SampledFrom([]int{1, 100, 1000, 1 << 20}).Draw(rt, "window")
		if err := play(t, script, window); err != nil {
			rt.Fatal(err)
		}
	})
}

func TestManyViewersShareOneRoom(t *testing.T) {
	m := newMemory()
	s, enc := newService(t, m, nil)
	const viewers, entries = 1000, 200
	var wg sync.WaitGroup
	results := make([]reader, viewers)
	for i := range results {
		wg.Go(func() { results[i].follow(t.Context(), s) })
	}
	for range entries {
		m.signal(m.put(say(1)...))
	}
	m.signal(m.put(api.StateChange{To: api.RunStateFAILED}))
	wg.Wait()
	for i, r := range results {
		if r.err != nil || !r.ended || r.seq != entries+1 {
			t.Fatalf("viewer %d: ended %v at %d: %v", i, r.ended, r.seq, r.err)
		}
	}
	// Viewers that came late to the room read what they missed together, again as it grows.
	if calls := enc.calls.Load(); calls > 20*entries {
		t.Errorf("%d viewers made %d encodings of %d entries", viewers, calls, entries)
	}
}

func TestFollowEndsOnlyWithTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		m.put(say(3)...)
		v := follow(t, s, 3)
		for _, state := range []api.RunState{api.RunStateBLOCKED, api.RunStateINPROGRESS} {
			m.signal(m.put(api.StateChange{To: state}))
			if got := next(t, v); len(got) != 1 {
				t.Fatalf("%s: %v", state, got)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if _, err := v.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("%s: the stream ended: %v", state, err)
			}
			cancel()
		}
		m.signal(m.put(api.StateChange{To: api.RunStateSUCCEEDED}))
		next(t, v)
		if _, err := v.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Fatalf("after the end: %v", err)
		}
		// Who has everything of an ended run is told so at once; a follow-up opens it again.
		again := follow(t, s, 6)
		if _, err := again.Next(t.Context()); !errors.Is(err, io.EOF) {
			t.Fatalf("reconnected after the end: %v", err)
		}
		m.put(api.StateChange{To: api.RunStateQUEUED}) // its hint is lost; the room is still there
		if got := next(t, follow(t, s, 6)); len(got) != 1 || got[0].Seq != 7 {
			t.Fatalf("after a follow-up: %v", got)
		}
	})
}

// TestEndIsDoubtedUntilTheRoomKnows: a follow-up whose hint was lost set the run going again, and the
// room cannot read on for a while. Who comes meanwhile is not told that the session is over.
func TestEndIsDoubtedUntilTheRoomKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		m.put(api.StateChange{To: api.RunStateSUCCEEDED})
		next(t, follow(t, s, 0)) // stays in the room
		m.put(api.StateChange{To: api.RunStateQUEUED})
		m.blot(errors.New("disk on fire"))
		v := follow(t, s, 1)
		for range 3 { // as often as a heartbeat is due
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := v.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("while the room cannot read: %v", err)
			}
			cancel()
		}
		m.blot(nil)
		if got := next(t, v); len(got) != 1 || got[0].Seq != 2 {
			t.Fatalf("when it can again: %v", got)
		}
	})
}

func TestDeltas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		v, slow := follow(t, s, 0), follow(t, s, 0)
		send := func(key string, offset int64, text string) {
			m.signal(session.Signal{Deltas: []api.Delta{{Key: key, Offset: offset, Text: text}}})
			synctest.Wait()
		}
		send("a", 0, "Hel")
		if got := next(t, v); len(got) != 1 || got[0].Text != "Hel" {
			t.Fatalf("live delta: %v", got)
		}
		send("a", 3, "lo")
		send("b", 0, "other")
		if got := next(t, v); len(got) != 2 || got[0] != (line{Key: "a", Offset: 3, Text: "lo"}) {
			t.Fatalf("joined deltas: %v", got)
		}
		m.signal(m.put(api.AgentMessage{Key: "a", Text: "Hello"}))
		synctest.Wait()
		send("a", 5, "!") // came too late
		// The slow viewer gets the entry instead of its deltas, and what is still being produced.
		want := []line{{Seq: 1}, {Key: "b", Text: "other"}}
		if got := next(t, slow); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Fatalf("slow viewer: %v", got)
		}
		if got := next(t, v); len(got) != 1 || got[0].Seq != 1 {
			t.Fatalf("quick viewer: %v", got)
		}
		m.signal(m.put(api.StateChange{To: api.RunStateBLOCKED}))
		synctest.Wait()
		if got := next(t, follow(t, s, 0)); len(got) != 2 {
			t.Fatalf("deltas outlived the turn: %v", got)
		}
	})
}

func TestDeltasAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, func(c *session.Config) { c.DeltaBytes = 1000 })
		v := follow(t, s, 0)
		for i := range 500 {
			m.signal(session.Signal{Deltas: []api.Delta{{Key: "k", Offset: int64(i), Text: "x"}}})
			synctest.Wait()
		}
		got := next(t, v)
		if len(got) < 10 || len(got) > 60 || got[len(got)-1].Offset != 499 {
			t.Fatalf("%d deltas kept, last %v", len(got), got[len(got)-1])
		}
	})
}

func TestFollowSurvivesFailedReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		v := follow(t, s, 0)
		m.fail(errors.New("disk on fire"))
		m.signal(m.put(say(1)...))
		synctest.Wait()
		began := time.Now()
		m.fail(nil)
		if got := next(t, v); len(got) != 1 {
			t.Fatalf("after the failure: %v", got)
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("tried again only after %v", waited)
		}
		m.fail(errors.New("disk on fire"))
		if _, err := s.Follow(t.Context(), "other", 0); err == nil {
			t.Error("a room opened on a broken log")
		}
		m.fail(nil)
	})
}

func TestFollowRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := newService(t, m, nil)
		m.put(say(2)...)
		for _, after := range []int64{-1, 3, 1 << 60} {
			if _, err := s.Follow(t.Context(), runID, after); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
				t.Errorf("after %d: %v", after, err)
			}
		}
		if _, err := s.Follow(t.Context(), "other", 0); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			t.Errorf("unknown run: %v", err)
		}
		synctest.Wait()
		if m.watchers() != 0 {
			t.Errorf("%d rooms left behind", m.watchers())
		}
	})
}

func TestCloseEndsViewers(t *testing.T) {
	m := newMemory()
	s, _ := newService(t, m, nil)
	v := follow(t, s, 0)
	ended := make(chan error, 1)
	go func() {
		_, err := v.Next(context.Background())
		ended <- err
	}()
	s.Close()
	s.Close()
	if err := <-ended; !errors.Is(err, session.ErrClosed) {
		t.Errorf("viewer ended by %v", err)
	}
	if _, err := s.Follow(t.Context(), runID, 0); !errors.Is(err, session.ErrClosed) {
		t.Errorf("followed a closed service: %v", err)
	}
}

// unreachable is a bus that does not answer.
type unreachable struct{}

func (unreachable) Watch(ctx context.Context, _ string) (<-chan session.Signal, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestCloseEndsWhoIsComing: nobody takes the server's end for its failure.
func TestCloseEndsWhoIsComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newService(t, newMemory(), func(c *session.Config) { c.Bus = unreachable{} })
		ended := make(chan error, 1)
		go func() {
			_, err := s.Follow(context.Background(), runID, 0)
			ended <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-ended; !errors.Is(err, session.ErrClosed) {
			t.Errorf("told %v", err)
		}
	})
}
