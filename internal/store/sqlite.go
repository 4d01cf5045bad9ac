package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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
	if db.writes, err = sql.Open("sqlite", sqliteDSN(abs, writing)); err != nil {
		return err
	}
	db.writes.SetMaxOpenConns(1)
	if err := db.migrateSQLite(ctx, abs); err != nil {
		return err
	}
	if db.reads, err = sql.Open("sqlite", sqliteDSN(abs, reading)); err != nil {
		return err
	}
	db.reads.SetMaxOpenConns(db.opts.Readers)
	db.reads.SetMaxIdleConns(db.opts.Readers)
	db.reads.SetConnMaxIdleTime(5 * time.Minute)
	db.writers = []*writer{newWriter(db, &sqliteLink{pool: db.writes})}
	return nil
}

// migrateSQLite migrates on connections of its own, which are opened only if there is something to do.
func (db *DB) migrateSQLite(ctx context.Context, path string) (err error) {
	pool, err := sql.Open("sqlite", sqliteDSN(path, migrating))
	if err != nil {
		return err
	}
	pool.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, pool.Close()) }()
	return db.migrate(ctx, db.writes, pool)
}

// sqliteDSN writes a path as the driver's URI with the settings every connection has and those of its
// kind.
func sqliteDSN(path string, kind func(url.Values)) string {
	q := url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)",
		fmt.Sprintf("wal_autocheckpoint(%d)", walHard), "journal_size_limit(67108864)",
		"temp_store(MEMORY)",
	}}
	kind(q)
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}

// The kinds of connections. A migration may change more pages than memory holds, so that it writes as
// SQLite does.
func migrating(url.Values) {}

func reading(q url.Values) { q.Add("_pragma", "query_only(1)") }

func writing(q url.Values) {
	q.Add("_pragma", "cache_size(-16000)") // KiB, taken as needed
	wal.Use(q)
}

// sqliteLink is the one writing connection, with its prepared statements.
type sqliteLink struct {
	pool  *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

// begin replaces a connection on which something went wrong since the last group.
func (l *sqliteLink) begin(ctx context.Context) error {
	for {
		fresh := l.conn == nil
		if fresh {
			conn, err := l.pool.Conn(ctx)
			if err != nil {
				return err
			}
			l.conn, l.stmts = conn, map[string]*sql.Stmt{}
		}
		err := l.send(ctx, "BEGIN IMMEDIATE")
		if err == nil || fresh || judge(err) == verdictRetry {
			return err
		}
		l.close()
	}
}

func (l *sqliteLink) commit(ctx context.Context) error {
	return l.send(ctx, "COMMIT")
}

// rollback also answers a failed commit. SQLite may have rolled back by itself (full disk), so an
// error here says nothing; a transaction that is still open shows when the next one begins.
func (l *sqliteLink) rollback(ctx context.Context) { _ = l.send(ctx, "ROLLBACK") }

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

// close ends the connection, which the pool would otherwise hand out again, with whatever is wrong with
// it; the next begin takes a fresh one. Errors are of no use: the connection is either healthy, and
// closing succeeds, or broken, which is why it is closed.
func (l *sqliteLink) close() {
	if l.conn == nil {
		return
	}
	for _, s := range l.stmts {
		_ = s.Close()
	}
	_ = l.conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = l.conn.Close()
	l.conn, l.stmts = nil, nil
}
