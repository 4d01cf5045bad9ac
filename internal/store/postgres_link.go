package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// groupTimeout bounds one transaction on PostgreSQL, so that a dead network cannot hold up a writer
// for good; closeTimeout bounds the farewell to a connection.
const (
	groupTimeout = 30 * time.Second
	closeTimeout = time.Second
)

// errLost marks errors after which the connection is gone.
var errLost = errors.New("connection to the database is lost")

// postgresLink is one writer's connection. Statements whose result nobody waits for are kept and sent
// together, at the latest with the commit, so that a whole group of inserts is one round trip.
type postgresLink struct {
	config *pgx.ConnConfig
	conn   *pgx.Conn
	batch  pgx.Batch
	ctx    context.Context // of the transaction
	cancel context.CancelFunc
}

// begin replaces a connection that died since the last group.
func (l *postgresLink) begin(ctx context.Context) error {
	l.ctx, l.cancel = context.WithTimeout(ctx, groupTimeout)
	for {
		fresh := l.conn == nil
		if fresh {
			conn, err := pgx.ConnectConfig(l.ctx, l.config)
			if err != nil {
				l.cancel()
				return err
			}
			l.conn = conn
		}
		_, err := l.conn.Exec(l.ctx, "BEGIN")
		if err == nil {
			return nil
		}
		l.close()
		if fresh {
			l.cancel()
			return err
		}
	}
}

func (l *postgresLink) send(_ context.Context, query string, args ...any) error {
	l.batch.Queue(query, args...)
	return nil
}

// flush sends what is kept. After an error none of it counts: the transaction is broken.
func (l *postgresLink) flush(context.Context) error {
	if l.batch.Len() == 0 {
		return nil
	}
	batch := l.batch
	l.batch = pgx.Batch{}
	return l.judged(l.conn.SendBatch(l.ctx, &batch).Close())
}

// discard forgets what is kept.
func (l *postgresLink) discard() { l.batch = pgx.Batch{} }

func (l *postgresLink) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := l.flush(ctx); err != nil {
		return 0, err
	}
	tag, err := l.conn.Exec(l.ctx, query, args...)
	return tag.RowsAffected(), l.judged(err)
}

func (l *postgresLink) query(ctx context.Context, query string, args ...any) (rows, error) {
	if err := l.flush(ctx); err != nil {
		return nil, err
	}
	r, err := l.conn.Query(l.ctx, query, args...)
	return pgxRows{r, l}, l.judged(err)
}

// commit ends the transaction together with what is kept: the server skips the commit if anything
// before it fails, and answers one that it turned into a rollback by saying so.
func (l *postgresLink) commit(context.Context) error {
	batch := l.batch
	l.batch = pgx.Batch{}
	kept := batch.Len()
	batch.Queue("COMMIT")
	results := l.conn.SendBatch(l.ctx, &batch)
	for range kept {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // repeats the error
			return l.judged(err)
		}
	}
	tag, err := results.Exec()
	if err := errors.Join(err, results.Close()); err != nil {
		return l.judged(err)
	}
	if tag.String() != "COMMIT" {
		return fmt.Errorf("the server answered COMMIT with %s", tag)
	}
	l.cancel()
	return nil
}

// rollback gives a connection up that cannot even do that.
func (l *postgresLink) rollback(context.Context) {
	defer l.cancel()
	l.discard()
	if _, err := l.conn.Exec(l.ctx, "ROLLBACK"); err != nil {
		l.close()
	}
}

// close is silent: the connection is of no use any more, whatever its end looks like.
func (l *postgresLink) close() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = l.conn.Close(ctx)
	l.conn = nil
}

// judged marks an error that took the connection with it.
func (l *postgresLink) judged(err error) error {
	if err != nil && l.conn.IsClosed() {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// pgxRows are the driver's rows in the shape of database/sql.
type pgxRows struct {
	pgx.Rows
	link *postgresLink
}

// Err is what ended the rows early. The driver reports most errors of a query only here.
func (r pgxRows) Err() error { return r.link.judged(r.Rows.Err()) }

// Close returns the same.
func (r pgxRows) Close() error {
	r.Rows.Close()
	return r.Err()
}
