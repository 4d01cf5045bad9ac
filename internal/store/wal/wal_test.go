package wal

import (
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"modernc.org/libc"
	_ "modernc.org/sqlite"
	sqlite "modernc.org/sqlite/lib"
)

// writes counts and, when it says so, refuses what reaches the log.
type writes struct {
	n      int
	refuse bool
}

// spy sits between the log and the file until the test ends. Tests with one do not run in parallel.
func spy(t *testing.T) *writes {
	t.Helper()
	open(t, filepath.Join(t.TempDir(), "first.db"), Use, "") // learns the functions of unix
	w, real := &writes{}, unix.write
	unix.write = func(tls *libc.TLS, file, from uintptr, n int32, offset int64) int32 {
		w.n++
		if w.refuse {
			return sqlite.SQLITE_FULL
		}
		return real(tls, file, from, n, offset)
	}
	t.Cleanup(func() { unix.write = real })
	return w
}

// plain is SQLite's own way of writing.
func plain(url.Values) {}

// open opens a database with one connection, and with its log.
func open(t *testing.T, path string, use func(url.Values), pragma string) *sql.DB {
	t.Helper()
	if err := Register(); err != nil {
		t.Fatal(err)
	}
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)"}}
	if pragma != "" {
		q.Add("_pragma", pragma)
	}
	use(q)
	db, err := sql.Open("sqlite", "file:"+path+"?"+q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	do(t, db, "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT NOT NULL)")
	return db
}

func do(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%.60s: %v", s, err)
		}
	}
}

// fill is a statement that stores n rows of 3,000 bytes, one to a page, after the last one.
func fill(n int, mark string) string {
	return fmt.Sprintf(`WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)
		INSERT INTO t (v) SELECT '%s' FROM c`, n, strings.Repeat(mark, 3000/len(mark)))
}

// sum is what a database holds, and whether its pages fit together.
func sum(t *testing.T, db *sql.DB) string {
	t.Helper()
	var rows int
	var first, last, whole string
	if err := db.QueryRowContext(t.Context(), "SELECT count(*), coalesce(min(substr(v, 1, 3)), ''), coalesce(max(substr(v, -3)), '') FROM t").
		Scan(&rows, &first, &last); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&whole); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(rows, first, last, whole)
}

// A commit is written at once, however many pages it has, as far as SQLite writes that much at once.
func TestOneWritePerCommit(t *testing.T) {
	w := spy(t)
	db := open(t, filepath.Join(t.TempDir(), "a.db"), Use, "")
	do(t, db, fill(1, "abc"))
	for _, c := range []struct{ pages, most int }{{1, 1}, {20, 1}, {200, 9}} {
		before := w.n
		do(t, db, fill(c.pages, "abc"))
		if got := w.n - before; got < 1 || got > c.most {
			t.Errorf("a commit of %d pages took %d writes, want 1 to %d", c.pages, got, c.most)
		}
	}
}

// What is committed is there for another connection at once, which reads the log by SQLite's own means.
func TestOthersSeeCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, Use, "")
	other := open(t, path, plain, "")
	for i := range 50 {
		do(t, db, fill(1+i%7, "xyz"))
		if ours, theirs := sum(t, db), sum(t, other); ours != theirs {
			t.Fatalf("after commit %d the writer has %q, another connection %q", i, ours, theirs)
		}
	}
}

// A transaction that outgrows the cache is undone in part or wholly; the log starts over after a
// checkpoint.
func TestTransactionsLargerThanTheCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, Use, "cache_size(10)")
	other := open(t, path, plain, "")
	do(t, db, fill(30, "old"))
	want := sum(t, db)
	do(t, db, "BEGIN", fill(200, "new"), "UPDATE t SET v = replace(v, 'old', 'NEW')", "SELECT sum(length(v)) FROM t", "ROLLBACK")
	if got := sum(t, db); got != want {
		t.Errorf("after a rollback: %q, want %q", got, want)
	}
	do(t, db, "BEGIN", fill(100, "new"), "SAVEPOINT s", "UPDATE t SET v = replace(v, 'old', 'bad')", fill(100, "bad"),
		"ROLLBACK TO s", "UPDATE t SET v = replace(v, 'old', 'own')", "COMMIT")
	want = "130newownok"
	for i, db := range []*sql.DB{db, other} {
		if got := sum(t, db); got != want {
			t.Errorf("connection %d: %q, want %q", i, got, want)
		}
	}
	do(t, db, "PRAGMA wal_checkpoint(RESTART)", fill(40, "own"), "PRAGMA wal_checkpoint(TRUNCATE)", fill(1, "own"))
	if got, want := sum(t, other), "171newownok"; got != want {
		t.Errorf("after checkpoints: %q, want %q", got, want)
	}
}

// What was rolled back never reaches the log, where another writer's commits are by then.
func TestRollbackBesideAnotherWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, other := open(t, path, Use, "cache_size(10)"), open(t, path, Use, "cache_size(10)")
	do(t, db, fill(3, "abc"))
	do(t, other, "PRAGMA wal_checkpoint(TRUNCATE)") // a rollback that reads the log would hide the fault
	do(t, db, "BEGIN", fill(40, "bad"), "ROLLBACK")
	do(t, other, fill(30, "own"))
	do(t, db, fill(1, "own"))
	for i, db := range []*sql.DB{db, other} {
		if got, want := sum(t, db), "34abcownok"; got != want {
			t.Errorf("connection %d: %.100q, want %q", i, got, want)
		}
	}
}

// A transaction that goes on after a statement failed, on a full disk, has all that came before it.
func TestFullDiskAmidATransaction(t *testing.T) {
	w := spy(t)
	path := filepath.Join(t.TempDir(), "a.db")
	db, other := open(t, path, Use, "cache_size(10)"), open(t, path, plain, "")
	do(t, db, "BEGIN", fill(40, "abc"))
	w.refuse = true
	_, failed := db.ExecContext(t.Context(), "UPDATE t SET v = replace(v, 'abc', 'xyz')")
	w.refuse = false
	do(t, db, "COMMIT")
	want := "40abcabcok"
	if failed == nil { // it needed no room
		want = "40xyzxyzok"
	}
	for i, db := range []*sql.DB{db, other} {
		if got := sum(t, db); got != want {
			t.Errorf("connection %d: %.100q, want %q", i, got, want)
		}
	}
}

// A commit that cannot be written fails, stores nothing and harms none that follow.
func TestFullDisk(t *testing.T) {
	w := spy(t)
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path, Use, "")
	other := open(t, path, plain, "")
	do(t, db, fill(3, "abc"))
	want := sum(t, db)
	for _, pages := range []int{1, 100} {
		w.refuse = true
		if _, err := db.ExecContext(t.Context(), fill(pages, "bad")); err == nil || !strings.Contains(err.Error(), "full") {
			t.Errorf("a commit of %d pages on a full disk: %v", pages, err)
		}
		w.refuse = false
		for i, db := range []*sql.DB{db, other} {
			if got := sum(t, db); got != want {
				t.Errorf("connection %d after a failed commit: %q, want %q", i, got, want)
			}
		}
	}
	do(t, db, fill(3, "abc"))
	if ours, theirs := sum(t, db), sum(t, other); ours != theirs || ours == want {
		t.Errorf("after the disk has room: %q, another connection %q", ours, theirs)
	}
}
