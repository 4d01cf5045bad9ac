package store

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// effort bounds what a lane does before it tries another way.
type effort struct {
	// span is how many runs a part of an order has that is remembered and read as one.
	span int
	// first is how many runs a lane without orders tries in its order before it asks what the filters
	// select: what is common is found there. Further walks are growth times as long, up to longest, or to
	// longestRead where texts are read, which may be long.
	first, growth, longest, longestRead int
	// few is how many runs are rather sorted than looked for in order, fewest if the order is known. Up
	// to many that a filter's index knows are remembered, for the walk.
	few, fewest, many int
	// follow bounds the steps made for the search index to be complete, blind the runs whose text is
	// read without it.
	follow, blind int
}

var usualEffort = effort{span: 512, first: 192, growth: 8, longest: 12_288, longestRead: 1024, few: 1200, fewest: 64, many: 24_000, follow: 3, blind: 20_000}

// building refuses a search that has no index yet: going through all texts instead would take minutes.
func building() error {
	f := api.Fail(api.PlatformErrorCodeResourceUnavailable, "the search index is still being built; try again later")
	f.Status = http.StatusServiceUnavailable
	return f
}

// runLane is the runs of one owner that a query selects, in the order of one index. It never reads all
// runs to find some. It asks the search index and what else knows the filters what they select: if it is
// few, they are all read and sorted; if many, it walks in its order and compares what it meets with
// that, before any row is read.
//
// Where the owner's orders are known, the walk is in memory, whatever its length. Until they are, a lane
// first walks a little in its index, where what is common is found without asking anybody.
type runLane struct {
	db        *DB
	q         run.Query
	seg       segment
	owner     identity.Owner
	state     api.RunState // of all its runs, for the index by state
	fragments []string
	known     *owned // nil until it was read

	ready  []item // found, in order
	after  *place // where the walk goes on
	walked int    // length of the last walk
	total  int    // of all walks
	ended  bool

	sorted  []item      // all that is left, in order, to be compared with the fragments
	among   posting.Set // what the walk may meet; nil for everything
	pending stretch     // what it has met
	planned bool
}

// fill makes sure that something is ready unless the lane has ended. want is how much may be needed.
func (l *runLane) fill(ctx context.Context, want int) error {
	for len(l.ready) == 0 && !l.ended {
		if err := l.next(ctx, want); err != nil {
			return err
		}
	}
	return nil
}

func (l *runLane) next(ctx context.Context, want int) error {
	switch {
	case l.sorted != nil:
		return l.fromSorted(ctx, want)
	case len(l.pending.numbers) > 0:
		return l.fromPending(ctx, want)
	case !l.filtered():
		return l.plain(ctx, want)
	case !l.planned && (l.known != nil || l.gathered() || l.walked > 0):
		l.planned = true
		return l.plan(ctx)
	case l.among != nil && l.order() != nil:
		return l.meetKnown(ctx, want)
	}
	return l.walk(ctx, want)
}

// filtered says whether not all runs of the lane are wanted.
func (l *runLane) filtered() bool {
	var c clause
	c.filters(l.q)
	return len(c.conditions) > 0 || len(l.fragments) > 0
}

// base is the condition that all runs of the lane fulfil, apart from the filters.
func (l *runLane) base() (c clause) {
	c.where(c.ownedBy("r.", l.owner))
	c.equal("r.state", string(l.state))
	c.where(l.seg.condition)
	return c
}

// plain reads the next runs of a lane without filters.
func (l *runLane) plain(ctx context.Context, want int) error {
	items, last, err := l.read(ctx, l.base(), nil, want, want)
	l.ready, l.after, l.ended = items, last, last == nil
	return err
}

// walk tries the next runs in order.
func (l *runLane) walk(ctx context.Context, want int) error {
	e := l.db.effort
	longest := e.longest
	if len(l.fragments) > 0 && l.among == nil {
		longest = e.longestRead
	}
	l.walked = min(max(e.first, l.walked*e.growth), longest)
	if l.total += l.walked; l.total > e.blind && len(l.fragments) > 0 && l.among == nil {
		return building()
	}
	end, err := l.endOf(ctx, l.walked)
	if err != nil {
		return err
	}
	if l.among != nil {
		l.pending, err = l.meet(ctx, end)
		l.ended = end == nil && len(l.pending.numbers) == 0
		l.after = end
		return err
	}
	c, limit := l.base(), want
	c.filters(l.q)
	if len(l.fragments) > 0 {
		limit = l.walked
	}
	items, last, err := l.read(ctx, c, end, limit, want)
	if last == nil {
		last, l.ended = end, end == nil
	}
	l.ready, l.after = items, last
	return err
}

// stretch is what a walk met of the search index's set, with the places it walked between.
type stretch struct {
	numbers  []int64 // in the order of the lane
	from, to *place
	whole    bool // few, to be read at once, since some may be out of order
}

// fromPending looks at the next runs that were met.
func (l *runLane) fromPending(ctx context.Context, want int) error {
	numbers := l.pending.numbers
	if !l.pending.whole {
		numbers = numbers[:min(len(numbers), max(2*want, 32))]
	}
	l.pending.numbers = l.pending.numbers[len(numbers):]
	items, err := l.readNumbers(ctx, numbers, l.pending.from, l.pending.to, true)
	l.ready = slices.DeleteFunc(items, func(i item) bool { return !matches(i.text, l.fragments) })
	l.ended = len(l.pending.numbers) == 0 && l.pending.to == nil
	return err
}

// endOf is the place of the last of the next runs in order, whatever they are; nil if there are fewer.
func (l *runLane) endOf(ctx context.Context, runs int) (*place, error) {
	c := l.base()
	order := l.between(&c, l.after, nil)
	end, err := one(l.scanPlace)(l.db.queryOnce(ctx, "SELECT "+l.keyColumn()+", r.id FROM "+l.db.dialect.indexed(l.seg.index)+
		" WHERE "+c.String()+" ORDER BY "+order+" LIMIT 1 OFFSET "+c.arg(runs-1), c.args...))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &end, err
}

// meet returns those of the next runs in order, up to end, that are in the search index's set. It
// reads nothing but the lane's index.
func (l *runLane) meet(ctx context.Context, end *place) (stretch, error) {
	c := l.base()
	order := l.between(&c, l.after, end)
	walked, err := l.db.numbersOf(ctx, "SELECT r.n FROM "+l.db.dialect.indexed(l.seg.index)+
		" WHERE "+c.String()+" ORDER BY "+order+" LIMIT "+c.arg(l.walked), c.args...)
	met := stretch{from: l.after, to: end}
	for _, n := range walked {
		if l.among.Has(int64(n)) {
			met.numbers = append(met.numbers, int64(n))
		}
	}
	return met, err
}

// read returns the next items in order, of at most limit rows up to end, and stops when want of them
// match the text. last is where it stopped, nil if it came to the end.
func (l *runLane) read(ctx context.Context, c clause, end *place, limit, want int) (items []item, last *place, err error) {
	order := l.between(&c, l.after, end)
	rows, err := l.db.queryOnce(ctx, "SELECT "+l.itemColumns()+" FROM "+l.db.dialect.indexed(l.seg.index)+l.joinText()+
		" WHERE "+c.String()+" ORDER BY "+order+" LIMIT "+c.arg(limit), c.args...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for len(items) < want && rows.Next() {
		i, err := l.scanItem(rows)
		if err != nil {
			return nil, nil, err
		}
		if matches(i.text, l.fragments) {
			items = append(items, i)
		}
	}
	if len(items) == want {
		last = &place{items[want-1].key, items[want-1].id}
	}
	return items, last, rows.Err()
}

// readNumbers returns those of the numbered runs between two places that pass the filters, in order.
func (l *runLane) readNumbers(ctx context.Context, numbers []int64, from, to *place, text bool) ([]item, error) {
	if len(numbers) == 0 {
		return nil, nil
	}
	c := l.base()
	c.filters(l.q)
	list := c.arg(l.db.dialect.numbers(numbers))
	order := l.between(&c, from, to)
	columns, join, scan := l.itemColumns(), l.joinText(), l.scanItem
	if !text {
		columns, join, scan = l.keyColumn()+", r.id, r.n", "", l.scanKey
	}
	return all(scan)(l.db.queryOnce(ctx, "SELECT "+columns+" FROM "+l.db.dialect.eachRun(list)+join+
		" WHERE "+c.String()+" ORDER BY "+order, c.args...))
}

// between adds the conditions to lie after from and not after to, and returns the order. Where one is
// missing, the query's own bound on the column takes its place.
func (l *runLane) between(c *clause, from, to *place) string {
	direction, than, until := " DESC", " < ", " >= "
	upper, lower := from, to
	if l.seg.ascending {
		direction, than, until = " ASC", " > ", " <= "
		upper, lower = to, from
	}
	if upper == nil && l.seg.key == "r.created_at" {
		c.times(run.Query{CreatedBefore: l.q.CreatedBefore}, "")
	}
	// One bound on each side: SQLite takes any of several, and the other ones cost it a scan.
	if lower == nil {
		c.where(l.seg.floor)
	}
	if lower == nil && l.seg.key == "r.created_at" {
		c.times(run.Query{CreatedAfter: l.q.CreatedAfter}, "")
	}
	if lower == nil && l.seg.key == "r.updated_at" {
		c.times(run.Query{UpdatedAfter: l.q.UpdatedAfter}, "")
	}
	columns := []string{"r.id"}
	if l.seg.key != "" {
		columns = []string{l.seg.key, "r.id"}
	}
	for _, b := range []struct {
		at   *place
		than string
	}{{from, than}, {to, until}} {
		if b.at == nil {
			continue
		}
		var values []string
		if l.seg.key != "" {
			values = append(values, c.arg(b.at.key))
		}
		values = append(values, c.arg(b.at.id))
		c.where("(" + strings.Join(columns, ", ") + ")" + b.than + "(" + strings.Join(values, ", ") + ")")
	}
	return strings.Join(columns, direction+", ") + direction
}

// keyColumn is what the lane is sorted by, as a column of a query.
func (l *runLane) keyColumn() string {
	if l.seg.key == "" {
		return "0"
	}
	return l.seg.key
}

// itemColumns and joinText are what scanItem reads.
func (l *runLane) itemColumns() string {
	columns := l.keyColumn() + ", r.id, r.n"
	if len(l.fragments) > 0 {
		columns += ", r.title, p.prompt, r.skill"
	}
	return columns
}

func (l *runLane) joinText() string {
	if len(l.fragments) == 0 {
		return ""
	}
	return l.db.dialect.join() + "run_specs p ON p.run_id = r.id"
}

func (l *runLane) scanPlace(row scanner) (p place, err error) {
	err = row.Scan(&p.key, &p.id)
	p.key = l.keyOf(p.key)
	return p, err
}

func (l *runLane) scanKey(row scanner) (i item, err error) {
	err = row.Scan(&i.key, &i.id, &i.n)
	i.key = l.keyOf(i.key)
	return i, err
}

func (l *runLane) scanItem(row scanner) (i item, err error) {
	if len(l.fragments) == 0 {
		return l.scanKey(row)
	}
	i.text = make([]string, 3)
	err = row.Scan(&i.key, &i.id, &i.n, &i.text[0], &i.text[1], &i.text[2])
	i.key = l.keyOf(i.key)
	return i, err
}

// keyOf drops the key of a lane whose keys are all equal.
func (l *runLane) keyOf(key any) any {
	if l.seg.key == "" {
		return nil
	}
	return key
}
