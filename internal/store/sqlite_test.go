package store

import (
	"path/filepath"
	"testing"
)

// A connection whose transaction could not be ended is given up, and what it did with it.
func TestTransactionThatStaysOpen(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), Options{DSN: filepath.Join(t.TempDir(), "a.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	l := &sqliteLink{pool: db.writes}
	defer l.close()
	for range 2 {
		if err := l.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.send(t.Context(), "INSERT INTO probes (at, data) VALUES (1, '')"); err != nil {
			t.Fatal(err)
		}
	}
}
