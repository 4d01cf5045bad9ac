package store

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/internal/store/posting"
)

// storeFull stores the blocks that no new run will belong to and forgets them.
func (x *searchIndex) storeFull(ctx context.Context) error {
	x.storing.Lock()
	defer x.storing.Unlock()
	for _, block := range x.full() {
		if err := x.storeBlock(ctx, block); err != nil {
			return err
		}
	}
	return nil
}

// full lists the blocks to be stored, oldest first.
func (x *searchIndex) full() []int64 {
	margin := int64(0)
	if x.db.dialect == postgres {
		margin = settled
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []int64
	for block := range x.blocks {
		if x.newest >= (block+1)*posting.BlockSize+margin {
			list = append(list, block)
		}
	}
	slices.Sort(list)
	return list
}

// storeBlock writes a block in small operations, each adding to what is there: after a crash, or when
// another server does the same, nothing is lost and nothing doubled. The last one moves the mark.
func (x *searchIndex) storeBlock(ctx context.Context, block int64) error {
	x.mu.RLock()
	b := x.blocks[block]
	runs, terms, every := b.Len(), b.Terms(), []posting.Row{b.Row(posting.Every)}
	x.mu.RUnlock()
	for chunk := range slices.Chunk(terms, storeChunk) {
		rows := x.rows(b, chunk)
		if err := x.db.Write(ctx, "search", func(tx *Tx) error { return putPostings(tx, block, rows, b.stored) }); err != nil {
			return err
		}
	}
	// Who is in this row is not indexed again, so it comes after the others.
	if err := x.db.Write(ctx, "search", func(tx *Tx) error { return putPostings(tx, block, every, b.stored) }); err != nil {
		return err
	}
	b.stored = true
	mark, ok := x.forget(block, runs)
	if !ok {
		return nil // a latecomer joined; the next round stores the block again
	}
	return x.db.Write(ctx, "search", func(tx *Tx) error {
		return tx.Send("UPDATE search_state SET seq = $1 WHERE id = 1 AND seq < $2", mark, mark)
	})
}

func (x *searchIndex) rows(b *tailBlock, terms []posting.Term) []posting.Row {
	x.mu.RLock()
	defer x.mu.RUnlock()
	rows := make([]posting.Row, len(terms))
	for i, t := range terms {
		rows[i] = b.Row(t)
	}
	return rows
}

// forget drops a block that was stored with so many runs, and returns the event up to which every
// created run is stored then. ok is false if the block has more runs by now.
func (x *searchIndex) forget(block int64, runs int) (mark int64, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.blocks[block].Len() != runs {
		return 0, false
	}
	delete(x.blocks, block)
	x.recent.forget()
	mark = x.seq
	for _, b := range x.blocks {
		if b.first > 0 {
			mark = min(mark, b.first-1)
		}
	}
	return mark, true
}

// putPostings adds rows to a block. SQLite has one server, which knows whether there are any yet.
func putPostings(tx *Tx, block int64, rows []posting.Row, stored bool) error {
	sum := rows
	if d := tx.group.w.db.dialect; stored || d == postgres {
		if err := tx.group.lock(lockSearch); err != nil {
			return err
		}
		var err error
		if sum, err = addStored(tx, d, block, rows); err != nil {
			return err
		}
	}
	gone, err := buried(tx, block)
	if err != nil {
		return err
	}
	for _, r := range sum {
		if r.Docs.Remove(gone...); r.Docs.Len() == 0 {
			continue
		}
		if err := tx.Send(`INSERT INTO search_postings (term, block, docs) VALUES ($1, $2, $3)
			ON CONFLICT (term, block) DO UPDATE SET docs = excluded.docs`, int64(r.Term), block, r.Docs.Encode()); err != nil {
			return err
		}
	}
	return nil
}

// addStored returns the rows with what is stored of them. It leaves its argument alone: an operation
// may run twice.
func addStored(tx *Tx, d dialect, block int64, rows []posting.Row) (_ []posting.Row, err error) {
	at := make(map[int64]*posting.Row, len(rows))
	sum := slices.Clone(rows)
	terms := make([]int64, len(rows))
	for i := range sum {
		terms[i] = int64(sum[i].Term)
		at[terms[i]] = &sum[i]
	}
	have, err := tx.Query("SELECT term, docs FROM search_postings WHERE block = $1 AND term "+d.among("$2"), block, d.numbers(terms))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, have.Close()) }()
	for have.Next() {
		var term int64
		var docs []byte
		if err := have.Scan(&term, &docs); err != nil {
			return nil, err
		}
		if err := at[term].Docs.OrEncoded(docs); err != nil {
			return nil, err
		}
	}
	return sum, have.Err()
}

// numbers is a list of numbers as one argument, for among and each.
func (d dialect) numbers(list []int64) string {
	var b strings.Builder
	b.Grow(8 * len(list))
	open, end := byte('['), byte(']')
	if d == postgres {
		open, end = '{', '}'
	}
	b.WriteByte(open)
	for i, n := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte(end)
	return b.String()
}

// among is the condition that a column is one of the numbers in an argument.
func (d dialect) among(arg string) string {
	if d == postgres {
		return "= ANY(" + arg + "::bigint[])"
	}
	return "IN (SELECT value FROM json_each(" + arg + "))"
}

// eachRun is the runs r whose numbers are in an argument, found by number and in no other way.
func (d dialect) eachRun(arg string) string {
	if d == postgres {
		return "unnest(" + arg + "::bigint[]) AS j (value) JOIN runs r ON r.n = j.value"
	}
	return "json_each(" + arg + ") AS j CROSS JOIN runs AS r NOT INDEXED ON r.n = j.value"
}

// join is a join that SQLite carries out in the order it is written.
func (d dialect) join() string {
	if d == postgres {
		return " JOIN "
	}
	return " CROSS JOIN "
}

// joined begins a query for the numbers n of what follows as one text, in its order, with commas.
func (d dialect) joined() string {
	if d == postgres {
		return "SELECT string_agg(n::text, ',') FROM "
	}
	return "SELECT group_concat(n) FROM "
}

// indexed makes SQLite use an index of runs r or fail. PostgreSQL decides by itself, without a way to
// scan: see openPostgres.
func (d dialect) indexed(index string) string {
	if d == postgres {
		return "runs r"
	}
	return "runs AS r INDEXED BY " + index
}
