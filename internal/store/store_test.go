package store_test

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(crashEnv); dsn != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(dsn))
		os.Exit(1)
	}
	if args := os.Getenv(eraseEnv); args != "" {
		fmt.Fprintln(os.Stderr, eraseUntilKilled(args))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB, opts store.Options) *store.DB {
		opts.DSN = storetest.SQLite(t)
		return storetest.Open(t, opts)
	})
}

func TestPostgres(t *testing.T) {
	storetest.PostgresMigrated(t) // skips here rather than in every test
	storetest.Run(t, func(t testing.TB, opts store.Options) *store.DB {
		opts.DSN = storetest.PostgresMigrated(t)
		return storetest.Open(t, opts)
	})
}

// TestReplicasOpenTogether: servers that start at the same time on an empty database all come up.
func TestReplicasOpenTogether(t *testing.T) {
	dsn := storetest.Postgres(t)
	dbs := make([]*store.DB, 4)
	var wg sync.WaitGroup
	for i := range dbs {
		wg.Go(func() {
			var err error
			if dbs[i], err = store.Open(t.Context(), store.Options{DSN: dsn}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, db := range dbs {
		if db == nil {
			continue
		}
		if err := db.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestReplicasShareOneOrder: two servers on one database lose no update, number entries and events
// without gaps, and survive each other's locks.
func TestReplicasShareOneOrder(t *testing.T) {
	dsn := storetest.Postgres(t)
	replicas := []store.Runs{
		store.NewRuns(storetest.Open(t, store.Options{DSN: dsn})),
		store.NewRuns(storetest.Open(t, store.Options{DSN: dsn})),
	}
	var ids []string
	for range 6 {
		n := benchRun()
		if err := replicas[0].Insert(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, n.Run.ID)
	}
	const clients, each = 24, 20
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			for k := range each {
				_, err := replicas[i%2].Change(t.Context(), ids[(i*k)%len(ids)], func(c run.Current) (run.Change, error) {
					c.Run.Attempts++
					return run.Change{Run: &c.Run, Entries: []api.NewEntry{{Type: api.EntryTypeNotice, Data: []byte("{}")}},
						Events: []run.Event{{Type: run.EventQueued}}}, nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, id := range ids {
		r, err := replicas[1].Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r.LastSeq != int64(1+r.Attempts) {
			t.Errorf("run %s: %d entries after %d changes", id, r.LastSeq, r.Attempts)
		}
		total += r.Attempts
	}
	if total != clients*each {
		t.Errorf("%d changes stored, %d acknowledged", total, clients*each)
	}
	events, err := store.NewEvents(storetest.Open(t, store.Options{DSN: dsn})).After(t.Context(), 0, 1<<20)
	if err != nil || len(events) != len(ids)+total || events[len(events)-1].Seq != int64(len(events)) {
		t.Errorf("%d events (%v), want %d", len(events), err, len(ids)+total)
	}
}

// TestConnectionsCut: a server that drops every connection, as on its restart, is found again.
func TestConnectionsCut(t *testing.T) {
	dsn := storetest.Postgres(t)
	db := storetest.Open(t, store.Options{DSN: dsn, Writers: 1})
	runs := store.NewRuns(db)
	cut := func(tx *store.Tx) error {
		_, err := tx.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		return err
	}
	other := storetest.Open(t, store.Options{DSN: dsn})
	for range 3 {
		n := benchRun()
		if err := runs.Insert(t.Context(), n); err != nil {
			t.Fatalf("insert after the connections were cut: %v", err)
		}
		if _, err := runs.Get(t.Context(), n.Run.ID); err != nil {
			t.Fatalf("read after the connections were cut: %v", err)
		}
		if err := other.Write(t.Context(), "", cut); err != nil {
			t.Fatal(err)
		}
	}
	// A connection that goes in the middle of an operation costs that operation only.
	err := db.Write(t.Context(), "", func(tx *store.Tx) error {
		if err := tx.Send("INSERT INTO server_secrets (name, value) VALUES ('cut', '')"); err != nil {
			return err
		}
		if err := other.Write(t.Context(), "", cut); err != nil {
			return err
		}
		_, err := tx.Exec("SELECT 1")
		return err
	})
	if api.CodeOf(err) != api.PlatformErrorCodeResourceUnavailable {
		t.Fatalf("error is %v, want resource_unavailable", err)
	}
	if err := runs.Insert(t.Context(), benchRun()); err != nil {
		t.Fatal(err)
	}
}
