package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

//go:embed migrations
var migrations embed.FS

// migrate brings the schema up to date, through a pool of its own. A database that is up to date costs
// one query of the pool that is used anyway.
func (db *DB) migrate(ctx context.Context, used, pool *sql.DB) error {
	files, err := migrationsOf(db.dialect)
	if err != nil {
		return err
	}
	want, err := newestVersion(files)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		have, err := schemaVersion(ctx, used)
		if err != nil {
			return err
		}
		if have == want {
			return nil
		}
		if have > want {
			return fmt.Errorf("the database has schema version %d, this program knows up to %d: start a newer one", have, want)
		}
		// Two processes that create one SQLite file at once meet here: the one that fails looks again.
		if err := db.up(ctx, pool, files); err != nil && try == maxMigrateTries {
			return fmt.Errorf("migrate: %w", err)
		}
	}
}

// maxMigrateTries bounds how often a failed migration is tried.
const maxMigrateTries = 3

func (db *DB) up(ctx context.Context, pool *sql.DB, files fs.FS) error {
	d := goose.DialectSQLite3
	if db.dialect == postgres {
		d = goose.DialectPostgres
	}
	provider, err := goose.NewProvider(d, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

// schemaVersion returns the newest migration carried out, 0 for an empty database.
func schemaVersion(ctx context.Context, pool *sql.DB) (int64, error) {
	var exists int
	err := pool.QueryRowContext(ctx, "SELECT count(*) FROM goose_db_version").Scan(&exists)
	if err != nil {
		// Only "no such table" is expected, and the engines spell it differently; a connection that
		// does not work at all is told apart by asking it something trivial.
		if _, e := pool.ExecContext(ctx, "SELECT 1"); e != nil {
			return 0, e
		}
		return 0, nil
	}
	var v sql.NullInt64
	err = pool.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied").Scan(&v)
	return v.Int64, err
}

// newestVersion is the number in front of the last file's name.
func newestVersion(files fs.FS) (int64, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) == 0 {
		return 0, errors.Join(errors.New("no migrations"), err)
	}
	number, _, _ := strings.Cut(names[len(names)-1], "_")
	return strconv.ParseInt(number, 10, 64)
}

// migrationsOf is the shared migrations and the engine's own as one folder. Version numbers are
// unique across both.
func migrationsOf(d dialect) (fs.FS, error) {
	var dirs mergedFS
	for _, name := range []string{"core", string(d)} {
		dir, err := fs.Sub(migrations, "migrations/"+name)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

// mergedFS shows the files of several folders as one.
type mergedFS []fs.FS

// Open opens the file in the first folder that has it.
func (m mergedFS) Open(name string) (fs.File, error) {
	var err error
	for _, dir := range m {
		var f fs.File
		if f, err = dir.Open(name); err == nil {
			return f, nil
		}
	}
	return nil, err
}

// ReadDir lists all folders' files in the order of their names.
func (m mergedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	for _, dir := range m {
		entries, err := fs.ReadDir(dir, name)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name() < all[j].Name() })
	return all, nil
}
