package seed_test

import (
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/seed"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// TestFill: the same seed makes the same runs, they can be listed and searched, and more than a block
// of the search index of them.
func TestFill(t *testing.T) {
	opts := seed.Options{
		Runs: 8000, Seed: 3, Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: "team"}, User: "user",
		Until: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC),
	}
	lists := map[int]run.Page{}
	for i := range 2 {
		stored := 0
		opts.Progress = func(n int) { stored = n }
		db := storetest.Open(t, store.Options{})
		if err := seed.Fill(t.Context(), db, opts); err != nil || stored != opts.Runs {
			t.Fatalf("%d stored: %v", stored, err)
		}
		runs := store.NewRuns(db)
		q := run.Query{TeamUIDs: []string{"team"}, OwnerUID: "user", Limit: 50, Text: "test"}
		page, err := runs.List(t.Context(), q)
		if err != nil || len(page.Runs) != 50 {
			t.Fatalf("%d runs: %v", len(page.Runs), err)
		}
		lists[i] = page
		for q := range map[*run.Query]bool{{Text: "absentword"}: true, {States: []api.RunState{api.RunStateINPROGRESS, api.RunStatePENDING}}: true} {
			q.TeamUIDs = []string{"team"}
			if page, err := runs.List(t.Context(), *q); err != nil || len(page.Runs) > 0 {
				t.Errorf("%d runs that should not be there: %v", len(page.Runs), err)
			}
		}
	}
	for i, r := range lists[0].Runs {
		if other := lists[1].Runs[i]; r.ID != other.ID || r.Prompt != other.Prompt || !r.UpdatedAt.Equal(other.UpdatedAt) {
			t.Fatalf("run %d differs: %s and %s", i, r.ID, other.ID)
		}
	}
}
