package store_test

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// TestListPlans asks the engines how they carry out what lists and searches of every kind read: by an
// index, never by going through a table, and never sorting more than what was asked for by number.
func TestListPlans(t *testing.T) {
	scans := regexp.MustCompile(`^SCAN (r|runs|p|run_specs|run_metadata|artifacts|a|m|search_postings|lifecycle_events)\b`)
	for engine, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w, past := newWorld(7, 300)
			db := storetest.Open(t, store.Options{DSN: dsn(t)})
			runs := store.NewRuns(db)
			if err := runs.InsertPast(t.Context(), past); err != nil {
				t.Fatal(err)
			}
			if err := db.LevelSearch(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			asked := map[string][]any{}
			db.Asked(func(query string, args []any) {
				mu.Lock()
				defer mu.Unlock()
				asked[query] = slices.Clone(args)
			})
			for range 150 {
				db.Hasten(pick(w.rng, 1, 20), pick(w.rng, 4, 30), pick(w.rng, 1, 20), 3)
				pages(t, runs, limited(w.query()))
			}
			db.Asked(func(string, []any) {})
			mu.Lock()
			defer mu.Unlock()
			if len(asked) < 60 {
				t.Fatalf("only %d queries seen", len(asked))
			}
			for query, args := range asked {
				plan, err := db.Plan(t.Context(), query, args...)
				if err != nil {
					t.Fatalf("%s: %v", query, err)
				}
				sorts := !strings.Contains(query, "json_each") && !strings.Contains(query, "UNION")
				for _, step := range plan {
					if scans.MatchString(step) && !strings.Contains(step, "tree") || strings.Contains(step, "Seq Scan on") ||
						engine == "sqlite" && sorts && strings.Contains(step, "TEMP B-TREE FOR ORDER BY") {
						t.Errorf("%s\n\t%s", query, strings.Join(plan, "\n\t"))
						break
					}
				}
			}
		})
	}
}

// limited asks for pages long enough for a query's ways to be few pages.
func limited(q run.Query) run.Query {
	q.Limit = max(q.Limit, 20)
	return q
}
