package storetest

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// ids lists the runs a query selects.
func (b *bundle) ids(q run.Query) (ids []string) {
	b.Helper()
	page, err := b.runs.List(b.ctx, q)
	b.ok(err)
	for _, r := range page.Runs {
		ids = append(ids, r.ID)
	}
	return ids
}

func testListFilters(b *bundle) {
	full := fullRun()
	full.Run.State = api.RunStateERROR
	full.Run.Source, full.Run.Location = api.RunSourceTypeSLACK, api.RunExecutionLocationLOCAL
	full.Run.Creator.Uid, full.Run.Executor.Uid = "creator", "executor"
	full.Run.CreatedAt, full.Run.UpdatedAt = noon.Add(time.Hour), noon.Add(2*time.Hour)
	b.ok(b.runs.Insert(b.ctx, full))
	_, err := b.runs.Change(b.ctx, full.Run.ID, func(run.Current) (run.Change, error) {
		return run.Change{Events: has, Artifacts: []run.Artifact{{UID: newID(), Type: api.ArtifactTypePLAN}, {UID: newID(), Type: api.ArtifactTypePLAN}}}, nil
	})
	b.ok(err)
	plain := b.insert(func(n *run.New) { n.Run.Metadata = map[string]string{"ticket_id": "T-2", "ü": "日本"} })

	r := full.Run
	for name, c := range map[string]struct {
		only, neither run.Query // neither differs in one filter
	}{
		"states":       {run.Query{States: []api.RunState{api.RunStateERROR, api.RunStateFAILED}}, run.Query{States: []api.RunState{api.RunStateBLOCKED}}},
		"source":       {run.Query{Source: r.Source}, run.Query{Source: api.RunSourceTypeJIRA}},
		"location":     {run.Query{Location: r.Location, States: []api.RunState{r.State}}, run.Query{Location: api.RunExecutionLocationREMOTE, States: []api.RunState{r.State}}},
		"name":         {run.Query{Name: "fixer"}, run.Query{Name: "fixe"}},
		"model":        {run.Query{ModelID: "scripted"}, run.Query{ModelID: "other"}},
		"creator":      {run.Query{Creator: "creator"}, run.Query{Creator: "executor"}},
		"executor":     {run.Query{Executor: "executor"}, run.Query{Executor: "creator"}},
		"environment":  {run.Query{EnvironmentID: r.Config.EnvironmentId}, run.Query{EnvironmentID: "other"}},
		"skill":        {run.Query{Skill: r.Skill}, run.Query{Skill: "org"}},
		"schedule":     {run.Query{ScheduleID: "sched-1"}, run.Query{ScheduleID: "sched-2"}},
		"conversation": {run.Query{ConversationID: r.ConversationID}, run.Query{ConversationID: r.ID}},
		"artifact":     {run.Query{ArtifactType: api.ArtifactTypePLAN}, run.Query{ArtifactType: api.ArtifactTypeFILE}},
		"created":      {run.Query{CreatedAfter: noon}, run.Query{CreatedAfter: noon.Add(time.Hour)}},
		"updated":      {run.Query{UpdatedAfter: noon}, run.Query{UpdatedAfter: noon.Add(2 * time.Hour)}},
		"metadata":     {run.Query{Metadata: map[string]string{"ticket_id": "T-1", "ü": "日本"}}, run.Query{Metadata: map[string]string{"ticket_id": "T-1", "ü": "x"}}},
		"all at once": {run.Query{Source: r.Source, Name: "fixer", Skill: r.Skill, CreatedAfter: noon, Text: "BUILD make"},
			run.Query{Source: r.Source, Name: "fixer", Skill: r.Skill, CreatedAfter: noon, Text: "BUILD nothing"}},
	} {
		for _, sort := range []api.RunSort{api.RunSortUpdatedAt, api.RunSortCreatedAt, api.RunSortTitle, api.RunSortAgent} {
			c.only.TeamUIDs, c.neither.TeamUIDs = []string{red.UID}, []string{red.UID}
			c.only.Sort, c.neither.Sort = sort, sort
			same(b, fmt.Sprint(name, " by ", sort), b.ids(c.only), []string{r.ID})
			same(b, fmt.Sprint("not ", name, " by ", sort), len(b.ids(c.neither)), 0)
		}
	}
	reds := []string{red.UID}
	same(b, "no environment", b.ids(run.Query{TeamUIDs: reds, EnvironmentID: run.EmptyEnvironment}), []string{plain.ID})
	same(b, "created before", b.ids(run.Query{TeamUIDs: reds, CreatedBefore: noon.Add(time.Hour)}), []string{plain.ID})
	same(b, "own conversation", b.ids(run.Query{TeamUIDs: reds, ConversationID: plain.ID}), []string{plain.ID})
}

// testListPages walks every order in pages of every size, with many ties, and compares with a plain
// sort of everything.
func testListPages(b *bundle) {
	var all []run.Run
	for i := range 23 {
		all = append(all, b.insert(func(n *run.New) {
			n.Run.Title = []string{"b", "a", "B", "ä", ""}[i%5]
			n.Run.Skill = []string{"", "z", "a"}[i%3]
			n.Run.CreatedAt = noon.Add(time.Duration(i%4) * time.Second)
			n.Run.UpdatedAt = noon.Add(time.Duration(i%7) * time.Second)
			n.Run.Owner = []identity.Owner{red, ann}[i%2]
		}))
	}
	key := func(sort api.RunSort, r run.Run) string {
		switch sort {
		case api.RunSortTitle:
			return r.Title
		case api.RunSortAgent:
			return r.Skill
		case api.RunSortCreatedAt:
			return r.CreatedAt.Format(time.RFC3339Nano)
		}
		return r.UpdatedAt.Format(time.RFC3339Nano)
	}
	for _, sort := range []api.RunSort{api.RunSortUpdatedAt, api.RunSortCreatedAt, api.RunSortTitle, api.RunSortAgent} {
		for _, ascending := range []bool{false, true} {
			sorted := slices.Clone(all)
			slices.SortFunc(sorted, func(x, y run.Run) int {
				if sort == api.RunSortAgent && (x.Skill == "") != (y.Skill == "") {
					return strings.Compare(y.Skill, x.Skill) // without a skill: last, whatever the order
				}
				c := strings.Compare(key(sort, x)+"\x00"+x.ID, key(sort, y)+"\x00"+y.ID)
				if !ascending {
					c = -c
				}
				return c
			})
			var want []string
			for _, r := range sorted {
				want = append(want, r.ID)
			}
			for _, limit := range []int{1, 4, 22, 23, 50} {
				same(b, fmt.Sprintf("by %s, ascending %v, in pages of %d", sort, ascending, limit), b.walk(run.Query{
					TeamUIDs: []string{red.UID}, OwnerUID: ann.UID, Sort: sort, Ascending: ascending, Limit: limit}), want)
			}
		}
	}
}

// walk follows the pages of a query to the end.
func (b *bundle) walk(q run.Query) (ids []string) {
	b.Helper()
	for range 1000 {
		page, err := b.runs.List(b.ctx, q)
		b.ok(err)
		if len(page.Runs) > q.Limit || page.Next != "" && len(page.Runs) != q.Limit {
			b.Fatalf("a page has %d runs and a next one %v, limit %d", len(page.Runs), page.Next != "", q.Limit)
		}
		for _, r := range page.Runs {
			ids = append(ids, r.ID)
		}
		if page.Next == "" {
			return ids
		}
		q.Cursor = page.Next
	}
	b.Fatal("the pages never end")
	return nil
}

func testListVisibility(b *bundle) {
	owned := func(o identity.Owner) string {
		return b.insert(func(n *run.New) { n.Run.Owner = o }).ID // all count against the red team
	}
	reds, blues, anns := owned(red), owned(blue), owned(ann)
	for name, c := range map[string]struct {
		q    run.Query
		want []string
	}{
		"team":          {run.Query{TeamUIDs: []string{red.UID}}, []string{reds}},
		"teams":         {run.Query{TeamUIDs: []string{red.UID, blue.UID}}, []string{reds, blues}},
		"person":        {run.Query{OwnerUID: ann.UID}, []string{anns}},
		"both":          {run.Query{TeamUIDs: []string{blue.UID}, OwnerUID: ann.UID}, []string{blues, anns}},
		"nobody":        {run.Query{}, nil},
		"wrong kind":    {run.Query{OwnerUID: red.UID}, nil},
		"unknown":       {run.Query{TeamUIDs: []string{"x"}}, nil},
		"nobody's text": {run.Query{Text: "fix"}, nil},
	} {
		got := b.ids(c.q)
		slices.Sort(got)
		slices.Sort(c.want)
		same(b, name, got, c.want)
	}
}

func testListCursor(b *bundle) {
	for range 3 {
		b.insert(nil)
	}
	q := run.Query{TeamUIDs: []string{red.UID}, Limit: 1, Sort: api.RunSortTitle}
	page, err := b.runs.List(b.ctx, q)
	b.ok(err)
	encode := base64.RawURLEncoding.EncodeToString
	for name, edit := range map[string]func(*run.Query){
		"other sort":  func(q *run.Query) { q.Cursor, q.Sort = page.Next, api.RunSortUpdatedAt },
		"other order": func(q *run.Query) { q.Cursor, q.Ascending = page.Next, true },
		"garbage":     func(q *run.Query) { q.Cursor = "%%%" },
		"not json":    func(q *run.Query) { q.Cursor = encode([]byte("hello")) },
		"no id":       func(q *run.Query) { q.Cursor = encode([]byte(`{"s":"title"}`)) },
		"wrong type":  func(q *run.Query) { q.Cursor = encode([]byte(`{"s":"title","i":7}`)) },
		"cut":         func(q *run.Query) { q.Cursor = page.Next[:len(page.Next)-3] },
		"huge":        func(q *run.Query) { q.Cursor = strings.Repeat("a", 1<<20) },
	} {
		bad := q
		edit(&bad)
		_, err := b.runs.List(b.ctx, bad)
		b.Log(name)
		b.code(err, api.PlatformErrorCodeInvalidRequest)
	}
}

func testListText(b *bundle) {
	put := func(title, prompt, skill string) string {
		return b.insert(func(n *run.New) { n.Run.Title, n.Run.Prompt, n.Run.Skill = title, prompt, skill }).ID
	}
	ids := map[string]string{
		"a": put("Fix the Build", "make ÄRGER green", ""),
		"b": put("Deploy", "50% of the _fleet_ build\n'quoted'", "org/repo:fixer"),
		"c": put("日本語の題", strings.Repeat("long ", 5000)+"needle", ""),
	}
	for text, want := range map[string]string{
		"":                "abc",
		"  ":              "abc",
		"build":           "ab",
		"BUILD":           "ab",
		"fix build":       "ab", // each fragment anywhere
		"build deploy":    "b",
		"buildmake":       "", // not across members
		"ärger":           "a",
		"50%":             "b",
		"5%":              "",
		"_fleet_":         "b",
		"a_b":             "",
		"'quoted'":        "b",
		"org/repo:fixer":  "b",
		"本語":              "c",
		"needle":          "c",
		"absent":          "",
		"\"; DROP TABLE":  "",
		"fixer the build": "b",
	} {
		for _, sort := range []api.RunSort{api.RunSortUpdatedAt, api.RunSortAgent} {
			var list []string
			for _, c := range want {
				list = append(list, ids[string(c)])
			}
			got := b.walk(run.Query{TeamUIDs: []string{red.UID}, Text: text, Limit: 1, Sort: sort})
			slices.Sort(got)
			slices.Sort(list)
			same(b, fmt.Sprintf("search for %q", text), got, list)
		}
	}
}

func testListAncestor(b *bundle) {
	child := func(parent string) string {
		return b.insert(func(n *run.New) { n.Run.ParentID = parent }).ID
	}
	root, other := child(""), child("")
	one, two := child(root), child(root)
	deep := child(child(one))
	child(other)
	got := b.ids(run.Query{TeamUIDs: []string{red.UID}, AncestorID: root})
	same(b, "size of the subtree", len(got), 4)
	for _, id := range []string{one, two, deep} {
		if !slices.Contains(got, id) {
			b.Fatalf("%s is not among the descendants %v", id, got)
		}
	}
	got = b.ids(run.Query{TeamUIDs: []string{red.UID}, ParentID: root, Sort: api.RunSortCreatedAt, Ascending: true})
	same(b, "children", got, []string{one, two})
	same(b, "children of a run that is not below the other", len(b.ids(run.Query{TeamUIDs: []string{red.UID}, ParentID: other, AncestorID: root})), 0)
	same(b, "children of a child", len(b.ids(run.Query{TeamUIDs: []string{red.UID}, ParentID: one, AncestorID: root})), 1)
	same(b, "leaf", len(b.ids(run.Query{TeamUIDs: []string{red.UID}, AncestorID: deep})), 0)
	_, err := b.runs.List(b.ctx, run.Query{TeamUIDs: []string{red.UID}, AncestorID: newID()})
	b.code(err, api.PlatformErrorCodeResourceNotFound)
}
