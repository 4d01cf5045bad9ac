package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Keys of the advisory locks, in a class of their own so that they meet no other program's.
const (
	lockClass   = 0x0cad7e
	lockMigrate = 1 // held while the schema changes
	lockEvents  = 2 // held from numbering events until their commit
	lockNames   = 3 // held while something that may exist once is created
	lockSearch  = 4 // held while a block of the search index is stored
)

func (db *DB) openPostgres(ctx context.Context, target string) error {
	config, err := pgx.ParseConfig(target)
	if err != nil {
		return err
	}
	db.config = config
	// Reads know their way: by an index. The planner, misled by statistics that are a little old, would
	// now and then rather go through the table, or compile a plan it takes for expensive.
	reading := config.Copy()
	reading.RuntimeParams["enable_seqscan"] = "off"
	reading.RuntimeParams["jit"] = "off"
	db.reads = stdlib.OpenDB(*reading)
	db.reads.SetMaxOpenConns(db.opts.Readers)
	db.reads.SetMaxIdleConns(db.opts.Readers)
	db.reads.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.migrateLocked(ctx); err != nil {
		return err
	}
	for range db.opts.Writers {
		db.writers = append(db.writers, newWriter(db, &postgresLink{config: config}))
	}
	return nil
}

// migrateLocked migrates under a lock, so that of several servers that start at once one does it and
// the others wait. The lock belongs to a connection of its own.
func (db *DB) migrateLocked(ctx context.Context) (err error) {
	conn, err := db.reads.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1, $2)", lockClass, lockMigrate); err != nil {
		return fmt.Errorf("lock migrations: %w", err)
	}
	migrateErr := db.migrate(ctx, db.reads, db.reads)
	// Unlock even when ctx has ended: the connection goes back to the pool.
	_, err = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", lockClass, lockMigrate)
	return errors.Join(migrateErr, err)
}
