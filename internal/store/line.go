package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/jackc/pgx/v5"
)

// Line carries short texts between the servers of one PostgreSQL database, by its notifications. It
// belongs to one user: Say and Hear may be called from one goroutine each.
type Line struct {
	says, hears *pgx.Conn
	channel     string
}

// errNoLine refuses a line between the servers of a SQLite file, of which there is one.
var errNoLine = errors.New("only PostgreSQL connects servers")

// Shared reports whether other servers may use the database.
func (db *DB) Shared() bool { return db.dialect == postgres }

// OpenLine connects to the database twice: a connection that waits for notifications cannot send any.
// Close it when done; it does not outlive an error.
func (db *DB) OpenLine(ctx context.Context) (*Line, error) {
	if !db.Shared() {
		return nil, errNoLine
	}
	var l Line
	if err := l.open(ctx, db.config.Copy()); err != nil {
		l.Close()
		return nil, fmt.Errorf("open line: %w", err)
	}
	return &l, nil
}

func (l *Line) open(ctx context.Context, config *pgx.ConnConfig) (err error) {
	// What is said is in no table: nobody waits for the disk.
	config.RuntimeParams["synchronous_commit"] = "off"
	if l.says, err = pgx.ConnectConfig(ctx, config); err != nil {
		return err
	}
	if l.hears, err = pgx.ConnectConfig(ctx, config); err != nil {
		return err
	}
	// Channels are of a database, installations of a schema.
	var schema string
	if err := l.hears.QueryRow(ctx, "SELECT current_schema()").Scan(&schema); err != nil {
		return err
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(schema)) // never fails
	l.channel = fmt.Sprintf("cadre_%016x", h.Sum64())
	_, err = l.hears.Exec(ctx, "LISTEN "+pgx.Identifier{l.channel}.Sanitize())
	return err
}

// Say sends texts of less than 8000 bytes to every server, this one included, in their order.
func (l *Line) Say(ctx context.Context, texts []string) error {
	var batch pgx.Batch
	for _, text := range texts {
		batch.Queue("SELECT pg_notify($1, $2)", l.channel, text)
	}
	return l.says.SendBatch(ctx, &batch).Close()
}

// Hear waits for the next text.
func (l *Line) Hear(ctx context.Context) (string, error) {
	n, err := l.hears.WaitForNotification(ctx)
	if err != nil {
		return "", err
	}
	return n.Payload, nil
}

// Close is silent: nothing is to be saved.
func (l *Line) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	for _, c := range []*pgx.Conn{l.says, l.hears} {
		if c != nil {
			_ = c.Close(ctx)
		}
	}
}
