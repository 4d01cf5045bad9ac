package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/run/keep"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// canary is in everything that anybody wrote of the runs to be deleted.
const canary = "zyxwcanary"

// eraseEnv makes the test binary an eraser that is killed: it names the database and the blobs.
const eraseEnv = "CADRE_STORE_TEST_ERASE"

// TestErasingSurvivesCrashes kills an eraser again and again, at any moment, and looks whether those who
// go on where it was leave anything that was written.
func TestErasingSurvivesCrashes(t *testing.T) {
	for name, dsn := range map[string]func(testing.TB) string{"SQLite": storetest.SQLite, "Postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, bytes := dsn(t), t.TempDir()
			doomed, kept := deleteSome(t, target, bytes)
			for round := range 4 {
				child := exec.Command(os.Args[0])
				child.Env = append(os.Environ(), eraseEnv+"="+target+"\n"+bytes)
				child.Stderr = t.Output()
				out, err := child.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := child.Start(); err != nil {
					t.Fatal(err)
				}
				for step := range 7 + 20*round { // a line a step
					var word string
					if _, err := fmt.Fscanln(out, &word); err != nil {
						t.Fatalf("the eraser ended by itself at step %d: %v", step, err)
					}
				}
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				_ = child.Wait() // killed, as meant
			}
			db := storetest.Open(t, store.Options{DSN: target})
			finish(t, db, bytes)
			nothingLeft(t, db, target, bytes, doomed, kept)
		})
	}
}

// deleteSome stores runs with all that a run may leave, and deletes all but the last.
func deleteSome(t *testing.T, dsn, bytes string) (doomed []string, kept string) {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, store.Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	runs, blobs := store.NewRuns(db), openBlobs(t, db, bytes)
	for range 4 {
		r := wordyRun()
		for range 450 {
			r.Entries = append(r.Entries, api.MakeEntry(start, api.AgentMessage{Text: canary}))
		}
		if err := runs.Insert(ctx, r); err != nil {
			t.Fatal(err)
		}
		for range 60 {
			m := blob.Meta{RunID: r.Run.ID, Kind: api.BlobKindOutput, Name: canary}
			if _, err := blobs.Put(ctx, m, strings.NewReader(canary), 100); err != nil {
				t.Fatal(err)
			}
		}
		change(t, runs, r.Run.ID, run.Change{
			Commands:  []run.Command{{Kind: api.CommandKindFollowUp, Text: canary}},
			Requests:  []run.Request{{Request: api.Request{ID: "q", Prompt: canary}, RunID: r.Run.ID}},
			Artifacts: []run.Artifact{{UID: r.Run.ID, RunID: r.Run.ID, Type: api.ArtifactTypePLAN, Data: api.ArtifactData{Title: canary}}},
			Events:    []run.Event{{Type: run.EventArtifact, Message: canary}},
		})
		doomed = append(doomed, r.Run.ID)
	}
	// Two are in stored rows of the search index, the others in the memory of a server that is gone.
	if err := db.LevelSearch(ctx, true); err != nil {
		t.Fatal(err)
	}
	last := wordyRun()
	if err := runs.Insert(ctx, last); err != nil {
		t.Fatal(err)
	}
	for _, id := range doomed {
		change(t, runs, id, run.Change{Deleted: true, Events: []run.Event{{Type: run.EventDeleted}}})
		if _, err := runs.Get(ctx, id); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			t.Errorf("a deleted run is found: %v", err)
		}
	}
	return doomed, last.Run.ID
}

func wordyRun() run.New {
	id := uuid.Must(uuid.NewV7()).String()
	r := run.Run{
		ID: id, ConversationID: id, Owner: team, TeamUID: team.UID, State: api.RunStateFAILED, Title: canary, Prompt: canary,
		Message: canary, Skill: canary, CreatedAt: start, UpdatedAt: start, Metadata: map[string]string{"k": canary},
		Config: api.AmbientAgentConfig{Name: canary},
	}
	return run.New{Run: r, Event: run.Event{Type: run.EventCreated, Message: canary}}
}

func change(t *testing.T, runs store.Runs, id string, c run.Change) {
	t.Helper()
	if _, err := runs.Change(t.Context(), id, func(run.Current) (run.Change, error) { return c, nil }); err != nil {
		t.Fatal(err)
	}
}

func openBlobs(t testing.TB, db *store.DB, bytes string) *blob.Service {
	t.Helper()
	blobs, err := blob.New(blob.Config{Store: store.NewBlobs(db), Log: slog.Default(), URL: "file://" + bytes})
	if err != nil {
		t.Fatal(err)
	}
	return blobs
}

// later is a clock by which the claims of erasers that were killed are over.
func later() time.Time { return time.Now().Add(time.Hour) }

// finish erases until nothing is due.
func finish(t *testing.T, db *store.DB, bytes string) {
	t.Helper()
	e := keep.NewEraser(store.NewDeletions(db), openBlobs(t, db, bytes), later, slog.Default())
	for {
		id, err := e.One(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if id == "" {
			return
		}
	}
}

// nothingLeft looks for the canary everywhere but in the run that stays, whose words are found by it.
func nothingLeft(t *testing.T, db *store.DB, dsn, bytes string, doomed []string, kept string) {
	t.Helper()
	ctx := t.Context()
	err := filepath.WalkDir(bytes, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	driver := "sqlite"
	if strings.HasPrefix(dsn, "postgres") {
		driver = "pgx"
	}
	raw, err := sql.Open(driver, strings.TrimPrefix(dsn, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	for _, id := range doomed {
		for table, where := range map[string]string{
			"entries": "", "commands": "", "requests": "", "artifacts": "", "run_specs": "", "run_metadata": "", "blobs": "",
			"lifecycle_events": " AND (message <> '' OR data <> '')",
		} {
			var n int
			if err := raw.QueryRowContext(ctx, "SELECT count(*) FROM "+table+" WHERE run_id = $1"+where, id).Scan(&n); err != nil || n > 0 {
				t.Errorf("%d rows of %s are left of a deleted run (%v)", n, table, err)
			}
		}
		var words string
		if err := raw.QueryRowContext(ctx, "SELECT title || message || skill || config_name FROM runs WHERE id = $1", id).Scan(&words); err != nil || words != "" {
			t.Errorf("the row of a deleted run says %q (%v)", words, err)
		}
	}
	if err := db.LevelSearch(ctx, true); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Indexed(ctx, canary); err != nil || n != 1 {
		t.Errorf("the search index has %d runs with the word, want the one that stays (%v)", n, err)
	}
	page, err := store.NewRuns(db).List(ctx, run.Query{TeamUIDs: []string{team.UID}, Text: canary, Archived: run.ArchivedInclude})
	if err != nil || len(page.Runs) != 1 || page.Runs[0].ID != kept {
		t.Errorf("found %d runs, %v", len(page.Runs), err)
	}
}

// eraseUntilKilled is the child: it erases a step at a time, and says so after each. With nothing left
// to do it goes on saying so.
func eraseUntilKilled(args string) error {
	dsn, bytes, _ := strings.Cut(args, "\n")
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{DSN: dsn})
	if err != nil {
		return err
	}
	blobs, err := blob.New(blob.Config{Store: store.NewBlobs(db), Log: slog.Default(), URL: "file://" + bytes})
	if err != nil {
		return err
	}
	e := keep.NewEraser(telling{store.NewDeletions(db)}, blobs, later, slog.Default())
	for {
		if _, err := e.One(ctx); err != nil {
			return err
		}
		fmt.Println("round")
	}
}

// telling says after each step that it was made.
type telling struct{ store.Deletions }

func (s telling) Claim(ctx context.Context, now, until time.Time) (string, error) {
	return s.Deletions.Claim(ctx, now, now) // whoever comes next goes on where this one was
}

func (s telling) Erase(ctx context.Context, runID string) (bool, error) {
	more, err := s.Deletions.Erase(ctx, runID)
	fmt.Println("erased")
	return more, err
}

func (s telling) Forget(ctx context.Context, runID string, blobIDs []string) error {
	fmt.Println("forgetting")
	return s.Deletions.Forget(ctx, runID, blobIDs)
}
