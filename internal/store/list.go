package store

import (
	"context"
	"errors"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// defaultLimit is the length of a page when the query does not say.
const defaultLimit = 20

// List returns a page of runs. A page is read segment by segment: each segment is one query in the
// order of an index, starting at the cursor and stopping as soon as the page is full.
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
	filter, ok := filterOf(q)
	if !ok {
		return run.Page{}, nil
	}
	if q.AncestorID != "" {
		if _, err := (Sessions{s.db}).Head(ctx, q.AncestorID); err != nil {
			return run.Page{}, err
		}
	}
	p := page{limit: q.Limit, fragments: fragments(q.Text)}
	for _, seg := range segmentsOf(q, after) {
		if p.full() {
			break
		}
		if err := s.readSegment(ctx, seg, filter.with(), &p); err != nil {
			return run.Page{}, public("list runs", err)
		}
	}
	return p.finish(q), nil
}

// page collects one run more than asked for, to know whether there is a next page.
type page struct {
	limit     int
	fragments []string
	runs      []run.Run
}

func (p *page) full() bool { return len(p.runs) > p.limit }

func (p *page) finish(q run.Query) run.Page {
	if !p.full() {
		return run.Page{Runs: p.runs}
	}
	runs := p.runs[:p.limit]
	return run.Page{Runs: runs, Next: cursorAfter(runs[p.limit-1], q.Sort, q.Ascending).String()}
}

// segment is a part of the list that one index orders.
type segment struct {
	condition string // what else holds for its runs
	key       string // column it is sorted by before the id; empty if all its keys are equal
	ascending bool
	after     *cursor // where to start; nil for the beginning
}

// segmentsOf cuts the list so that each part has one plain order. Sorted by agent, the runs without
// a skill come last in both directions.
func segmentsOf(q run.Query, after *cursor) []segment {
	key := sortKey(q.Sort)
	if q.Sort != api.RunSortAgent {
		return []segment{{key: key, ascending: q.Ascending, after: after}}
	}
	with := segment{condition: key + " <> ''", key: key, ascending: q.Ascending, after: after}
	without := segment{condition: key + " = ''", ascending: q.Ascending}
	if after != nil && after.Text == "" {
		without.after = after
		return []segment{without}
	}
	return []segment{with, without}
}

// readSegment adds the segment's runs to the page until it is full. Without a text the database
// stops there too; with one, runs are read one by one until enough of them match.
func (s Runs) readSegment(ctx context.Context, seg segment, c clause, p *page) (err error) {
	c.where(seg.condition)
	order := seg.apply(&c)
	query := selectRuns + "WHERE " + c.String() + " ORDER BY " + order
	if len(p.fragments) == 0 {
		query += " LIMIT " + c.arg(p.limit+1-len(p.runs))
	}
	rows, err := s.db.queryOnce(ctx, query, c.args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for !p.full() && rows.Next() {
		r, err := scanRun(rows)
		if err != nil {
			return err
		}
		if matches(r.Run, p.fragments) {
			p.runs = append(p.runs, r.Run)
		}
	}
	return rows.Err()
}

// apply adds the condition to start after the cursor and returns the order.
func (seg segment) apply(c *clause) string {
	direction, than := " DESC", " < "
	if seg.ascending {
		direction, than = " ASC", " > "
	}
	columns := []string{"r.id"}
	if seg.key != "" {
		columns = []string{seg.key, "r.id"}
	}
	if seg.after != nil {
		values := []string{}
		if seg.key != "" {
			values = append(values, c.arg(seg.after.key()))
		}
		values = append(values, c.arg(seg.after.ID))
		c.where("(" + strings.Join(columns, ", ") + ")" + than + "(" + strings.Join(values, ", ") + ")")
	}
	return strings.Join(columns, direction+", ") + direction
}
