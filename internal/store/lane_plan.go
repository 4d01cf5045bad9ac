package store

import (
	"context"
	"slices"

	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// plan decides how the lane goes on after its first walk: with all that its filters select, if that is
// few, or by walking on and comparing what it meets with what they select.
func (l *runLane) plan(ctx context.Context) error {
	numbers, known, err := l.fewest(ctx)
	if err != nil {
		return err
	}
	var among posting.Set
	if known {
		among = posting.Set{}
		for _, n := range numbers {
			among.Add(n)
		}
	}
	if terms := termsOf(l.q); len(terms) > 0 && (!known || len(numbers) > 0) {
		owner := ownerTerm(string(l.owner.Type), l.owner.UID)
		set, ok, err := l.db.search.find(ctx, append(terms, owner))
		switch {
		case err != nil:
			return err
		case ok && known:
			among.And(set)
		case ok: // else it is being built: the walk gets there too
			among = set
		}
	}
	if among == nil {
		return nil
	}
	// Descendants and the like are in no order that a walk could follow: all of them are read.
	if among.Len() > l.db.effort.few && l.q.ConversationID == "" && l.q.AncestorID == "" {
		l.among = among
		return nil
	}
	l.sorted, err = l.readNumbers(ctx, among.Numbers(), l.after, nil, false)
	l.ended = len(l.sorted) == 0
	return err
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
	} {
		var c clause
		if filter(&c); len(c.conditions) > 0 {
			list = append(list, source{"SELECT r.n FROM runs r WHERE " + c.String(), c, 0})
		}
	}
	add("runs_state", func(c *clause) { c.states(l.q.States) })
	add("runs_created", func(c *clause) {
		c.times(run.Query{CreatedAfter: l.q.CreatedAfter, CreatedBefore: l.q.CreatedBefore}, "")
	})
	add("runs_updated", func(c *clause) { c.times(run.Query{UpdatedAfter: l.q.UpdatedAfter}, "") })
	if l.q.ArtifactType != "" {
		var c clause
		query := "SELECT r.n FROM artifacts a" + l.db.dialect.join() + "runs r ON r.id = a.run_id WHERE a.type = " + c.arg(string(l.q.ArtifactType))
		list = append(list, source{query, c, l.db.effort.many / 8}) // each costs a look at a run
	}
	return list
}
