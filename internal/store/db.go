package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DB is an open database. Its methods and those of the noun types made from it are safe for
// concurrent use.
type DB struct {
	opts    Options
	dialect dialect
	reads   *sql.DB
	writes  *sql.DB         // SQLite only
	config  *pgx.ConnConfig // PostgreSQL only
	writers []*writer
	stmts   sync.Map // query text -> *sql.Stmt on reads
	health  health
	ready   readiness
	search  *searchIndex
	known   *known
	effort  effort
	asked   atomic.Pointer[func(query string, args []any)] // tests listen here to reads that are not fixed

	dirty      atomic.Int64  // statements committed since the last checkpoint (SQLite)
	checkpoint chan struct{} // wakes the checkpointer

	closing   chan struct{} // closed first: no new work
	closeOnce sync.Once
	closeErr  error
	loops     sync.WaitGroup
}

// Open opens the database, brings its schema up to date and starts its writers. Several processes
// may open the same PostgreSQL database at the same time. A database made by a newer version is
// refused.
func Open(ctx context.Context, opts Options) (*DB, error) {
	opts = opts.withDefaults()
	d, target, err := parseDSN(opts.DSN)
	if err != nil {
		return nil, err
	}
	db := &DB{opts: opts, dialect: d, effort: usualEffort, closing: make(chan struct{}), checkpoint: make(chan struct{}, 1)}
	db.health.logger = opts.Logger
	db.search = newSearchIndex(db)
	db.known = newKnown(db)
	if d == sqlite {
		err = db.openSQLite(ctx, target)
	} else {
		err = db.openPostgres(ctx, target)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", err), db.closePools())
	}
	for _, w := range db.writers {
		db.loops.Go(w.loop)
	}
	if d == sqlite {
		db.loops.Go(db.checkpointLoop)
	}
	db.loops.Go(db.search.loop)
	db.loops.Go(db.known.loop)
	return db, nil
}

// Close finishes the operations already queued, refuses new ones and closes every connection. It may
// be called more than once.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		close(db.closing)
		db.loops.Wait()
		db.closeErr = db.closePools()
	})
	return db.closeErr
}

func (db *DB) closePools() error {
	var errs []error
	db.stmts.Range(func(_, stmt any) bool {
		errs = append(errs, stmt.(*sql.Stmt).Close())
		return true
	})
	for _, pool := range []*sql.DB{db.reads, db.writes} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// now is the clock in the precision the database keeps.
func (db *DB) now() time.Time { return db.opts.Now().UTC().Truncate(time.Microsecond) }

// query runs a fixed read. Its text must be a constant: the prepared statement is kept for good.
func (db *DB) query(ctx context.Context, query string, args ...any) (rows, error) {
	stmt, ok := db.stmts.Load(query)
	if !ok {
		fresh, err := db.reads.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		var lost bool
		if stmt, lost = db.stmts.LoadOrStore(query, fresh); lost {
			if err := fresh.Close(); err != nil {
				return nil, err
			}
		}
	}
	return db.again(ctx, func() (rows, error) { return stmt.(*sql.Stmt).QueryContext(ctx, args...) })
}

// queryOnce runs a read whose text depends on its arguments.
func (db *DB) queryOnce(ctx context.Context, query string, args ...any) (rows, error) {
	if asked := db.asked.Load(); asked != nil {
		(*asked)(query, args)
	}
	return db.again(ctx, func() (rows, error) { return db.reads.QueryContext(ctx, query, args...) })
}

// again repeats a read whose connection turned out to be dead: after a restart of PostgreSQL all in
// the pool are, and each is only found out by using it. A server that cannot be reached is not
// waited for.
func (db *DB) again(ctx context.Context, read func() (rows, error)) (rows, error) {
	for try := 0; ; try++ {
		r, err := read()
		var connect *pgconn.ConnectError
		if err == nil || try == db.opts.Readers || ctx.Err() != nil ||
			judge(err) != verdictLost || db.dialect != postgres || errors.As(err, &connect) {
			return r, err
		}
	}
}
