package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// The pairs to be read side by side: Floor is the least durable work that could answer the same
// request (one row, in a shared commit), Insert and Append are the real thing.
//
//	go test ./internal/store -run - -bench . -benchtime 2s

func BenchmarkSQLite(b *testing.B) {
	benchmark(b, func(b *testing.B) string { return "sqlite:" + filepath.Join(b.TempDir(), "cadre.db") })
}

func BenchmarkPostgres(b *testing.B) {
	benchmark(b, func(b *testing.B) string { return storetest.Postgres(b) })
}

func benchmark(b *testing.B, dsn func(*testing.B) string) {
	for _, clients := range []int{1, 16, 64} {
		for _, act := range []struct {
			name string
			make func(*testing.B, *store.DB) func(context.Context) error
		}{{"Floor", floor}, {"Insert", inserts}, {"Append", appends}} {
			b.Run(fmt.Sprintf("%s/%d", act.name, clients), func(b *testing.B) {
				db, err := store.Open(b.Context(), store.Options{DSN: dsn(b), Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					b.Fatal(err)
				}
				defer func() {
					if err := db.Close(); err != nil {
						b.Error(err)
					}
				}()
				drive(b, clients, act.make(b, db))
			})
		}
	}
}

// drive has a number of clients share b.N calls of f, and reports the rate.
func drive(b *testing.B, clients int, f func(context.Context) error) {
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	b.ResetTimer()
	start := time.Now()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range work {
				if err := f(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "op/s")
}

func floor(_ *testing.B, db *store.DB) func(context.Context) error {
	row, err := json.Marshal(benchRun())
	return func(ctx context.Context) error {
		if err != nil {
			return err
		}
		id := uuid.Must(uuid.NewV7()).String()
		return db.Write(ctx, id, func(tx *store.Tx) error {
			_, err := tx.Exec("INSERT INTO server_secrets (name, value) VALUES ($1, $2)", id, string(row))
			return err
		})
	}
}

func inserts(_ *testing.B, db *store.DB) func(context.Context) error {
	runs := store.NewRuns(db)
	return func(ctx context.Context) error { return runs.Insert(ctx, benchRun()) }
}

// appends adds one entry to one of 64 runs.
func appends(b *testing.B, db *store.DB) func(context.Context) error {
	runs := store.NewRuns(db)
	ids := make(chan string, 64)
	for range cap(ids) {
		n := benchRun()
		if err := runs.Insert(b.Context(), n); err != nil {
			b.Fatal(err)
		}
		ids <- n.Run.ID
	}
	entry := api.MakeEntry(time.Now(), api.AgentMessage{Turn: 3, Text: "The test fails because the parser drops the last token."})
	return func(ctx context.Context) error {
		id := <-ids
		defer func() { ids <- id }()
		_, err := runs.Change(ctx, id, func(run.Current) (run.Change, error) {
			return run.Change{Entries: []api.NewEntry{entry}}, nil
		})
		return err
	}
}

func benchRun() run.New {
	id := uuid.Must(uuid.NewV7()).String()
	now := time.Now()
	author := api.UserProfile{Type: api.UserProfileTypeUser, Uid: "u-0123456789abcdef", DisplayName: "Ann Other", Email: "ann@example.com"}
	r := run.Run{
		ID: id, Title: "Fix the flaky parser test", State: api.RunStateQUEUED, Mode: api.RunModeNormal,
		Prompt: "The test TestParse fails on every tenth run. Find out why, fix it and add a test that would have caught it.",
		Source: api.RunSourceTypeAPI, Location: api.RunExecutionLocationREMOTE, Host: "local",
		Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: "t-0123456789abcdef"}, TeamUID: "t-0123456789abcdef",
		Creator: author, Executor: author, ConversationID: id,
		Config:    api.AmbientAgentConfig{ModelId: "scripted", Harness: api.Harness{Type: api.HarnessTypeOz}, WorkerHost: "local"},
		CreatedAt: now, UpdatedAt: now, QueuedAt: now,
	}
	return run.New{
		Run:     r,
		Entries: []api.NewEntry{api.MakeEntry(now, api.UserMessage{Text: r.Prompt, Author: author})},
		Event:   run.Event{Type: run.EventCreated, State: r.State, At: now},
	}
}
