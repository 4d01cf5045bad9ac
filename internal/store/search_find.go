package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/cadrehq/cadre/internal/store/posting"
)

// level takes in what was created since, so that answers are complete; false while the index is too
// far behind for that.
func (x *searchIndex) level(ctx context.Context) (bool, error) {
	if x.db.effort.follow > 0 {
		x.begin(ctx)
	}
	for i := 0; x.complete.Load() && i < x.db.effort.follow; i++ {
		x.following.Lock()
		level, err := x.step(ctx)
		x.following.Unlock()
		if level || err != nil {
			return level, err
		}
	}
	x.poke()
	return false, nil
}

// find returns the runs that have all the terms, perhaps with some that have not: text is looked up
// by its parts. The index must have been level since what it is to contain.
func (x *searchIndex) find(ctx context.Context, terms []posting.Term) (found posting.Set, err error) {
	// Memory first: a block that is stored in between is then seen twice, not never.
	sets := x.tail(terms)
	for i, t := range terms {
		have, err := x.stored(ctx, t)
		if err != nil {
			return nil, err
		}
		switch {
		case i == 0:
			found = sets[0]
			found.Or(have)
		case len(sets[i]) == 0:
			found.And(have)
		default:
			sets[i].Or(have)
			found.And(sets[i])
		}
		if found.Len() == 0 {
			break
		}
	}
	return found, nil
}

// begin waits a little for the index of a server that has just started.
func (x *searchIndex) begin(ctx context.Context) {
	select {
	case <-x.begun:
		return
	default:
	}
	late := time.NewTimer(beginning)
	defer late.Stop()
	select {
	case <-x.begun:
	case <-late.C:
	case <-ctx.Done():
	}
}

// tail returns what memory has of each term.
func (x *searchIndex) tail(terms []posting.Term) []posting.Set {
	x.mu.RLock()
	defer x.mu.RUnlock()
	sets := make([]posting.Set, len(terms))
	for i, t := range terms {
		for block, b := range x.blocks {
			b.Into(&sets[i], block, t)
		}
	}
	return sets
}

// stored returns what the database has of a term. It must not be changed.
func (x *searchIndex) stored(ctx context.Context, t posting.Term) (posting.Set, error) {
	set, since, ok := x.recent.get(t)
	if ok {
		return set, nil
	}
	set, err := x.read(ctx, t)
	if err == nil {
		x.recent.put(t, set, since)
	}
	return set, err
}

// read reads what the database has of a term.
func (x *searchIndex) read(ctx context.Context, t posting.Term) (set posting.Set, err error) {
	rows, err := x.db.query(ctx, "SELECT block, docs FROM search_postings WHERE term = $1", int64(t))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var docs sql.RawBytes
	for rows.Next() {
		var block int64
		if err := rows.Scan(&block, &docs); err != nil {
			return nil, err
		}
		if err := set.Block(block).OrEncoded(docs); err != nil {
			return nil, err
		}
	}
	return set, rows.Err()
}

// recentTerms bounds the terms whose stored sets are kept: each takes up to 125 KB per million runs.
const recentTerms = 96

// recent keeps what was read of stored terms until a block is stored or found stored by another server:
// until then nothing that memory does not have is added to them.
type recent struct {
	mu    sync.Mutex
	since int // counts what made it forget
	sets  map[posting.Term]posting.Set
}

// get returns a set, which must not be changed, or else what put wants to know.
func (r *recent) get(t posting.Term) (set posting.Set, since int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	set, ok = r.sets[t]
	return set, r.since, ok
}

// put keeps a set that was read after get, unless that is out of date. When it is full, any other goes.
func (r *recent) put(t posting.Term, set posting.Set, since int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if since != r.since {
		return
	}
	if r.sets == nil {
		r.sets = map[posting.Term]posting.Set{}
	}
	for other := range r.sets {
		if len(r.sets) < recentTerms {
			break
		}
		delete(r.sets, other)
	}
	r.sets[t] = set
}

func (r *recent) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since++
	clear(r.sets)
}
