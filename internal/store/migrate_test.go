package store

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"
)

func openLite(t *testing.T, path string) error {
	t.Helper()
	db, err := Open(t.Context(), Options{DSN: path})
	if err != nil {
		return err
	}
	if err := NewEvents(db).check(t.Context()); err != nil {
		t.Error(err)
	}
	return db.Close()
}

// check reads and writes a little.
func (s Events) check(ctx context.Context) error {
	if _, err := s.After(ctx, 0, 1); err != nil {
		return err
	}
	return s.db.Ready(ctx)
}

// TestMigrateFromEachVersion: a database of every older version opens.
func TestMigrateFromEachVersion(t *testing.T) {
	files, err := migrationsOf(sqlite)
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) < 2 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			number, _, _ := strings.Cut(name, "_")
			version, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "old.db")
			raw, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			provider, err := goose.NewProvider(goose.DialectSQLite3, raw, files)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.UpTo(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			if err := raw.Close(); err != nil {
				t.Fatal(err)
			}
			for range 2 { // and again, with nothing to do
				if err := openLite(t, path); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// TestMigrationNumbers: numbers are unique across the folders of each engine.
func TestMigrationNumbers(t *testing.T) {
	for _, d := range []dialect{sqlite, postgres} {
		files, err := migrationsOf(d)
		if err != nil {
			t.Fatal(err)
		}
		names, err := fs.Glob(files, "*.sql")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]string{}
		for _, name := range names {
			number, _, _ := strings.Cut(name, "_")
			if other := seen[number]; other != "" {
				t.Errorf("%s: %s and %s have the same number", d, other, name)
			}
			seen[number] = name
		}
	}
}

func TestFileIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	db, err := Open(t.Context(), Options{DSN: path})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v (%v), want 0600", suffix, info.Mode(), err)
		}
	}
}

func TestOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := openLite(t, path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestOpenNewerDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	if err := openLite(t, path); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := raw.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := openLite(t, path); err == nil || !strings.Contains(err.Error(), "99999") {
		t.Fatalf("opening a newer database says %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, dsn := range []string{"", "sqlite:", "mysql://x", "/no/such/folder/cadre.db", "postgres://127.0.0.1:1/x"} {
		if err := openLite(t, dsn); err == nil {
			t.Errorf("opening %q did not fail", dsn)
		}
	}
}

func TestParseDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"sqlite:/a/b.db": "/a/b.db", "sqlite:///a/b.db": "/a/b.db", "/a/b.db": "/a/b.db", "b.db": "b.db",
		"sqlite:a?b#c.db": "a?b#c.db",
	} {
		if d, got, err := parseDSN(dsn); d != sqlite || got != want || err != nil {
			t.Errorf("%q is %s %q (%v), want %q", dsn, d, got, err, want)
		}
	}
}

func TestPositional(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                            "SELECT 1",
		"VALUES ($1, $2, $3)":                 "VALUES (?, ?, ?)",
		"SET a = $2 WHERE b = $1":             "SET a = $2 WHERE b = $1",
		"a < $1 THEN $1":                      "a < $1 THEN $1",
		placeholders(1, 12):                   strings.Repeat("?, ", 11) + "?",
		"$1, $2, $3, $4, $5, $6, $7, $8, $90": "$1, $2, $3, $4, $5, $6, $7, $8, $90",
	} {
		if got := positional(query); got != want {
			t.Errorf("%q becomes %q, want %q", query, got, want)
		}
	}
}
