package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// defaultLimit is the length of a page when the query does not say.
const defaultLimit = 20

// List returns a page of runs. Each owner's runs, and of them each part that one index orders, are a
// lane; the page is what comes first in the lanes, merged. How a lane finds its runs without going
// through all of them is in lane.go.
func (s Runs) List(ctx context.Context, q run.Query) (run.Page, error) {
	if q.Sort == "" {
		q.Sort = api.RunSortUpdatedAt
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	after, err := parseCursor(q.Cursor, q.Sort, q.Ascending)
	if err != nil {
		return run.Page{}, err
	}
	if q.AncestorID != "" {
		if _, err := Sessions(s).Head(ctx, q.AncestorID); err != nil {
			return run.Page{}, err
		}
	}
	p := page{want: q.Limit + 1} // one more, to know whether there is a next page
	for _, seg := range segmentsOf(q, after) {
		if err := p.merge(ctx, s.lanes(q, seg)); err != nil {
			return run.Page{}, public("list runs", err)
		}
	}
	page, err := s.load(ctx, q, p.items)
	return page, public("list runs", err)
}

// item is a run's place in the list.
type item struct {
	n    int64
	key  any // int64 for the time sorts, string for the text sorts, nil if all keys are equal
	id   string
	text []string // title, prompt, skill; only if they were asked for
}

// before orders items as their segment does.
func (i item) before(other item, ascending bool) int {
	c := 0
	switch key := i.key.(type) {
	case int64:
		c = cmp.Compare(key, other.key.(int64))
	case string:
		c = cmp.Compare(key, other.key.(string))
	}
	c = cmp.Or(c, cmp.Compare(i.id, other.id))
	if !ascending {
		c = -c
	}
	return c
}

// page collects items in the order of the list.
type page struct {
	want  int
	items []item
}

// merge takes from the lanes what comes first until the page is full or the lanes are empty.
func (p *page) merge(ctx context.Context, lanes []*runLane) error {
	for len(p.items) < p.want {
		var first *runLane
		for _, l := range lanes {
			if err := l.fill(ctx, p.want-len(p.items)); err != nil {
				return err
			}
			if len(l.ready) > 0 && (first == nil || l.ready[0].before(first.ready[0], l.seg.ascending) < 0) {
				first = l
			}
		}
		if first == nil {
			return nil
		}
		p.items = append(p.items, first.ready[0])
		first.ready = first.ready[1:]
	}
	return nil
}

// segment is a part of the list that one index orders.
type segment struct {
	condition string // what else holds for its runs
	floor     string // what holds for its keys, as a bound from below
	key       string // column it is sorted by before the id; empty if all its keys are equal
	index     string
	ascending bool
	after     *place // where to start; nil for the beginning
}

// place is where a lane goes on: after an item.
type place struct {
	key any
	id  string
}

// segmentsOf cuts the list so that each part has one plain order. Sorted by agent, the runs without
// a skill come last in both directions.
func segmentsOf(q run.Query, after *cursor) []segment {
	seg := segment{key: sortKey(q.Sort), ascending: q.Ascending}
	if after != nil {
		seg.after = &place{after.key(), after.ID}
	}
	switch q.Sort {
	case api.RunSortCreatedAt:
		seg.index = "runs_created"
	case api.RunSortTitle:
		seg.index = "runs_title"
	case api.RunSortAgent:
		with, without := seg, seg
		with.index, with.floor = "runs_agent", seg.key+" > ''"
		without.index, without.condition, without.key = "runs_agent", seg.key+" = ''", ""
		if after != nil && after.Text == "" {
			return []segment{without}
		}
		without.after = nil
		return []segment{with, without}
	default:
		seg.index = "runs_updated"
	}
	return []segment{seg}
}

// lanes makes a lane per owner and shelf whose runs the query may show. Sorted by the last move, runs in certain
// states have an index of their own, a lane per state.
func (s Runs) lanes(q run.Query, seg segment) []*runLane {
	var owners []identity.Owner
	for _, uid := range q.TeamUIDs {
		owners = append(owners, identity.Owner{Type: api.ScopeTypeTeam, UID: uid})
	}
	if q.OwnerUID != "" {
		owners = append(owners, identity.Owner{Type: api.ScopeTypeUser, UID: q.OwnerUID})
	}
	slices.SortFunc(owners, func(a, b identity.Owner) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.UID, b.UID))
	})
	var lanes []*runLane
	for _, owner := range onShelves(slices.Compact(owners), q.Archived) {
		l := &runLane{db: s.db, q: q, seg: seg, owner: owner, after: seg.after, fragments: fragments(q.Text)}
		if l.filtered() {
			l.known = s.db.known.of(owner)
		}
		if !l.byState() {
			lanes = append(lanes, l)
			continue
		}
		states := slices.Clone(q.States)
		slices.Sort(states)
		for _, st := range slices.Compact(states) {
			one := *l
			one.q.States, one.seg.index, one.state = nil, "runs_state", st
			lanes = append(lanes, &one)
		}
	}
	return lanes
}

// byState says whether the lane's runs are best found in the order of the index by state: if they are
// sorted so, and by no other filter, or if nothing is known that finds them faster.
func (l *runLane) byState() bool {
	if l.seg.index != "runs_updated" || len(l.q.States) == 0 {
		return false
	}
	rest := *l
	rest.q.States = nil
	return l.known == nil || !rest.filtered()
}

// load reads the runs of a page.
func (s Runs) load(ctx context.Context, q run.Query, items []item) (run.Page, error) {
	var out run.Page
	if len(items) > q.Limit {
		items = items[:q.Limit]
		last := items[q.Limit-1]
		out.Next = nextCursor(last, q.Sort, q.Ascending).String()
	}
	if len(items) == 0 {
		return out, nil
	}
	numbers := make([]int64, len(items))
	for i, it := range items {
		numbers[i] = it.n
	}
	list, err := all(scanRun)(s.db.query(ctx, s.db.selectByNumber(), s.db.dialect.numbers(numbers)))
	if err != nil {
		return out, err
	}
	byID := make(map[string]run.Run, len(list))
	for _, r := range list {
		if !r.hidden {
			byID[r.ID] = r.Run
		}
	}
	for _, it := range items {
		if r, there := byID[it.id]; there { // else it was deleted a moment ago
			out.Runs = append(out.Runs, r)
		}
	}
	return out, nil
}

// selectByNumber reads whole runs by their numbers.
func (db *DB) selectByNumber() string {
	return "SELECT " + runColumns + " FROM " + db.dialect.eachRun("$1") + " JOIN run_specs p ON p.run_id = r.id"
}
