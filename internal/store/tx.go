package store

import (
	"github.com/cadrehq/cadre/internal/run"
)

// Tx is an operation's view of the transaction of its group. It is valid until the operation
// returns and must not be used by another goroutine.
type Tx struct {
	group   *attempt
	wrote   int   // statements that write
	err     error // the first error of the engine
	events  []run.Event
	notices []run.Notice
}

// Exec runs a statement and returns how many rows it changed. Its text must be a constant: the
// prepared statement is kept.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	tx.wrote++
	n, err := tx.group.w.link.exec(tx.group.ctx, query, args...)
	return n, tx.note(err)
}

// Send is Exec for a statement whose effect the operation need not know: it is carried out before any
// that follows, and if it fails the operation fails, even if it has returned.
func (tx *Tx) Send(query string, args ...any) error {
	tx.wrote++
	return tx.note(tx.group.w.link.send(tx.group.ctx, query, args...))
}

// Query reads inside the transaction. The rows must be closed before the next statement.
func (tx *Tx) Query(query string, args ...any) (rows, error) {
	r, err := tx.group.w.link.query(tx.group.ctx, query, args...)
	return txRows{r, tx}, tx.note(err)
}

// txRows tell the transaction of errors that come while rows are read.
type txRows struct {
	rows
	tx *Tx
}

func (r txRows) Err() error   { return r.tx.note(r.rows.Err()) }
func (r txRows) Close() error { return r.tx.note(r.rows.Close()) }

// Emit adds an event. It gets its number when the group commits.
func (tx *Tx) Emit(e run.Event) { tx.events = append(tx.events, e) }

// Notify adds a notice for Options.OnCommit.
func (tx *Tx) Notify(n run.Notice) { tx.notices = append(tx.notices, n) }

func (tx *Tx) note(err error) error {
	if err != nil && tx.err == nil {
		tx.err = err
	}
	return err
}

// forUpdate locks the rows a SELECT finds, of the table named or aliased by name. SQLite has one
// writer and needs no such lock.
func (tx *Tx) forUpdate(name string) string {
	if tx.group.w.db.dialect == postgres {
		return " FOR UPDATE OF " + name
	}
	return ""
}

// forUpdateFree is forUpdate for those rows only that nobody else has locked.
func (tx *Tx) forUpdateFree(name string) string {
	if lock := tx.forUpdate(name); lock != "" {
		return lock + " SKIP LOCKED"
	}
	return ""
}

// lockNames makes "create it unless it exists" safe between servers.
func (tx *Tx) lockNames() error { return tx.group.lock(lockNames) }

// lock holds an advisory lock until the transaction ends. SQLite's only writer needs none.
func (g *attempt) lock(key int) error {
	if g.w.db.dialect == sqlite {
		return nil
	}
	return g.w.link.send(g.ctx, "SELECT pg_advisory_xact_lock($1, $2)", lockClass, key)
}
