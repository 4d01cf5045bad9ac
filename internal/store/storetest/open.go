package storetest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/cadrehq/cadre/internal/store"
)

// SQLite is the DSN of a new database that goes with the test.
func SQLite(t testing.TB) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "cadre.db")
}

// Open opens a store and closes it with the test. Without a DSN it is a new SQLite database, without
// a logger what it says goes to the test's log.
func Open(t testing.TB, opts store.Options) *store.DB {
	t.Helper()
	if opts.DSN == "" {
		opts.DSN = SQLite(t)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	db, err := store.Open(context.Background(), opts)
	if err != nil {
		t.Fatalf("open %s: %v", opts.DSN, err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return db
}
