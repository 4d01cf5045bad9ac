package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// order remembers in which order an index has the runs of an owner, as their numbers alone, four bytes
// each, so that a filtered list finds the next runs of a set without reading those between them.
//
// The keys are cut into spans at places between runs, for good. What a span remembers may have runs
// too many, which have moved elsewhere since, but never too few: what entered it makes it forget, and
// the next walk reads it again. So whoever reads the runs of a span compares their keys with its ends.
type order struct {
	db         *DB
	owner      identity.Owner
	state      api.RunState // of all its runs, if the index has the state before the key
	index, key string
	size       int // of a span, in runs

	loading sync.Mutex // held while spans are read and split; taken before mu
	mu      sync.RWMutex
	spans   []*span // lowest keys first, never empty
}

// span is the runs after one place, up to where the next span begins.
type span struct {
	from    *place // nil for the beginning
	numbers []uint32
	known   bool
	version int // counts what entered
}

func newOrder(db *DB, owner identity.Owner, index, key string, size int) *order {
	return &order{db: db, owner: owner, index: index, key: key, size: size, spans: []*span{{}}}
}

// compare orders places of one index by key, then id.
func (p place) compare(other place) int {
	c := 0
	switch key := p.key.(type) {
	case int64:
		c = cmp.Compare(key, other.key.(int64))
	case string:
		c = cmp.Compare(key, other.key.(string))
	}
	return cmp.Or(c, cmp.Compare(p.id, other.id))
}

// behind is the place between a run and the next one: ids are of one length, so that none lies between
// an id and the same with something appended.
func (p place) behind() *place { return &place{p.key, p.id + " "} }

// build reads what is not known yet.
func (o *order) build(ctx context.Context) error {
	for i := 0; ; i++ {
		o.mu.RLock()
		var s *span
		if i < len(o.spans) {
			s = o.spans[i]
		}
		o.mu.RUnlock()
		if s == nil {
			return nil
		}
		if err := o.learn(ctx, s, true); err != nil {
			return err
		}
	}
}

// enter says that a run has come to have a key.
func (o *order) enter(p place) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.spans[o.find(p, true)]
	s.known, s.numbers = false, nil
	s.version++
}

// find returns the span of what comes next after a place upwards, or downwards. mu is held.
func (o *order) find(p place, ascending bool) int {
	i, _ := slices.BinarySearchFunc(o.spans[1:], p, func(s *span, p place) int {
		if c := s.from.compare(p); c != 0 || !ascending {
			return cmp.Or(c, 1)
		}
		return -1 // it begins where p is: all that comes after p is in it
	})
	return i
}

// next returns the numbers of the runs after a place as far as their span goes, lowest key first in
// either direction, and the place they end at, nil at the end of the order. There are some 2*size at
// most, however many entered. Some may have left since. The numbers must not be changed.
func (o *order) next(ctx context.Context, after *place, ascending bool) (numbers []uint32, end *place, err error) {
	var from, to *place
	for range 2 {
		var s *span
		s, from, to, numbers = o.after(after, ascending)
		begin, behind := from, to
		if !ascending {
			begin, behind = to, from
		}
		if after != nil && (begin == nil || begin.compare(*after) != 0) {
			break // It begins amid a span. Where, only the index knows.
		}
		if s == nil {
			return numbers, behind, nil
		}
		if err := o.learn(ctx, s, ascending); err != nil {
			return nil, nil, err
		}
	}
	if end = to; ascending && after != nil {
		from = after
	}
	if !ascending {
		if end = from; after != nil {
			to = after
		}
	}
	numbers, cut, err := o.part(ctx, from, to, ascending)
	if cut != nil {
		end = cut
	}
	return numbers, end, err
}

// after is the span of what comes next after a place, in one direction: its ends, and what it has, or
// the span itself if that is not known.
func (o *order) after(at *place, ascending bool) (unknown *span, from, to *place, numbers []uint32) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	i := 0
	switch {
	case at != nil:
		i = o.find(*at, ascending)
	case !ascending:
		i = len(o.spans) - 1
	}
	from, to = o.ends(i)
	if s := o.spans[i]; !s.known {
		return s, from, to, nil
	}
	return nil, from, to, o.spans[i].numbers
}

// ends are the places a span lies between. mu is held.
func (o *order) ends(i int) (from, to *place) {
	if i+1 < len(o.spans) {
		to = o.spans[i+1].from
	}
	return o.spans[i].from, to
}

// learn reads what a span has, and cuts it in two if that is much: then only what is first in the
// direction it is walked in.
func (o *order) learn(ctx context.Context, s *span, ascending bool) error {
	o.loading.Lock()
	defer o.loading.Unlock()
	o.mu.RLock()
	from, to := o.ends(slices.Index(o.spans, s))
	known, version := s.known, s.version
	o.mu.RUnlock()
	if known {
		return nil
	}
	numbers, cut, err := o.part(ctx, from, to, ascending)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	unchanged := s.version == version
	if cut != nil {
		upper := &span{from: cut}
		o.spans = slices.Insert(o.spans, slices.Index(o.spans, s)+1, upper)
		if !ascending {
			s = upper
		}
	}
	if unchanged {
		s.numbers, s.known = numbers, true
	}
	return nil
}

// part reads what lies between two places or, if that is much, what is first of it in a direction, up to
// a cut.
func (o *order) part(ctx context.Context, from, to *place, ascending bool) (numbers []uint32, cut *place, err error) {
	if to != nil || !ascending { // else it is probably much
		if numbers, err = o.read(ctx, from, to, 2*o.size); err != nil || len(numbers) < 2*o.size {
			return numbers, nil, err
		}
	}
	// The cut comes before it is read up to there: what leaves meanwhile cannot make it skip anything.
	if cut, err = o.cut(ctx, from, to, ascending); err != nil {
		return nil, nil, err
	}
	if cut != nil && ascending {
		to = cut
	} else if cut != nil {
		from = cut
	}
	numbers, err = o.read(ctx, from, to, math.MaxInt32)
	return numbers, cut, err
}

// cut is the place behind the first so many runs between two places, or before the last so many; nil if
// there are no more.
func (o *order) cut(ctx context.Context, from, to *place, ascending bool) (*place, error) {
	c, direction, offset := o.owned(), "", o.size-1
	if ascending {
		c.beyond(o.key, " > ", from)
	} else {
		c.beyond(o.key, " < ", to)
		direction, offset = " DESC", o.size // behind the run before them
	}
	p, err := one(func(row scanner) (p place, err error) {
		err = row.Scan(&p.key, &p.id)
		return p, err
	})(o.db.queryOnce(ctx, "SELECT "+o.key+", r.id FROM "+o.db.dialect.indexed(o.index)+" WHERE "+c.String()+
		" ORDER BY "+o.key+direction+", r.id"+direction+" LIMIT 1 OFFSET "+c.arg(offset), c.args...))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	at := p.behind()
	if err != nil || from != nil && at.compare(*from) <= 0 || to != nil && at.compare(*to) >= 0 {
		return nil, err
	}
	return at, nil
}

// owned is the condition that all runs of the order fulfil.
func (o *order) owned() (c clause) {
	c.where(c.ownedBy("r.", o.owner))
	c.equal("r.state", string(o.state))
	return c
}

// beyond adds the condition to come after a place, or before it, if there is one.
func (c *clause) beyond(key, than string, p *place) {
	if p != nil {
		c.where("(" + key + ", r.id)" + than + "(" + c.arg(p.key) + ", " + c.arg(p.id) + ")")
	}
}

// read reads the numbers between two places from the index, at most so many. Those with the last key are read apart:
// PostgreSQL, told to end at a key and id, goes on through all that have the key.
func (o *order) read(ctx context.Context, from, to *place, most int) (numbers []uint32, err error) {
	if from == nil || to == nil || from.compare(place{to.key, from.id}) != 0 {
		c := o.owned()
		c.beyond(o.key, " > ", from)
		if to != nil {
			c.where(o.key + " < " + c.arg(to.key))
		}
		if numbers, err = o.readWhere(ctx, c, most); err != nil || to == nil || len(numbers) == most {
			return numbers, err
		}
		from = nil
	}
	c := o.owned()
	c.where(o.key + " = " + c.arg(to.key))
	if from != nil {
		c.where("r.id > " + c.arg(from.id))
	}
	c.where("r.id < " + c.arg(to.id))
	last, err := o.readWhere(ctx, c, most-len(numbers))
	return append(numbers, last...), err
}

func (o *order) readWhere(ctx context.Context, c clause, most int) ([]uint32, error) {
	return o.db.numbersOf(ctx, "SELECT r.n FROM "+o.db.dialect.indexed(o.index)+" WHERE "+c.String()+
		" ORDER BY "+o.key+", r.id LIMIT "+c.arg(most), c.args...)
}

// set is the runs between two places, perhaps with some behind.
func (o *order) set(ctx context.Context, from, to *place) (posting.Set, error) {
	var set posting.Set
	for at := from; ; {
		numbers, end, err := o.next(ctx, at, true)
		if err != nil {
			return nil, err
		}
		for _, n := range numbers {
			set.Add(int64(n))
		}
		if at = end; at == nil || to != nil && at.compare(*to) >= 0 {
			return set, nil
		}
	}
}

// numbersOf reads the numbers n that a query gives in its order. They come as one text, which takes a
// third of the time of as many rows.
func (db *DB) numbersOf(ctx context.Context, query string, args ...any) ([]uint32, error) {
	text, err := one(value[sql.NullString])(db.queryOnce(ctx, db.dialect.joined()+"("+query+") AS walk", args...))
	if err != nil || text.String == "" {
		return nil, err
	}
	numbers := make([]uint32, 0, strings.Count(text.String, ",")+1)
	for part := range strings.SplitSeq(text.String, ",") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, uint32(n))
	}
	return numbers, nil
}
