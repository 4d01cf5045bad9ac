package store

import (
	"context"
	"slices"
	"time"

	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// plan decides how the lane goes on: with all that its filters select, if that is few, or by walking and
// comparing what it meets with what they select.
func (l *runLane) plan(ctx context.Context) error {
	level, err := l.db.search.level(ctx)
	if err != nil {
		return err
	}
	if !level || l.known != nil && l.db.known.of(l.owner) != l.known {
		l.known = nil // it does not know what was created since either, or was forgotten meanwhile
	}
	numbers, known, err := l.fewest(ctx)
	if err != nil {
		return err
	}
	if known {
		l.among = posting.Set{}
		for _, n := range numbers {
			l.among.Add(n)
		}
	}
	if level && (!known || len(numbers) > 0) {
		if err := l.narrow(ctx); err != nil {
			return err
		}
	}
	if l.among == nil {
		return nil
	}
	few := l.db.effort.few
	if l.order() != nil {
		few = l.db.effort.fewest
	}
	// Descendants and the like are in no order that a walk could follow: all of them are read.
	if l.among.Len() > few && !l.gathered() {
		return nil
	}
	l.sorted, err = l.readNumbers(ctx, l.among.Numbers(), l.after, nil, false)
	l.ended = len(l.sorted) == 0
	return err
}

// gathered says whether a filter selects runs by how they belong to others, of which an index of its own
// knows all, in no order of the lane's.
func (l *runLane) gathered() bool {
	return l.q.ConversationID != "" || l.q.AncestorID != "" || l.q.ParentID != ""
}

// narrow leaves among what the lane may show only what the search index and the owner's orders know to
// pass the filters.
func (l *runLane) narrow(ctx context.Context) error {
	only := func(set posting.Set) {
		if l.among == nil {
			l.among = slices.Grow(set, 1) // not nil, although there may be nothing in it
			return
		}
		l.among.And(set)
	}
	if terms := termsOf(l.q); len(terms) > 0 {
		if l.order() == nil { // which has the owner's runs only
			terms = append(terms, ownerTerm(l.owner))
		}
		set, err := l.db.search.find(ctx, terms)
		if err != nil {
			return err
		}
		only(set)
	}
	if l.known == nil {
		return nil
	}
	if len(l.q.States) > 0 {
		only(l.known.in(l.q.States))
	}
	if l.q.ArtifactType != "" {
		if kind := l.db.known.with(l.q.ArtifactType); kind != nil {
			only(kind.set())
		}
	}
	return l.narrowTimes(ctx, only)
}

// narrowTimes does so by the bounds on times that are not those of the lane's own order, which begins
// and ends there anyway.
func (l *runLane) narrowTimes(ctx context.Context, only func(posting.Set)) error {
	for _, bounds := range []struct {
		index        string
		after, until time.Time
	}{{"runs_created", l.q.CreatedAfter, l.q.CreatedBefore}, {"runs_updated", l.q.UpdatedAfter, time.Time{}}} {
		if bounds.index == l.seg.index || bounds.after.IsZero() && bounds.until.IsZero() {
			continue
		}
		var from, to *place
		if !bounds.after.IsZero() {
			from = &place{key: micros(bounds.after)}
		}
		if !bounds.until.IsZero() {
			to = &place{key: micros(bounds.until)}
		}
		set, err := l.known.orders[bounds.index].set(ctx, from, to)
		if err != nil {
			return err
		}
		only(set)
	}
	return nil
}

// fromSorted moves the next sorted items that match to ready.
func (l *runLane) fromSorted(ctx context.Context, want int) error {
	batch := l.sorted[:min(len(l.sorted), max(want, 32))]
	l.sorted = l.sorted[len(batch):]
	l.ended = len(l.sorted) == 0
	if len(l.fragments) == 0 {
		l.ready = batch
		return nil
	}
	numbers := make([]int64, len(batch))
	for i, it := range batch {
		numbers[i] = it.n
	}
	texts, err := l.texts(ctx, numbers)
	if err != nil {
		return err
	}
	for i := range batch {
		batch[i].text = texts[batch[i].n]
	}
	l.ready = slices.DeleteFunc(slices.Clone(batch), func(i item) bool { return !matches(i.text, l.fragments) })
	return nil
}

// texts reads what is searched of some runs.
func (l *runLane) texts(ctx context.Context, numbers []int64) (map[int64][]string, error) {
	type named struct {
		n    int64
		text []string
	}
	list, err := all(func(row scanner) (t named, err error) {
		t.text = make([]string, 3)
		err = row.Scan(&t.n, &t.text[0], &t.text[1], &t.text[2])
		return t, err
	})(l.db.query(ctx, "SELECT r.n, r.title, p.prompt, r.skill FROM "+l.db.dialect.eachRun("$1")+
		" JOIN run_specs p ON p.run_id = r.id", l.db.dialect.numbers(numbers)))
	texts := make(map[int64][]string, len(list))
	for _, t := range list {
		texts[t.n] = t.text
	}
	return texts, err
}

// fewest returns the numbers of the runs that one of the filters selects by its own index, if one
// selects not too many; what the search index knows is not asked here.
func (l *runLane) fewest(ctx context.Context) (numbers []int64, known bool, err error) {
	for _, s := range l.sources() {
		c, query, limit := s.clause, s.query, s.most
		if known {
			limit = min(limit, len(numbers))
		}
		if s.most > 0 {
			query += " LIMIT " + c.arg(limit+1)
		}
		list, err := all(value[int64])(l.db.queryOnce(ctx, query, c.args...))
		if err != nil {
			return nil, false, err
		}
		if s.most == 0 || len(list) <= limit {
			numbers, known = list, true
		}
	}
	return numbers, known, nil
}

// source is a query for the numbers of the runs that one filter selects. They may repeat.
type source struct {
	query  string
	clause clause
	most   int // how many are worth to be read; 0 for all, where nothing else does better
}

// sources lists the filters that have an index of their own.
func (l *runLane) sources() (list []source) {
	add := func(index string, filter func(*clause)) {
		var c clause
		if filter(&c); len(c.conditions) > 0 {
			c.where(c.ownedBy("r.", l.owner))
			list = append(list, source{"SELECT r.n FROM " + l.db.dialect.indexed(index) + " WHERE " + c.String(), c, l.db.effort.many})
		}
	}
	for _, filter := range []func(*clause){
		func(c *clause) { c.conversation(l.q.ConversationID) },
		func(c *clause) { c.descendants(l.q.AncestorID) },
		func(c *clause) { c.children(l.q.ParentID) },
	} {
		var c clause
		if filter(&c); len(c.conditions) > 0 {
			list = append(list, source{"SELECT r.n FROM runs r WHERE " + c.String(), c, 0})
		}
	}
	if l.known != nil {
		if l.q.ArtifactType == "" || l.db.known.with(l.q.ArtifactType) != nil {
			return list
		}
		return append(list, l.artifacts()...)
	}
	add("runs_state", func(c *clause) { c.states(l.q.States) })
	add("runs_created", func(c *clause) {
		c.times(run.Query{CreatedAfter: l.q.CreatedAfter, CreatedBefore: l.q.CreatedBefore}, "")
	})
	add("runs_updated", func(c *clause) { c.times(run.Query{UpdatedAfter: l.q.UpdatedAfter}, "") })
	return append(list, l.artifacts()...)
}

// artifacts is the filter by artifacts as a source, if there is one.
func (l *runLane) artifacts() []source {
	if l.q.ArtifactType == "" {
		return nil
	}
	var c clause
	query := "SELECT r.n FROM artifacts a" + l.db.dialect.join() + "runs r ON r.id = a.run_id WHERE a.type = " + c.arg(string(l.q.ArtifactType))
	return []source{{query, c, l.db.effort.many / 8}} // each costs a look at a run
}
