package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver "pgx"
)

// Keys of the advisory locks, in a class of their own so that they meet no other program's.
const (
	lockClass   = 0x0cad7e
	lockMigrate = 1 // held while the schema changes
	lockEvents  = 2 // held from numbering events until their commit
	lockNames   = 3 // held while something that may exist once is created
)

// groupTimeout bounds one transaction on PostgreSQL, so that a dead network cannot hold up a writer
// for good.
const groupTimeout = 30 * time.Second

func (db *DB) openPostgres(ctx context.Context, target string) error {
	var err error
	if db.writes, err = sql.Open("pgx", target); err != nil {
		return err
	}
	if err := db.migrateLocked(ctx); err != nil {
		return err
	}
	db.writes.SetMaxOpenConns(db.opts.Writers)
	db.writes.SetMaxIdleConns(db.opts.Writers)
	if db.reads, err = sql.Open("pgx", target); err != nil {
		return err
	}
	db.reads.SetMaxOpenConns(db.opts.Readers)
	db.reads.SetMaxIdleConns(db.opts.Readers)
	db.reads.SetConnMaxIdleTime(5 * time.Minute)
	for range db.opts.Writers {
		db.writers = append(db.writers, newWriter(db, &postgresLink{pool: db.writes}))
	}
	return nil
}

// migrateLocked migrates under a lock, so that of several servers that start at once one does it and
// the others wait. The lock belongs to a connection of its own.
func (db *DB) migrateLocked(ctx context.Context) (err error) {
	conn, err := db.writes.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if e := conn.Close(); err == nil {
			err = e
		}
	}()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1, $2)", lockClass, lockMigrate); err != nil {
		return fmt.Errorf("lock migrations: %w", err)
	}
	migrateErr := db.migrate(ctx, db.writes)
	// Unlock even when ctx has ended: the connection goes back to the pool.
	_, err = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", lockClass, lockMigrate)
	if migrateErr != nil {
		return migrateErr
	}
	return err
}

// postgresLink is one writer's transaction. The driver keeps prepared statements per connection.
type postgresLink struct {
	pool   *sql.DB
	tx     *sql.Tx
	ctx    context.Context
	cancel context.CancelFunc
}

func (l *postgresLink) begin(ctx context.Context) error {
	l.ctx, l.cancel = context.WithTimeout(ctx, groupTimeout)
	tx, err := l.pool.BeginTx(l.ctx, nil)
	if err != nil {
		l.cancel()
		return err
	}
	l.tx = tx
	return nil
}

// commit reports an error when the server rolled back instead: the driver checks its answer.
func (l *postgresLink) commit(context.Context) error {
	defer l.cancel()
	return l.tx.Commit()
}

// rollback's error says nothing: the transaction is over, or the connection is.
func (l *postgresLink) rollback(context.Context) {
	defer l.cancel()
	_ = l.tx.Rollback()
}

func (l *postgresLink) exec(_ context.Context, query string, args ...any) (sql.Result, error) {
	return l.tx.ExecContext(l.ctx, query, args...)
}

func (l *postgresLink) query(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	return l.tx.QueryContext(l.ctx, query, args...)
}

func (l *postgresLink) close() {}
