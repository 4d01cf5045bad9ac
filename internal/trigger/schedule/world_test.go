package schedule_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreCurrent()); err != nil {
			slog.Error("goroutines are left", "error", err)
			code = 1
		}
	}
	os.Exit(code)
}

// eachEngine runs a test on SQLite and on PostgreSQL.
func eachEngine(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, storetest.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, storetest.Postgres(t)) })
}

// clock is a clock that a test sets. Whoever sleeps is told.
type clock struct {
	t  *testing.T
	mu sync.Mutex
	is time.Time

	changed func()
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.is
}

func (c *clock) at(text string) time.Time {
	c.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		c.t.Fatal(err)
	}
	return at.UTC()
}

func (c *clock) set(text string) {
	c.t.Helper()
	at := c.at(text)
	c.mu.Lock()
	c.is = at
	c.mu.Unlock()
	c.changed()
}

type options struct {
	dsn    string
	config func(*schedule.Config)
	ticks  func(store.Schedules) schedule.Ticks
	runs   func(*run.Service) schedule.Runs
}

// world is a store with the services on it, at 01:00 of the 15th of January 2026.
type world struct {
	*testing.T
	ctx      context.Context
	clock    *clock
	db       *store.DB
	stored   store.Schedules
	runStore store.Runs
	service  *run.Service
	*schedule.Service
	config schedule.Config
	user   identity.Actor

	mu         sync.Mutex
	schedulers []*schedule.Service
}

func newWorld(t *testing.T, o *options) *world {
	t.Helper()
	if o == nil {
		o = new(options)
	}
	w := &world{T: t, ctx: t.Context(), clock: &clock{t: t}}
	w.clock.is = w.clock.at("2026-01-15T01:00:00Z")
	w.clock.changed = w.wakeAll
	w.db = storetest.Open(t, store.Options{DSN: o.dsn, Now: w.clock.now, OnCommit: func(notices []run.Notice) {
		for _, n := range notices {
			if n.Ended || n.Cancelled || n.State.Ended() {
				w.each((*schedule.Service).RunEnded)
			}
		}
	}})
	w.stored, w.runStore = store.NewSchedules(w.db), store.NewRuns(w.db)
	blobs, err := blob.New(blob.Config{Store: store.NewBlobs(w.db), URL: "file://" + filepath.Join(t.TempDir(), "blobs")})
	w.ok(err)
	w.service, err = run.NewService(run.Config{
		Store: w.runStore, History: w.runStore, Log: store.NewSessions(w.db), Environments: store.NewEnvironments(w.db),
		Models: anyModel{}, Blobs: blobs, Uploads: store.NewUploads(w.db), Leases: store.NewDispatch(w.db), PublicURL: "http://cadre.test", Now: w.clock.now,
	})
	w.ok(err)
	w.config = schedule.Config{
		Store: w.stored, Ticks: w.stored, Runs: w.service, People: store.NewIdentity(w.db), PublicURL: "http://cadre.test", Now: w.clock.now,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if o.config != nil {
		o.config(&w.config)
	}
	if o.ticks != nil {
		w.config.Ticks = o.ticks(w.stored)
	}
	if o.runs != nil {
		w.config.Runs = o.runs(w.service)
	}
	w.Service, err = schedule.New(w.config)
	w.ok(err)
	w.schedulers = []*schedule.Service{w.Service}
	w.user = w.member("Default", "Admin")
	return w
}

// anyModel resolves every model to itself.
type anyModel struct{}

func (anyModel) Resolve(id string, _ api.HarnessType, _ ...api.SecretType) (string, error) {
	return "model-" + id, nil
}

// member makes the first team and its admin.
func (w *world) member(team, user string) identity.Actor {
	w.Helper()
	at := w.clock.now()
	created, err := store.NewIdentity(w.db).Bootstrap(w.ctx, identity.Team{UID: "t-" + team, Name: team, CreatedAt: at},
		identity.User{UID: "u-" + user, Name: user, Email: "a@localhost", CreatedAt: at},
		identity.Key{UID: "k", Hash: []byte("h"), OwnerType: identity.OwnerUser, OwnerUID: "u-" + user, TeamUID: "t-" + team, Role: identity.RoleAdmin, CreatedAt: at})
	w.ok(err)
	if !created {
		w.Fatal("not created")
	}
	return identity.Actor{Kind: identity.KindUser, UID: "u-" + user, Name: user, TeamUID: "t-" + team, Role: identity.RoleAdmin}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// each calls f with every scheduler.
func (w *world) each(f func(*schedule.Service)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.schedulers {
		f(s)
	}
}

func (w *world) wakeAll() { w.each(schedule.Wake) }

// serve runs n schedulers until the test ends.
func (w *world) serve(n int) {
	w.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := range n {
		s := w.Service
		if i > 0 {
			var err error
			s, err = schedule.New(w.config)
			w.ok(err)
			w.mu.Lock()
			w.schedulers = append(w.schedulers, s)
			w.mu.Unlock()
		}
		all.Go(func() {
			if err := s.Run(ctx); err != nil {
				w.Errorf("scheduler: %v", err)
			}
		})
	}
	w.Cleanup(func() { stop(); all.Wait() })
}

func (w *world) create(req api.CreateScheduledAgentRequest) schedule.Schedule {
	w.Helper()
	c, err := w.Create(w.ctx, w.user, req)
	w.ok(err)
	return c
}

func (w *world) get(id string) schedule.Schedule {
	w.Helper()
	c, err := w.Get(w.ctx, w.user, id)
	w.ok(err)
	return c
}

func (w *world) run(id string) run.Run {
	w.Helper()
	r, err := w.runStore.Get(w.ctx, id)
	w.ok(err)
	return r
}

// runs lists all runs, oldest first.
func (w *world) runs() []run.Run {
	w.Helper()
	var list []run.Run
	q := run.Query{Limit: run.MaxPage, Sort: api.RunSortCreatedAt, Ascending: true}
	for {
		page, err := w.service.List(w.ctx, w.user, q)
		w.ok(err)
		list = append(list, page.Runs...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return list
		}
	}
}

// outcomes lists what became of a schedule's ticks, oldest first.
func (w *world) outcomes(id string) []schedule.Outcome {
	w.Helper()
	list, _, err := w.History(w.ctx, w.user, id, "", 500)
	w.ok(err)
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// ticks waits until so many ticks have their outcome.
func (w *world) ticks(id string, n int) (list []schedule.Outcome) {
	w.Helper()
	w.until(func() bool { list = w.outcomes(id); return len(list) >= n })
	if len(list) > n {
		w.Fatalf("%d outcomes, want %d: %+v", len(list), n, list)
	}
	return list
}

// due counts the schedules that should have been served by now.
func (w *world) due() int {
	w.Helper()
	list, err := w.List(w.ctx, w.user)
	w.ok(err)
	n := 0
	for _, c := range list {
		if !c.Due.IsZero() && !c.Due.After(w.clock.now()) {
			n++
		}
	}
	return n
}

// until waits for something that the schedulers bring about.
func (w *world) until(done func() bool) {
	w.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); {
		if time.Now().After(deadline) {
			w.Fatal("it did not happen")
		}
		time.Sleep(2 * time.Millisecond)
	}
}
