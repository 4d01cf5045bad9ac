package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
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
		if err := o.learn(ctx, s); err != nil {
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
// either direction, and the place where the span ends, nil at the end of the order. Some may have left
// since. The numbers must not be changed.
func (o *order) next(ctx context.Context, after *place, ascending bool) (numbers []uint32, end *place, err error) {
	s, from, to, numbers := o.after(after, ascending)
	begin := from
	if !ascending {
		begin = to
	}
	if after != nil && (begin == nil || begin.compare(*after) != 0) {
		// It begins amid a span. Where, only the index knows.
		if end = to; ascending {
			from = after
		} else {
			to, end = after, from
		}
		numbers, err = o.read(ctx, from, to)
		return numbers, end, err
	}
	if s != nil {
		if err := o.learn(ctx, s); err != nil {
			return nil, nil, err
		}
		if s, from, to, numbers = o.after(after, ascending); s != nil { // entered again
			if numbers, err = o.read(ctx, from, to); err != nil {
				return nil, nil, err
			}
		}
	}
	if end = to; !ascending {
		end = from
	}
	return numbers, end, nil
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

// learn reads what a span has, and cuts it in two if that is much.
func (o *order) learn(ctx context.Context, s *span) error {
	o.loading.Lock()
	defer o.loading.Unlock()
	o.mu.RLock()
	from, to := o.ends(slices.Index(o.spans, s))
	known, version := s.known, s.version
	o.mu.RUnlock()
	if known {
		return nil
	}
	numbers, cut, err := o.part(ctx, from, to)
	if err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if cut != nil {
		o.spans = slices.Insert(o.spans, slices.Index(o.spans, s)+1, &span{from: cut})
	}
	if s.version == version {
		s.numbers, s.known = numbers, true
	}
	return nil
}

// part reads what lies between two places, or its beginning, up to a cut, if it is much.
func (o *order) part(ctx context.Context, from, to *place) (numbers []uint32, cut *place, err error) {
	size := o.size
	if to != nil {
		if numbers, err = o.read(ctx, from, to); err != nil || len(numbers) < 2*size {
			return numbers, nil, err
		}
	}
	// The cut comes before it is read up to there: what leaves meanwhile cannot make it skip anything.
	if cut, err = o.cut(ctx, from, size); err != nil {
		return nil, nil, err
	}
	if cut == nil {
		cut = to
	}
	numbers, err = o.read(ctx, from, cut)
	if cut == to || to != nil && cut.compare(*to) >= 0 {
		cut = nil // it is whole
	}
	return numbers, cut, err
}

// cut is the place behind the first so many runs after a place; nil if there are fewer.
func (o *order) cut(ctx context.Context, from *place, runs int) (*place, error) {
	c := o.owned()
	c.after(o.key, from)
	p, err := one(func(row scanner) (p place, err error) {
		err = row.Scan(&p.key, &p.id)
		return p, err
	})(o.db.queryOnce(ctx, "SELECT "+o.key+", r.id FROM "+o.db.dialect.indexed(o.index)+" WHERE "+c.String()+
		" ORDER BY "+o.key+", r.id LIMIT 1 OFFSET "+c.arg(runs-1), c.args...))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return p.behind(), err
}

// owned is the condition that all runs of the order fulfil.
func (o *order) owned() (c clause) {
	c.where(c.ownedBy("r.", o.owner))
	c.equal("r.state", string(o.state))
	return c
}

// after adds the condition to come after a place, if there is one.
func (c *clause) after(key string, from *place) {
	if from != nil {
		c.where("(" + key + ", r.id) > (" + c.arg(from.key) + ", " + c.arg(from.id) + ")")
	}
}

// read reads the numbers between two places from the index. Those with the last key are read apart:
// PostgreSQL, told to end at a key and id, goes on through all that have the key.
func (o *order) read(ctx context.Context, from, to *place) (numbers []uint32, err error) {
	if from == nil || to == nil || from.compare(place{to.key, from.id}) != 0 {
		c := o.owned()
		c.after(o.key, from)
		if to != nil {
			c.where(o.key + " < " + c.arg(to.key))
		}
		if numbers, err = o.readWhere(ctx, c); err != nil || to == nil {
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
	last, err := o.readWhere(ctx, c)
	return append(numbers, last...), err
}

func (o *order) readWhere(ctx context.Context, c clause) ([]uint32, error) {
	return o.db.numbersOf(ctx, "SELECT r.n FROM "+o.db.dialect.indexed(o.index)+" WHERE "+c.String()+" ORDER BY "+o.key+", r.id", c.args...)
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
