package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// crashEnv makes the test binary the process that is killed: it names the database.
const crashEnv = "CADRE_STORE_TEST_CRASH"

// TestCrash kills a writing process again and again and looks for what it had acknowledged.
func TestCrash(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{"SQLite": storetest.SQLite, "Postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := dsn(t)
			acked := map[string]int64{} // run -> last acknowledged entry
			for round := range 3 {
				killWriter(t, target, 100+150*round, acked)
				checkSurvivors(t, target, acked)
			}
		})
	}
}

// killWriter starts a writer, kills it once it has acknowledged a number of operations, and adds
// all it managed to acknowledge to acked.
func killWriter(t *testing.T, dsn string, after int, acked map[string]int64) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashEnv+"="+dsn)
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil { // what follows the last newline was cut off by the kill
			if !errors.Is(err, io.EOF) || n <= after {
				t.Errorf("the writer ended by itself after %d operations: %v", n-1, err)
			}
			break
		}
		var id string
		var seq int64
		if _, err := fmt.Sscan(line, &id, &seq); err != nil {
			t.Fatalf("the writer said %q", line)
		}
		acked[id] = max(acked[id], seq)
		if n == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // killed, as meant
}

// writeUntilKilled is the child: clients insert runs and append to them, each telling what was
// acknowledged before it goes on.
func writeUntilKilled(dsn string) error {
	db, err := store.Open(context.Background(), store.Options{DSN: dsn, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	runs := store.NewRuns(db)
	var mu sync.Mutex
	tell := func(id string, seq int64) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := fmt.Println(id, seq)
		return err
	}
	failed := make(chan error)
	for range 16 {
		go func() {
			for {
				if err := writeOne(runs, tell); err != nil {
					failed <- err
				}
			}
		}()
	}
	return <-failed
}

func writeOne(runs store.Runs, tell func(string, int64) error) error {
	ctx := context.Background()
	n := benchRun()
	if err := runs.Insert(ctx, n); err != nil {
		return err
	}
	if err := tell(n.Run.ID, 1); err != nil {
		return err
	}
	for range 3 {
		done, err := runs.Change(ctx, n.Run.ID, func(c run.Current) (run.Change, error) {
			c.Run.Attempts++
			e := api.MakeEntry(time.Now(), api.Notice{Text: strings.Repeat("x", 2000)})
			return run.Change{Run: &c.Run, Entries: []api.NewEntry{e, e}, Events: []run.Event{{Type: run.EventQueued}}}, nil
		})
		if err != nil {
			return err
		}
		if err := tell(n.Run.ID, done.LastSeq); err != nil {
			return err
		}
	}
	return nil
}

// checkSurvivors opens what the killed process left and fails the test unless everything
// acknowledged is there, nothing is there by halves, and it can be written to.
func checkSurvivors(t *testing.T, dsn string, acked map[string]int64) {
	t.Helper()
	ctx := t.Context()
	db := storetest.Open(t, store.Options{DSN: dsn})
	runs, sessions := store.NewRuns(db), store.NewSessions(db)
	page, err := runs.List(ctx, run.Query{TeamUIDs: []string{benchRun().Run.TeamUID}, Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	for _, r := range page.Runs {
		if r.LastSeq < acked[r.ID] {
			t.Fatalf("run %s ends at entry %d, but %d was acknowledged", r.ID, r.LastSeq, acked[r.ID])
		}
		delete(acked, r.ID)
		entries, err := sessions.Entries(ctx, r.ID, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(entries)) != r.LastSeq || entries[len(entries)-1].Seq != r.LastSeq || r.LastSeq != int64(1+2*r.Attempts) {
			t.Fatalf("run %s says %d entries after %d changes and has %d", r.ID, r.LastSeq, r.Attempts, len(entries))
		}
		changes += r.Attempts
	}
	if len(acked) > 0 {
		t.Fatalf("%d acknowledged runs are gone", len(acked))
	}
	events, err := store.NewEvents(db).After(ctx, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != len(page.Runs)+changes || events[len(events)-1].Seq != int64(len(events)) {
		t.Fatalf("%d events, the last is %d; want one per run (%d) and change (%d)",
			len(events), events[len(events)-1].Seq, len(page.Runs), changes)
	}
	if err := db.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	checkIntegrity(t, dsn)
}

// checkIntegrity has SQLite examine the file.
func checkIntegrity(t *testing.T, dsn string) {
	t.Helper()
	path, ok := strings.CutPrefix(dsn, "sqlite:")
	if !ok {
		return
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var verdict string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
		t.Fatalf("integrity check: %s %v", verdict, err)
	}
}
