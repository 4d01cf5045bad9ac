package store_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// world is a few hundred runs with many ties, and what of them each query must select, found by
// looking at every one.
type world struct {
	rng  *rand.Rand
	runs []run.Run
	arts map[string]api.ArtifactType
}

var (
	team   = identity.Owner{Type: api.ScopeTypeTeam, UID: "t"}
	person = identity.Owner{Type: api.ScopeTypeUser, UID: "u"}
	start  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func newWorld(seed uint64, runs int) (*world, []store.Past) {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), arts: map[string]api.ArtifactType{}}
	var past []store.Past
	for range runs {
		rng := w.rng
		id := uuid.UUID{6: 0x70, 8: 0x80}
		for i := range id {
			id[i] |= byte(rng.IntN(256)) & 0x3f
		}
		r := run.Run{
			ID: id.String(), Owner: pick(rng, team, team, team, person), TeamUID: team.UID,
			State: pick(rng, api.RunStateSUCCEEDED, api.RunStateSUCCEEDED, api.RunStateFAILED, api.RunStateQUEUED), Source: pick(rng, api.RunSourceTypeAPI, api.RunSourceTypeAPI, api.RunSourceTypeCLI),
			Title: w.words(3), Prompt: w.words(9), Skill: pick(rng, "", "", "org/a", "org/b"), ConversationID: id.String(),
			Creator: api.UserProfile{Uid: pick(rng, "ann", "ben")}, Executor: api.UserProfile{Uid: pick(rng, "ann", "ben")}, ScheduleID: pick(rng, "", "nightly"),
			CreatedAt: start.Add(time.Duration(rng.IntN(runs/3)) * time.Second),
		}
		r.UpdatedAt = r.CreatedAt.Add(time.Duration(rng.IntN(20)) * time.Second)
		r.Config.Name, r.Config.ModelId, r.Config.EnvironmentId = pick(rng, "", "fixer", "rare"), pick(rng, "m1", "m2"), pick(rng, "", "env")
		if rng.IntN(3) == 0 {
			r.Metadata = map[string]string{"k": pick(rng, "1", "2")}
		}
		if len(w.runs) > 0 && rng.IntN(3) == 0 {
			r.ParentID = w.runs[rng.IntN(min(len(w.runs), 5))].ID
		}
		p := store.Past{New: run.New{Run: r, Event: run.Event{Type: run.EventCreated}}}
		if rng.IntN(4) == 0 {
			w.arts[r.ID] = pick(rng, api.ArtifactTypeFILE, api.ArtifactTypePLAN)
			p.Artifacts = append(p.Artifacts, run.Artifact{UID: r.ID, Type: w.arts[r.ID]}, run.Artifact{UID: r.ID + "2", Type: w.arts[r.ID]})
		}
		w.runs, past = append(w.runs, r), append(past, p)
	}
	return w, past
}

func (w *world) words(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = pick(w.rng, "fix", "Fixture", "the", "the", "ÄRGER", "日本語の題", "a", "x-1", "50%", "_", "needle", "ǅungla", "parser")
		if list[i] == "needle" && w.rng.IntN(20) > 0 {
			list[i] = "the"
		}
	}
	return strings.Join(list, pick(w.rng, " ", " ", "\n"))
}

func (w *world) query() run.Query {
	rng := w.rng
	q := run.Query{Sort: pick(rng, api.RunSortUpdatedAt, api.RunSortCreatedAt, api.RunSortTitle, api.RunSortAgent), Ascending: rng.IntN(2) == 0, Limit: 1 + rng.IntN(60)}
	switch rng.IntN(4) {
	case 0:
		q.TeamUIDs = []string{team.UID}
	case 1:
		q.OwnerUID = person.UID
	default:
		q.TeamUIDs, q.OwnerUID = []string{team.UID, "other"}, person.UID
	}
	q.Archived = pick(rng, run.ArchivedExclude, run.ArchivedExclude, run.ArchivedInclude, run.ArchivedOnly)
	for range rng.IntN(4) {
		r := w.runs[rng.IntN(len(w.runs))]
		pick(rng,
			func() { q.States = []api.RunState{r.State} },
			func() { q.States = []api.RunState{api.RunStateQUEUED, api.RunStateFAILED, api.RunStateQUEUED} },
			func() { q.Source = r.Source },
			func() { q.Name = r.Config.Name },
			func() { q.ModelID = r.Config.ModelId },
			func() { q.Creator = r.Creator.Uid },
			func() { q.Executor = pick(rng, r.Executor.Uid, "nobody") },
			func() { q.EnvironmentID = cmp.Or(r.Config.EnvironmentId, run.EmptyEnvironment) },
			func() { q.Skill = r.Skill },
			func() { q.ScheduleID = r.ScheduleID },
			func() { q.Metadata = maps.Clone(r.Metadata) },
			func() { q.ArtifactType = api.ArtifactTypePLAN },
			func() { q.CreatedAfter = r.CreatedAt },
			func() { q.CreatedBefore = r.CreatedAt },
			func() { q.UpdatedAfter = r.UpdatedAt },
			func() { q.AncestorID = cmp.Or(r.ParentID, r.ID) },
			func() { q.ParentID = cmp.Or(r.ParentID, r.ID) },
			func() { q.ConversationID = r.ID },
		)()
	}
	if rng.IntN(2) == 0 {
		q.Text = pick(rng, "the", "fix", "FIXT", "n", "ee", "needle", "ärger", "本語", "日", "%", "_", "x-1 a", "absent", "needle the", "zq", "ǆungla", "ǅUN", "parserx")
	}
	return q
}

func (w *world) below(id string) map[string]bool {
	in := map[string]bool{}
	for again := true; again; {
		again = false
		for _, r := range w.runs {
			if r.ParentID != "" && !in[r.ID] && (r.ParentID == id || in[r.ParentID]) {
				in[r.ID], again = true, true
			}
		}
	}
	return in
}

// want finds what a query selects by looking at everything.
func (w *world) want(q run.Query) (ids []string) {
	below := w.below(q.AncestorID)
	list := slices.DeleteFunc(slices.Clone(w.runs), func(r run.Run) bool {
		is := func(want, have string) bool { return want == "" || want == have }
		ok := (r.Owner.Type == api.ScopeTypeTeam && slices.Contains(q.TeamUIDs, r.Owner.UID) || r.Owner.Type == api.ScopeTypeUser && q.OwnerUID == r.Owner.UID) &&
			(q.Archived == run.ArchivedInclude || r.Archived == (q.Archived == run.ArchivedOnly)) && (len(q.States) == 0 || slices.Contains(q.States, r.State)) && is(string(q.Source), string(r.Source)) && is(q.Name, r.Config.Name) &&
			is(q.ModelID, r.Config.ModelId) && is(q.Creator, r.Creator.Uid) && is(q.Executor, r.Executor.Uid) && is(q.Skill, r.Skill) && is(q.ScheduleID, r.ScheduleID) &&
			(is(q.EnvironmentID, r.Config.EnvironmentId) || q.EnvironmentID == run.EmptyEnvironment && r.Config.EnvironmentId == "") &&
			is(string(q.ArtifactType), string(w.arts[r.ID])) && is(q.ConversationID, r.ConversationID) && (q.AncestorID == "" || below[r.ID]) && is(q.ParentID, r.ParentID) &&
			(q.CreatedAfter.IsZero() || r.CreatedAt.After(q.CreatedAfter)) && (q.CreatedBefore.IsZero() || r.CreatedAt.Before(q.CreatedBefore)) && r.UpdatedAt.After(q.UpdatedAfter)
		for k, v := range q.Metadata {
			ok = ok && r.Metadata[k] == v
		}
		for _, f := range strings.Fields(strings.ToLower(q.Text)) {
			ok = ok && (strings.Contains(strings.ToLower(r.Title), f) || strings.Contains(strings.ToLower(r.Prompt), f) || strings.Contains(strings.ToLower(r.Skill), f))
		}
		return !ok
	})
	slices.SortFunc(list, func(a, b run.Run) int {
		var c int
		switch q.Sort {
		case api.RunSortAgent:
			if (a.Skill == "") != (b.Skill == "") {
				return strings.Compare(b.Skill, a.Skill)
			}
			c = strings.Compare(a.Skill, b.Skill)
		case api.RunSortTitle:
			c = strings.Compare(a.Title, b.Title)
		case api.RunSortCreatedAt:
			c = a.CreatedAt.Compare(b.CreatedAt)
		default:
			c = a.UpdatedAt.Compare(b.UpdatedAt)
		}
		if c = cmp.Or(c, strings.Compare(a.ID, b.ID)); !q.Ascending {
			c = -c
		}
		return c
	})
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

// pages follows a query to its end.
func pages(t testing.TB, runs store.Runs, q run.Query) (ids []string) {
	t.Helper()
	for range 2000 {
		page, err := runs.List(t.Context(), q)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		if page.Next != "" && len(page.Runs) != q.Limit || len(page.Runs) > q.Limit {
			t.Fatalf("%+v: a page of %d runs, next %v", q, len(page.Runs), page.Next != "")
		}
		for _, r := range page.Runs {
			ids = append(ids, r.ID)
		}
		if page.Next == "" {
			return ids
		}
		q.Cursor = page.Next
	}
	t.Fatal("the pages never end")
	return nil
}

// move has some runs come into another state at another time, be it before others.
func (w *world) move(t testing.TB, runs store.Runs, n int) {
	t.Helper()
	for range n {
		r := &w.runs[w.rng.IntN(len(w.runs))]
		r.State = pick(w.rng, api.RunStateSUCCEEDED, api.RunStateFAILED, api.RunStateINPROGRESS)
		r.UpdatedAt = start.Add(time.Duration(w.rng.IntN(len(w.runs))) * time.Second)
		_, err := runs.Change(t.Context(), r.ID, func(c run.Current) (run.Change, error) {
			next := c.Run
			next.State, next.UpdatedAt = r.State, r.UpdatedAt
			change := run.Change{Run: &next, Events: []run.Event{{Type: run.EventQueued, State: next.State, At: next.UpdatedAt}}}
			if w.arts[r.ID] == "" {
				w.arts[r.ID] = api.ArtifactTypePLAN
				change.Artifacts = []run.Artifact{{UID: r.ID, RunID: r.ID, Type: api.ArtifactTypePLAN}}
				change.Events = append(change.Events, run.Event{Type: run.EventArtifact, State: next.State, At: next.UpdatedAt})
			}
			return change, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// keep has some runs put away or fetched back, and some that none is below deleted, of which some also
// lose what they left.
func (w *world) keep(t testing.TB, db *store.DB, n int) {
	t.Helper()
	ctx, runs, deletions := t.Context(), store.NewRuns(db), store.NewDeletions(db)
	for range n {
		i := w.rng.IntN(len(w.runs))
		r := &w.runs[i]
		change := run.Change{Events: []run.Event{{Type: run.EventArchived}}}
		switch leaf := len(w.below(r.ID)) == 0; {
		case leaf && w.rng.IntN(3) == 0:
			change = run.Change{Deleted: true, Events: []run.Event{{Type: run.EventDeleted}}}
		case r.Archived:
			change.Events[0].Type = run.EventUnarchived
		}
		_, err := runs.Change(ctx, r.ID, func(c run.Current) (run.Change, error) {
			next := c.Run
			if !change.Deleted {
				next.Archived = !next.Archived
			}
			change.Run = &next
			return change, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Archived = !r.Archived; !change.Deleted {
			continue
		}
		for more := w.rng.IntN(2) == 0; more; {
			if more, err = deletions.Erase(ctx, r.ID); err != nil {
				t.Fatal(err)
			}
		}
		w.runs = slices.Delete(w.runs, i, i+1)
	}
}

// TestListsAsIfAllWereSeen compares random queries with looking at every run, whatever way the list
// takes: the search index in memory, stored, regrown or missing, and every bound so low that each way
// is taken.
func TestListsAsIfAllWereSeen(t *testing.T) {
	for engine, dsn := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.PostgresMigrated} {
		for name, prepare := range map[string]func(context.Context, *store.DB) error{
			"memory":  func(ctx context.Context, db *store.DB) error { return db.LevelSearch(ctx, false) },
			"stored":  func(ctx context.Context, db *store.DB) error { return db.LevelSearch(ctx, true) },
			"missing": func(context.Context, *store.DB) error { return nil },
			"known": func(ctx context.Context, db *store.DB) error {
				if err := db.LevelSearch(ctx, false); err != nil {
					return err
				}
				return db.Know(ctx, team, person, identity.Owner{Type: api.ScopeTypeTeam, UID: "other"},
					identity.Owner{Type: team.Type + ":archived", UID: team.UID})
			},
			"regrown": func(ctx context.Context, db *store.DB) error {
				if err := db.LevelSearch(ctx, true); err != nil {
					return err
				}
				db.RegrowSearch()
				return db.LevelSearch(ctx, false)
			},
		} {
			t.Run(engine+"/"+name, func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				w, past := newWorld(seed, 300)
				db := storetest.Open(t, store.Options{DSN: dsn(t)})
				runs := store.NewRuns(db)
				db.Hasten(1, 10, 20, 3)
				for half := range slices.Chunk(past, 150) {
					if err := runs.InsertPast(t.Context(), half); err != nil {
						t.Fatal(err)
					}
					if err := prepare(t.Context(), db); err != nil {
						t.Fatal(err)
					}
				}
				follow := 3
				if name == "missing" {
					follow = 0
				}
				for i := range 60 {
					db.Hasten(pick(w.rng, 1, 3, 20), pick(w.rng, 4, 30), pick(w.rng, 1, 20, 1000), follow)
					if i%10 == 9 {
						w.move(t, runs, 8)
						w.keep(t, db, 8)
					}
					q := w.query()
					got, want := pages(t, runs, q), w.want(q)
					if !slices.Equal(got, want) {
						t.Fatalf("seed %d, query %d: %+v\n%d runs, want %d%s", seed, i, q, len(got), len(want), difference(got, want))
					}
				}
			})
		}
	}
}

func difference(got, want []string) string {
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			return fmt.Sprintf("; they differ from %d on", i)
		}
	}
	return ""
}

// TestSearchWithoutIndexIsBounded: while the index is missing, a search that would have to read every
// text is refused, as something to be tried again.
func TestSearchWithoutIndexIsBounded(t *testing.T) {
	_, past := newWorld(1, 300)
	db := storetest.Open(t, store.Options{})
	runs := store.NewRuns(db)
	if err := runs.InsertPast(t.Context(), past); err != nil {
		t.Fatal(err)
	}
	db.Hasten(4, 20, 1, 0)
	db.Blind(100)
	_, err := runs.List(t.Context(), run.Query{TeamUIDs: []string{team.UID}, Text: "absent"})
	if api.CodeOf(err) != api.PlatformErrorCodeResourceUnavailable {
		t.Errorf("error is %v, want resource_unavailable", err)
	}
	if page, err := runs.List(t.Context(), run.Query{TeamUIDs: []string{team.UID}, Text: "the", Limit: 5}); err != nil || len(page.Runs) != 5 {
		t.Errorf("a common word: %d runs, %v", len(page.Runs), err)
	}
}
