package store

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// What a server that died while it copied a conversation left behind is there for nobody, and goes; who
// comes too late to finish is refused.
func TestHalfACopyGoes(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	db, err := Open(ctx, Options{DSN: filepath.Join(t.TempDir(), "a.db"), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var entries []api.NewEntry
	for range 3 {
		entries = append(entries, api.MakeEntry(now, api.AgentMessage{Text: strings.Repeat("x", stageBytes/2)}))
	}
	stages := stagesOf(entryRows("id", 0, 0, entries, now))
	if len(stages) != 3 {
		t.Fatalf("%d stages, want 3", len(stages))
	}
	r := run.Run{ID: "id", Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: "t"}, State: api.RunStateQUEUED, CreatedAt: now, UpdatedAt: now}
	runs, deletions := NewRuns(db), NewDeletions(db)
	if err := runs.stage(ctx, r, stages); err != nil {
		t.Fatal(err)
	}
	if _, err := runs.Get(ctx, r.ID); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		t.Errorf("half a run is found: %v", err)
	}
	if id, err := deletions.Claim(ctx, now, now); id != "" || err != nil {
		t.Errorf("%q is taken away while it is copied (%v)", id, err)
	}
	now = now.Add(2 * stageTime)
	if id, err := deletions.Claim(ctx, now, now); id != r.ID || err != nil {
		t.Fatalf("claimed %q, %v", id, err)
	}
	err = db.Write(ctx, r.ID, func(tx *Tx) error { return unhide(tx, r.ID, runValues(r)) })
	if api.CodeOf(err) != api.PlatformErrorCodeResourceUnavailable {
		t.Errorf("a run that is being taken away becomes whole: %v", err)
	}
	for more := true; more; {
		if more, err = deletions.Erase(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
	}
	left, err := NewSessions(db).Entries(ctx, r.ID, 0, 10)
	if err != nil || len(left) != 0 {
		t.Errorf("%d entries are left, %v", len(left), err)
	}
}
