package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// Everybody hears what anybody says, in the order it was said, long texts and equal ones too; and a
// line that PostgreSQL ended says so.
func TestLine(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, other := storetest.Open(t, store.Options{DSN: dsn}), storetest.Open(t, store.Options{DSN: dsn})
	says, hears := openLine(t, db), openLine(t, other)
	var said []string
	for n := range 300 {
		said = append(said, fmt.Sprintf("%d größe \" \\ ' $1", n), fmt.Sprint(n, " ", strings.Repeat("x", 7800)))
	}
	for texts := range slices.Chunk(said, 7) {
		if err := says.Say(ctx, texts); err != nil {
			t.Fatal(err)
		}
	}
	for name, l := range map[string]*store.Line{"itself": says, "the other": hears} {
		for n, want := range said {
			got, err := l.Hear(ctx)
			if err != nil || got != want {
				t.Fatalf("%s heard %.40q as text %d: %v; want %.40q", name, got, n, err, want)
			}
		}
	}
	if err := db.Write(ctx, "", func(tx *store.Tx) error {
		_, err := tx.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := hears.Hear(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("heard on a connection that was ended: %v", err)
	}
	if err := says.Say(ctx, []string{"x"}); err == nil {
		t.Error("said something on a connection that was ended")
	}
}

func openLine(t *testing.T, db *store.DB) *store.Line {
	t.Helper()
	l, err := db.OpenLine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// A SQLite file has one server.
func TestNoLineOnSQLite(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{DSN: storetest.SQLite(t)})
	if _, err := db.OpenLine(t.Context()); err == nil || db.Shared() {
		t.Errorf("shared %t: %v", db.Shared(), err)
	}
}
