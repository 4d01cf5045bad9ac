package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
)

// clients is how many goroutines the concurrency tests use.
const clients = 64

// each runs f for 0 … n-1 at once and waits.
func each(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// feed reads the whole feed of events and fails the test unless it is numbered 1, 2, 3 …
func (b *bundle) feed() []run.Event {
	b.Helper()
	events, err := b.events.After(b.ctx, 0, 1<<20)
	b.ok(err)
	for i, e := range events {
		if e.Seq != int64(i)+1 {
			b.Fatalf("event %d has number %d", i+1, e.Seq)
		}
	}
	return events
}

func testConcurrentCreates(b *bundle) {
	const perClient = 8
	each(clients, func(int) {
		for range perClient {
			n := plainRun()
			if err := b.runs.Insert(b.ctx, n); err != nil {
				b.Error(err)
				return
			}
			// What was acknowledged can be read at once, by anybody.
			if _, err := b.runs.Get(b.ctx, n.Run.ID); err != nil {
				b.Error(err)
			}
		}
	})
	same(b, "events", len(b.feed()), clients*perClient)
	same(b, "runs", len(b.ids(run.Query{TeamUIDs: []string{red.UID}, Limit: 1000})), clients*perClient)
}

func testConcurrentChanges(b *bundle) {
	runs := []run.Run{b.insert(nil), b.insert(nil), b.insert(nil)}
	const perClient = 6
	each(clients, func(i int) {
		for k := range perClient {
			r := runs[(i+k)%len(runs)]
			text := fmt.Sprint(i, "/", k)
			done, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
				c.Run.Attempts++
				return run.Change{Run: &c.Run, Entries: []api.NewEntry{note(text), note(text)},
					Events: []run.Event{{Type: run.EventQueued}}}, nil
			})
			if err != nil {
				b.Error(err)
				return
			}
			stored, err := b.sessions.Entries(b.ctx, r.ID, done.FirstSeq-1, 2)
			if err != nil || len(stored) != 2 || string(stored[1].Data) != string(note(text).Data) {
				b.Errorf("entries %d–%d are %v (%v), want those of this change", done.FirstSeq, done.LastSeq, stored, err)
			}
		}
	})
	const perRun = clients * perClient / 3
	for _, r := range runs {
		entries, err := b.sessions.Entries(b.ctx, r.ID, 0, 1<<20)
		b.ok(err)
		for i, e := range entries {
			if e.Seq != int64(i)+1 {
				b.Fatalf("entry %d has number %d", i+1, e.Seq)
			}
		}
		same(b, "entries", len(entries), 1+2*perRun)
		got, err := b.runs.Get(b.ctx, r.ID)
		b.ok(err)
		same(b, "attempts: no update was lost", got.Attempts, perRun)
		same(b, "last entry", got.LastSeq, 1+2*perRun)
	}
	same(b, "events", len(b.feed()), 3+clients*perClient)
}

// testFeedNeverSkips: a reader that follows the feed while others write never finds an event later
// that has a number it has passed.
func testFeedNeverSkips(b *bundle) {
	const creates = 400
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		each(16, func(int) {
			for range creates / 16 {
				if err := b.runs.Insert(b.ctx, plainRun()); err != nil {
					b.Error(err)
				}
			}
		})
	}()
	var last int64
	for done := false; !done; {
		select {
		case <-writing:
			done = true // one more look, at the end
		default:
		}
		events, err := b.events.After(b.ctx, last, 50)
		b.ok(err)
		for _, e := range events {
			if e.Seq != last+1 {
				b.Fatalf("event %d follows %d", e.Seq, last)
			}
			last = e.Seq
		}
		done = done && last == creates
		if len(events) == 0 && last == creates {
			break
		}
	}
	<-writing
	same(b, "events seen", last, creates)
}

// hold keeps the writer of a key busy until the returned function is called, so that what is written
// meanwhile becomes one group. It returns once the writer is held.
func (b *bundle) hold(key string) (release func()) {
	held, open := make(chan struct{}), make(chan struct{})
	over := make(chan error, 1)
	var once sync.Once
	go func() {
		over <- b.db.Write(context.Background(), key, func(*store.Tx) error {
			once.Do(func() { close(held) })
			<-open
			return nil
		})
	}()
	<-held
	return func() {
		b.Helper()
		close(open)
		b.ok(<-over)
	}
}

// queued starts f and returns its result's channel. (That the operation is really in the queue when
// the writer is let go does not matter to any outcome, only to how much of it is one group.)
func queued(f func() error) chan error {
	started, result := make(chan struct{}), make(chan error, 1)
	go func() {
		close(started)
		result <- f()
	}()
	<-started
	return result
}

// told waits until OnCommit has heard of what was committed under a key: callers are answered first, and
// the writer's next group is begun afterwards.
func (b *bundle) told(key string) {
	b.Helper()
	b.ok(b.db.Write(b.ctx, key, func(*store.Tx) error { return nil }))
}

func testGroupWithFailures(b *bundle) {
	const key = "one key, so that all meet in one group"
	taken := plainRun()
	b.ok(b.runs.Insert(b.ctx, taken))
	refusal := errors.New("refused")
	release := b.hold(key)
	var good, bad []chan error
	name := func(i int) string { return fmt.Sprintf("secret-%02d", i) }
	put := func(tx *store.Tx, name string) error {
		_, err := tx.Exec("INSERT INTO server_secrets (name, value) VALUES ($1, '')", name)
		return err
	}
	for i := range 20 {
		good = append(good, queued(func() error {
			return b.db.Write(b.ctx, key, func(tx *store.Tx) error {
				tx.Emit(run.Event{RunID: name(i), Type: run.EventQueued})
				return put(tx, name(i))
			})
		}))
		bad = append(bad, queued(func() error {
			return b.db.Write(b.ctx, key, func(tx *store.Tx) error {
				tx.Emit(run.Event{RunID: "never", Type: run.EventQueued})
				tx.Notify(run.Notice{RunID: "never"})
				if err := put(tx, "half-"+name(i)); err != nil {
					return err
				}
				if i%2 == 0 {
					return refusal // after writing
				}
				_, err := tx.Exec("INSERT INTO run_specs (run_id, prompt, config, creator, executor, metadata, attachments) "+
					"VALUES ($1, '', '', '', '', '', '')", taken.Run.ID)
				return err
			})
		}))
	}
	release()
	for i := range good {
		b.ok(<-good[i])
		err := <-bad[i]
		if i%2 == 0 && err != refusal {
			b.Fatalf("error is %v, want the operation's own", err)
		}
		if i%2 == 1 {
			b.code(err, api.PlatformErrorCodeConflict)
		}
	}
	same(b, "events", len(b.feed()), 1+len(good))
	b.told(key)
	same(b, "notices of failed operations", len(b.notices.of("never")), 0)
	for i := range good {
		b.stored(name(i), true)
		b.stored("half-"+name(i), false)
	}
}

// stored fails the test unless a server secret of that name exists, or does not.
func (b *bundle) stored(name string, want bool) {
	b.Helper()
	candidate := []byte("looked for")
	got, err := b.identity.Secret(b.ctx, name, candidate)
	b.ok(err)
	if exists := string(got) != string(candidate); exists != want {
		b.Fatalf("row %q exists: %v, want %v", name, exists, want)
	}
}

func testGroupWithPanic(b *bundle) {
	release := b.hold("k")
	bad := queued(func() error {
		return b.db.Write(b.ctx, "k", func(tx *store.Tx) error {
			if _, err := tx.Exec("INSERT INTO server_secrets (name, value) VALUES ('panicked', '')"); err != nil {
				return err
			}
			panic("a mistake")
		})
	})
	good := queued(func() error { return b.runs.Insert(b.ctx, plainRun()) })
	release()
	b.ok(<-good)
	b.code(<-bad, api.PlatformErrorCodeInternalError)
	b.stored("panicked", false)
}

// testGroupWithBadEvent: an event is stored with the whole group's, but its fault is its operation's.
func testGroupWithBadEvent(b *bundle) {
	release := b.hold("k")
	write := func(name, message string) chan error {
		return queued(func() error {
			return b.db.Write(b.ctx, "k", func(tx *store.Tx) error {
				tx.Emit(run.Event{Type: run.EventQueued, Message: message})
				return tx.Send("INSERT INTO server_secrets (name, value) VALUES ($1, '')", name)
			})
		})
	}
	first, bad, last := write("first", ""), write("bad", "not \xff utf-8"), write("last", "")
	release()
	b.ok(<-first)
	b.ok(<-last)
	if err := <-bad; err != nil { // else the engine keeps it
		b.code(err, api.PlatformErrorCodeInvalidRequest)
		b.stored("bad", false)
	}
	b.stored("first", true)
	b.feed()
}

// testGroupWithSwallowed: an operation that hides an error of the engine is not committed as if
// nothing had happened.
func testGroupWithSwallowed(b *bundle) {
	err := b.db.Write(b.ctx, "k", func(tx *store.Tx) error {
		if _, err := tx.Exec("INSERT INTO server_secrets (name, value) VALUES ('swallowed', '')"); err != nil {
			return err
		}
		_, _ = tx.Exec("INSERT INTO server_secrets (name, value) VALUES ('swallowed', '')")
		return nil
	})
	b.code(err, api.PlatformErrorCodeConflict)
	b.stored("swallowed", false)
}

func testCancelBeforeStart(b *bundle) {
	release := b.hold("k")
	ctx, cancel := context.WithCancelCause(b.ctx)
	reason := errors.New("the client went away")
	result := queued(func() error {
		return b.db.Write(ctx, "k", func(*store.Tx) error {
			b.Error("a cancelled operation was carried out")
			return nil
		})
	})
	cancel(reason)
	if err := <-result; err != reason {
		b.Fatalf("error is %v, want the cause", err)
	}
	release()
	b.ok(b.db.Write(b.ctx, "k", func(*store.Tx) error { return nil })) // the queue is past it
}

// testCancelAfterStart: once an operation runs its caller learns the true outcome.
func testCancelAfterStart(b *bundle) {
	ctx, cancel := context.WithCancel(b.ctx)
	err := b.db.Write(ctx, "k", func(tx *store.Tx) error {
		cancel()
		_, err := tx.Exec("INSERT INTO server_secrets (name, value) VALUES ('kept', '')")
		return err
	})
	b.ok(err)
	b.stored("kept", true)
}

func testWriteAfterClose(b *bundle) {
	b.ok(b.db.Close())
	b.ok(b.db.Close())
	b.code(b.runs.Insert(context.Background(), plainRun()), api.PlatformErrorCodeResourceUnavailable)
	b.code(b.db.Ready(context.Background()), api.PlatformErrorCodeResourceUnavailable)
}

// testCloseFinishesTheQueue: every operation gets an answer, and it is true.
func testCloseFinishesTheQueue(b *bundle) {
	var results []chan error
	for range 200 {
		results = append(results, queued(func() error { return b.runs.Insert(context.Background(), plainRun()) }))
	}
	b.ok(b.db.Close())
	for _, r := range results {
		select {
		case err := <-r:
			if err != nil {
				b.code(err, api.PlatformErrorCodeResourceUnavailable)
			}
		case <-time.After(10 * time.Second):
			b.Fatal("an operation was never answered")
		}
	}
}

func testReady(b *bundle) {
	b.ok(b.db.Ready(b.ctx))
	b.ok(b.db.Ready(b.ctx))
}

func testEventsFeed(b *bundle) {
	for range 5 {
		b.insert(nil)
	}
	last, err := b.events.Last(b.ctx)
	b.ok(err)
	same(b, "last", last, 5)
	events, err := b.events.After(b.ctx, 2, 2)
	b.ok(err)
	same(b, "page", []int64{events[0].Seq, events[1].Seq}, []int64{3, 4})
	events, err = b.events.After(b.ctx, 5, 2)
	b.ok(err)
	same(b, "behind the end", len(events), 0)
}

func testNotices(b *bundle) {
	r := b.insert(nil)
	x := b.assign(r.ID, "conn-1", noon)
	_, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		x := *c.Execution
		x.State, x.EndedAt = run.ExecutionEnded, noon
		c.Run.Live, c.Run.State = false, api.RunStateCANCELLED
		return run.Change{Run: &c.Run, Execution: &x, Entries: []api.NewEntry{note("x")},
			Commands: []run.Command{{Kind: api.CommandKindCancel}}, Events: []run.Event{{Type: run.EventCancelled}}}, nil
	})
	b.ok(err)
	b.told(r.ID)
	same(b, "notices", b.notices.of(r.ID), []run.Notice{
		{RunID: r.ID, TeamUID: red.UID, Host: "local", State: api.RunStateQUEUED, LastSeq: 1, New: true, Queued: true},
		{RunID: r.ID, TeamUID: red.UID, Host: "local", State: api.RunStatePENDING, LastSeq: 1, Live: true,
			ExecutionID: x.ID, Worker: "conn-1"},
		{RunID: r.ID, TeamUID: red.UID, Host: "local", State: api.RunStateCANCELLED, LastSeq: 2,
			ExecutionID: x.ID, Worker: "conn-1", Command: true, Ended: true, Cancelled: true},
	})
}
