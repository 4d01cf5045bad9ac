package store_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// TestFullDatabase: the engine runs out of pages in the middle of groups.
func TestFullDatabase(t *testing.T) {
	dsn := storetest.SQLite(t)
	limit := func(db *store.DB, pages int) error {
		return db.Write(t.Context(), "", func(tx *store.Tx) error {
			_, err := tx.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			return err
		})
	}
	fillAndRecover(t, dsn,
		func(db *store.DB) error { return limit(db, 300) },
		func(db *store.DB) error { return limit(db, 1<<30) })
}

// TestFullDisk: the file system is full. It needs a file system of its own, and so root.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("cannot mount a small file system (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	fillAndRecover(t, "sqlite:"+filepath.Join(dir, "cadre.db"),
		func(*store.DB) error { return os.WriteFile(ballast, make([]byte, 5<<20), 0o600) },
		func(*store.DB) error { return os.Remove(ballast) })
}

// fillAndRecover writes from several clients until there is no room, checks that this was said and
// that nothing acknowledged is missing, makes room, and writes on with the same store.
func fillAndRecover(t *testing.T, dsn string, fill, free func(*store.DB) error) {
	t.Helper()
	log := new(strings.Builder)
	db := storetest.Open(t, store.Options{DSN: dsn, Logger: slog.New(slog.NewTextHandler(log, nil))})
	runs := store.NewRuns(db)
	if err := fill(db); err != nil {
		t.Fatal(err)
	}
	type result struct {
		ids []string
		err error
	}
	results := make(chan result)
	for range 8 {
		go func() {
			var r result
			for len(r.ids) < 10_000 {
				n := benchRun()
				n.Run.Prompt = strings.Repeat("fill the disk ", 300)
				if r.err = runs.Insert(t.Context(), n); r.err != nil {
					break
				}
				r.ids = append(r.ids, n.Run.ID)
			}
			results <- r
		}()
	}
	var acked []string
	for range 8 {
		r := <-results
		acked = append(acked, r.ids...)
		if !errors.Is(r.err, api.Fail(api.PlatformErrorCodeResourceUnavailable, "")) {
			t.Fatalf("a full disk says %v, want resource_unavailable", r.err)
		}
	}
	if err := db.Ready(t.Context()); err == nil {
		t.Error("ready without room to write")
	}
	if err := free(db); err != nil {
		t.Fatal(err)
	}
	n := benchRun()
	if err := runs.Insert(t.Context(), n); err != nil {
		t.Fatalf("there is room again, but: %v", err)
	}
	for _, id := range append(acked, n.Run.ID) {
		if _, err := runs.Get(t.Context(), id); err != nil {
			t.Fatalf("an acknowledged run is gone: %v", err)
		}
	}
	events, err := store.NewEvents(db).After(t.Context(), 0, 1<<20)
	if err != nil || len(events) != len(acked)+1 || events[len(events)-1].Seq != int64(len(events)) {
		t.Fatalf("%d events (%v) for %d runs", len(events), err, len(acked)+1)
	}
	checkIntegrity(t, dsn)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "store cannot write"); n != 1 {
		t.Errorf("the log says %d times that the store cannot write, want once:\n%s", n, log)
	}
}
