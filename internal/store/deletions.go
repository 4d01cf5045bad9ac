package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cadrehq/cadre/internal/run/keep"
	"github.com/cadrehq/cadre/internal/store/posting"
)

// Deletions takes away what deleted runs left, a little at a time: keep.Remains.
type Deletions struct{ db *DB }

// NewDeletions takes away from db.
func NewDeletions(db *DB) Deletions { return Deletions{db} }

var _ keep.Remains = Deletions{}

const (
	// erasedRows and erasedBytes bound what one operation takes away of a table, so that others wait a few
	// milliseconds for it.
	erasedRows  = 200
	erasedBytes = 1 << 20
	// erasedBlobs is how many blobs of a run are named at once.
	erasedBlobs = 50
)

// bury makes a run be there for nobody and puts it down for what is left of it to be taken away. Its row
// stays for good: numbers are never given twice, and what was spent stays known.
func bury(tx *Tx, runID string, now, due time.Time) error {
	if err := tx.Send("UPDATE runs SET owner_type = '"+nowhere+"', owner_uid = '' WHERE id = $1", runID); err != nil {
		return err
	}
	return tx.Send(`INSERT INTO deletions (run_id, n, created_at, due_at) SELECT id, n, $1, $2 FROM runs WHERE id = $3
		ON CONFLICT (run_id) DO UPDATE SET due_at = excluded.due_at`, micros(now), micros(due), runID)
}

// Claim returns the run that is due the longest, and keeps others from it until a time; "" when none is.
func (s Deletions) Claim(ctx context.Context, now, until time.Time) (runID string, err error) {
	err = s.db.Write(ctx, "deletions", func(tx *Tx) error {
		runID, err = one(value[string])(tx.Query("SELECT d.run_id FROM deletions d WHERE d.due_at > 0 AND d.due_at <= $1 ORDER BY d.due_at LIMIT 1"+
			tx.forUpdateFree("d"), micros(now)))
		if errors.Is(err, sql.ErrNoRows) {
			runID = ""
			return nil
		}
		if err != nil {
			return err
		}
		return tx.Send("UPDATE deletions SET due_at = $1 WHERE run_id = $2", micros(until), runID)
	})
	return runID, err
}

// Blobs names some blobs of a run.
func (s Deletions) Blobs(ctx context.Context, runID string) ([]string, error) {
	ids, err := all(value[string])(s.db.query(ctx, "SELECT id FROM blobs WHERE run_id = $1 ORDER BY id LIMIT $2", runID, erasedBlobs))
	return ids, public("read blobs of deleted run", err)
}

// Forget takes the rows of blobs away whose bytes are gone.
func (s Deletions) Forget(ctx context.Context, runID string, blobIDs []string) error {
	return s.db.Write(ctx, runID, func(tx *Tx) error {
		for _, id := range blobIDs {
			if err := dropBlob(tx, runID, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// left are the tables with what a run leaves, all of which goes; a new table with a run_id belongs here. Rows are told apart by a column that
// orders those of a run.
var left = []struct{ table, order, bytes string }{
	{"entries", "seq", "length(data)"},
	{"commands", "id", "length(text)"},
	{"requests", "id", "length(request)"},
	{"artifacts", "uid", "length(data)"},
	{"executions", "number", "0"},
	{"messages", "id", "length(body)"},
	{"client_events", "uuid", "0"},
	{"uploads", "id", "length(detail)"},
	{"external_conversations", "run_id", "0"},
}

// Erase takes some of what is left of a run away, and says whether there may be more.
func (s Deletions) Erase(ctx context.Context, runID string) (more bool, err error) {
	if more, err = s.eraseSearch(ctx, runID); more || err != nil {
		return more, err
	}
	for _, l := range left {
		if more, err = s.eraseRows(ctx, runID, l.table, l.order, l.bytes); more || err != nil {
			return more, err
		}
	}
	return s.scrub(ctx, runID)
}

// eraseRows takes the first rows of a run in a table away.
func (s Deletions) eraseRows(ctx context.Context, runID, table, order, bytes string) (more bool, err error) {
	type row struct {
		key  any
		size int64
	}
	rows, err := all(func(r scanner) (w row, err error) { return w, r.Scan(&w.key, &w.size) })(s.db.query(ctx,
		"SELECT "+order+", "+bytes+" FROM "+table+" WHERE run_id = $1 ORDER BY "+order+" LIMIT $2", runID, erasedRows))
	if err != nil || len(rows) == 0 {
		return false, public("read what is left of a run", err)
	}
	size, n := int64(0), 0
	for n < len(rows) && (n == 0 || size+rows[n].size <= erasedBytes) {
		size += rows[n].size
		n++
	}
	last := rows[n-1].key
	return true, s.db.Write(ctx, runID, func(tx *Tx) error {
		return tx.Send("DELETE FROM "+table+" WHERE run_id = $1 AND "+order+" <= $2", runID, last)
	})
}

// scrub takes what people and agents wrote out of the rows that stay, and the run from the list of what
// is due when nothing is left: its events say when what happened, its calls what they cost.
func (s Deletions) scrub(ctx context.Context, runID string) (more bool, err error) {
	seqs, err := all(value[int64])(s.db.query(ctx, `SELECT seq FROM lifecycle_events WHERE run_id = $1
		AND (message <> '' OR data <> '') ORDER BY seq LIMIT $2`, runID, erasedRows))
	if err != nil {
		return false, public("read events of deleted run", err)
	}
	if len(seqs) > 0 {
		return true, s.db.Write(ctx, runID, func(tx *Tx) error {
			return tx.Send(`UPDATE lifecycle_events SET message = '', data = '' WHERE run_id = $1 AND seq >= $2 AND seq <= $3`,
				runID, seqs[0], seqs[len(seqs)-1])
		})
	}
	calls, err := all(value[string])(s.db.query(ctx, "SELECT id FROM usage_calls WHERE run_id = $1 AND error <> '' LIMIT $2", runID, erasedRows))
	if err != nil {
		return false, public("read calls of deleted run", err)
	}
	return len(calls) > 0, s.db.Write(ctx, runID, func(tx *Tx) error {
		for _, id := range calls {
			if err := tx.Send("UPDATE usage_calls SET error = '' WHERE id = $1", id); err != nil {
				return err
			}
		}
		if len(calls) > 0 {
			return nil
		}
		return tx.Send("UPDATE deletions SET due_at = 0 WHERE run_id = $1", runID)
	})
}

// eraseSearch takes a run's words out of the search index, and then the words: with its specification
// goes the last that the index could be made of.
func (s Deletions) eraseSearch(ctx context.Context, runID string) (more bool, err error) {
	d, err := one(scanDoc)(s.db.query(ctx, selectDoc, runID))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, public("read deleted run", err)
	}
	if err := s.db.search.erase(ctx, d); err != nil {
		return false, err
	}
	return true, s.db.Write(ctx, runID, func(tx *Tx) error {
		if err := tx.Send(`UPDATE runs SET title = '', message = '', waiting_message = '', config_name = '', skill = ''
			WHERE id = $1`, runID); err != nil {
			return err
		}
		for key, value := range d.metadata { // found by key and value alone
			if err := tx.Send("DELETE FROM run_metadata WHERE key = $1 AND value = $2 AND run_id = $3", key, value, runID); err != nil {
				return err
			}
		}
		return tx.Send("DELETE FROM run_specs WHERE run_id = $1", runID)
	})
}

// selectDoc reads one run as selectDocs does.
const selectDoc = "SELECT 0, 1 = 0, " + docColumns + " FROM runs r JOIN run_specs p ON p.run_id = r.id WHERE r.id = $1"

// erase takes a run out of the rows of its terms, a few at a time. Those of its block that are not
// stored yet will be stored without it.
func (x *searchIndex) erase(ctx context.Context, d doc) error {
	block, place := posting.Split(d.n)
	terms := append(d.terms, posting.Every)
	slices.Sort(terms)
	terms = slices.Compact(terms)
	for len(terms) > 0 {
		some := terms[:min(len(terms), storeChunk)]
		terms = terms[len(some):]
		if err := x.db.Write(ctx, "search", func(tx *Tx) error { return dropPostings(tx, block, place, some) }); err != nil {
			return fmt.Errorf("erase from search index: %w", err)
		}
	}
	x.recent.forget()
	return nil
}

// dropPostings takes one run out of stored rows.
func dropPostings(tx *Tx, block int64, place uint16, terms []posting.Term) error {
	d := tx.group.w.db.dialect
	if err := tx.group.lock(lockSearch); err != nil {
		return err
	}
	rows := make([]posting.Row, len(terms))
	for i, t := range terms {
		rows[i].Term = t
	}
	rows, err := addStored(tx, d, block, rows)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if !r.Docs.Has(place) {
			continue
		}
		if r.Docs.Remove(place); r.Docs.Len() == 0 {
			err = tx.Send("DELETE FROM search_postings WHERE term = $1 AND block = $2", int64(r.Term), block)
		} else {
			err = tx.Send("UPDATE search_postings SET docs = $1 WHERE term = $2 AND block = $3", r.Docs.Encode(), int64(r.Term), block)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// buried are the places of a block whose runs were deleted.
func buried(tx *Tx, block int64) ([]uint16, error) {
	numbers, err := all(value[int64])(tx.Query("SELECT n FROM deletions WHERE n >= $1 AND n < $2",
		block*posting.BlockSize, (block+1)*posting.BlockSize))
	places := make([]uint16, len(numbers))
	for i, n := range numbers {
		_, places[i] = posting.Split(n)
	}
	return places, err
}
