package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/cadrehq/cadre/internal/store/wal"
)

// walHard is the size of the write-ahead log, in pages of 4 KiB, at which the writer itself copies
// what is left of it, so that it can start over. Usually the checkpointer was there before.
const walHard = 16_000

// openSQLite opens the file with one connection that writes and a pool that only reads.
func (db *DB) openSQLite(ctx context.Context, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	// The file holds keys: nobody else may read it, nor the log beside it, which takes over its mode.
	file, err := os.OpenFile(abs, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := wal.Register(); err != nil {
		return err
	}
	if db.writes, err = sql.Open("sqlite", sqliteDSN(abs, false)); err != nil {
		return err
	}
	db.writes.SetMaxOpenConns(1)
	if err := db.migrate(ctx, db.writes); err != nil {
		return err
	}
	if db.reads, err = sql.Open("sqlite", sqliteDSN(abs, true)); err != nil {
		return err
	}
	db.reads.SetMaxOpenConns(db.opts.Readers)
	db.reads.SetMaxIdleConns(db.opts.Readers)
	db.reads.SetConnMaxIdleTime(5 * time.Minute)
	db.writers = []*writer{newWriter(db, &sqliteLink{pool: db.writes})}
	return nil
}

// sqliteDSN writes a path as the driver's URI with the settings every connection has.
func sqliteDSN(path string, readOnly bool) string {
	pragmas := []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)",
		fmt.Sprintf("wal_autocheckpoint(%d)", walHard), "journal_size_limit(67108864)",
		"temp_store(MEMORY)",
	}
	if readOnly {
		pragmas = append(pragmas, "query_only(1)")
	} else {
		pragmas = append(pragmas, "cache_size(-16000)") // KiB, taken as needed
	}
	q := url.Values{"_pragma": pragmas}
	if !readOnly {
		q.Set("vfs", wal.VFS)
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// sqliteLink is the one writing connection, with its prepared statements.
type sqliteLink struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func (l *sqliteLink) begin(ctx context.Context) error {
	if l.conn == nil {
		conn, err := l.pool.Conn(ctx)
		if err != nil {
			return err
		}
		l.conn, l.stmts = conn, map[string]*sql.Stmt{}
	}
	return l.send(ctx, "BEGIN IMMEDIATE")
}

func (l *sqliteLink) commit(ctx context.Context) error {
	return l.send(ctx, "COMMIT")
}

// rollback also answers a failed commit. SQLite may have rolled back by itself (full disk), so an
// error here says nothing; whatever is wrong with the connection goes with it.
func (l *sqliteLink) rollback(ctx context.Context) {
	if err := l.send(ctx, "ROLLBACK"); err != nil {
		l.close()
	}
}

func (l *sqliteLink) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if s := l.stmts[query]; s != nil {
		return s, nil
	}
	s, err := l.conn.PrepareContext(ctx, positional(query))
	if err != nil {
		return nil, err
	}
	l.stmts[query] = s
	return s, nil
}

// positional writes "$1 … $n" as "?" if that is the order in which they occur anyway: the driver looks
// numbered ones up by name at every execution, which costs a tenth of an insert.
func positional(query string) string {
	var b strings.Builder
	rest := query
	for n := 1; ; n++ {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		number := strconv.Itoa(n)
		after, ok := strings.CutPrefix(after, number)
		if !ok || after != "" && after[0] >= '0' && after[0] <= '9' {
			return query
		}
		b.WriteByte('?')
		rest = after
	}
}

// send has nothing to gain from waiting: there is no network.
func (l *sqliteLink) send(ctx context.Context, query string, args ...any) error {
	s, err := l.prepared(ctx, query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(ctx, args...)
	return err
}

func (l *sqliteLink) flush(context.Context) error { return nil }

func (l *sqliteLink) discard() {}

func (l *sqliteLink) exec(ctx context.Context, query string, args ...any) (int64, error) {
	s, err := l.prepared(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (l *sqliteLink) query(ctx context.Context, query string, args ...any) (rows, error) {
	s, err := l.prepared(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// close lets go of the connection; the next begin takes a fresh one. Errors are of no use: the
// connection is either healthy, and closing succeeds, or broken, which is why it is closed.
func (l *sqliteLink) close() {
	if l.conn == nil {
		return
	}
	for _, s := range l.stmts {
		_ = s.Close()
	}
	_ = l.conn.Close()
	l.conn, l.stmts = nil, nil
}
