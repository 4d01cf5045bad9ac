package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// querier runs fixed reads, inside a transaction or on the pool.
type querier func(query string, args ...any) (rows, error)

// rows is a result being read; *sql.Rows is one.
type rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// on is the pool's querier for one request.
func (db *DB) on(ctx context.Context) querier {
	return func(query string, args ...any) (rows, error) { return db.query(ctx, query, args...) }
}

// scanner is a row to be read.
type scanner interface{ Scan(dest ...any) error }

// all reads every row of a query's result with scan.
func all[T any](scan func(scanner) (T, error)) func(rows, error) ([]T, error) {
	return func(rows rows, err error) (list []T, e error) {
		if err != nil {
			return nil, err
		}
		defer func() { e = errors.Join(e, rows.Close()) }()
		for rows.Next() {
			item, err := scan(rows)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, rows.Err()
	}
}

// one reads the first row of a query's result with scan; sql.ErrNoRows when there is none.
func one[T any](scan func(scanner) (T, error)) func(rows, error) (T, error) {
	return func(rows rows, err error) (item T, e error) {
		if err != nil {
			return item, err
		}
		defer func() { e = errors.Join(e, rows.Close()) }()
		if !rows.Next() {
			if err := rows.Err(); err != nil {
				return item, err
			}
			return item, sql.ErrNoRows
		}
		return scan(rows)
	}
}

// value reads a single column.
func value[T any](row scanner) (v T, err error) {
	err = row.Scan(&v)
	return v, err
}

// Statements are cached by their text, so rows are inserted in chunks of a few sizes only.
const largestChunk = 64

// insert is an INSERT into one table that can take several rows at once.
type insert struct {
	table   string
	columns []string

	mu    sync.RWMutex
	texts map[shape]string
}

// shape is what the text of an INSERT depends on: how many rows it takes and, if it is one, which of its
// values are zero. Most of a new run's are, and one that stands in the text costs an eighth of an
// argument.
type shape struct {
	rows int
	zero uint64 // bit i: column i is 0
	void uint64 // bit i: column i is ''
}

const (
	// maxShapes bounds the texts of a table's INSERT, since statements are kept: where rows differ more
	// than that, the later ones name no zeros.
	maxShapes = 32
	// maxNamed is how many columns may be named as zero.
	maxNamed = 64
)

func newInsert(table string, columns ...string) *insert {
	return &insert{table: table, columns: columns, texts: map[shape]string{}}
}

// rows inserts rows, each a value per column, in order.
func (in *insert) rows(send func(query string, args ...any) error, rows [][]any) error {
	for size := largestChunk; size > 1; size /= 4 {
		for ; len(rows) >= size; rows = rows[size:] {
			if err := send(in.text(shape{rows: size}), slices.Concat(rows[:size]...)...); err != nil {
				return err
			}
		}
	}
	for _, row := range rows {
		query, args := in.single(row)
		if err := send(query, args...); err != nil {
			return err
		}
	}
	return nil
}

// single is the statement for one row, with the arguments it takes.
func (in *insert) single(row []any) (query string, args []any) {
	s := shape{rows: 1}
	args = make([]any, 0, len(row))
	for i, v := range row {
		switch {
		case i >= maxNamed:
			args = append(args, v)
		case v == "":
			s.void |= 1 << i
		case v == 0, v == int64(0), v == float64(0):
			s.zero |= 1 << i
		default:
			args = append(args, v)
		}
	}
	if text := in.text(s); text != "" {
		return text, args
	}
	return in.text(shape{rows: 1}), row
}

// text is the statement of a shape; "" when there are too many shapes and this one can be done without.
func (in *insert) text(s shape) string {
	in.mu.RLock()
	text, ok := in.texts[s]
	full := len(in.texts) >= maxShapes
	in.mu.RUnlock()
	if ok || full && s.zero|s.void != 0 {
		return text
	}
	text = in.write(s)
	in.mu.Lock()
	in.texts[s] = text
	in.mu.Unlock()
	return text
}

func (in *insert) write(s shape) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (%s) VALUES ", in.table, strings.Join(in.columns, ", "))
	n := 0
	for row := range s.rows {
		if row > 0 {
			b.WriteString(", ")
		}
		values := make([]string, len(in.columns))
		for i := range values {
			switch {
			case s.void>>i&1 == 1: // shifted out from maxNamed on
				values[i] = "''"
			case s.zero>>i&1 == 1:
				values[i] = "0"
			default:
				n++
				values[i] = "$" + strconv.Itoa(n)
			}
		}
		b.WriteString("(" + strings.Join(values, ", ") + ")")
	}
	return b.String()
}

// into inserts through a transaction.
func (in *insert) into(tx *Tx, rows ...[]any) error {
	return in.rows(tx.Send, rows)
}

// placeholders writes "$first, …" for n arguments.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	return b.String()
}

// micros is a time as stored: 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// fromMicros is the inverse of micros.
func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// flag is a bool as stored.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// encode writes v as JSON. Only a value that cannot be JSON at all fails.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(b), nil
}

// decode reads what encode wrote; empty text leaves the zero value.
func decode(text string, v any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("decode %T: %w", v, err)
	}
	return nil
}

// chunkOfIDs bounds how many ids one statement names.
const chunkOfIDs = 500

// chunksOf yields ids as arguments of statements, a bounded number at a time.
func chunksOf(ids []string) iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		for chunk := range slices.Chunk(ids, chunkOfIDs) {
			args := make([]any, len(chunk))
			for i, id := range chunk {
				args[i] = id
			}
			if !yield(args) {
				return
			}
		}
	}
}
