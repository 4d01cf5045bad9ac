package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/run"
)

// maxAttempts bounds how often a group that lost a race with another server is tried.
const maxAttempts = 8

// errUndone marks a group that was rolled back because one operation failed after it had written.
var errUndone = errors.New("an operation failed after writing")

// carryOut runs a group until it is committed or cannot be, and answers every operation.
//
// The first attempt uses no savepoints: an operation that is refused has written nothing, so there
// is nothing to undo. Only when one fails after writing is the group rolled back and run again with
// a savepoint around each.
func (w *writer) carryOut(group []*op) {
	ctx := context.Background() // outlives any caller: see Write
	if w.db.dialect == postgres {
		// Rows are locked in the order of operations. The same order everywhere means fewer deadlocks
		// between servers; operations of one key keep theirs.
		slices.SortStableFunc(group, func(a, b *op) int { return strings.Compare(a.key, b.key) })
	}
	savepoints := false
	for try := 1; ; try++ {
		g := &attempt{w: w, ctx: ctx, ops: group, errs: make([]error, len(group)), savepoints: savepoints}
		err := g.run()
		v := judge(err)
		switch {
		case err == nil:
			w.db.health.note(nil)
			g.answer()
			return
		case errors.Is(err, errUndone):
			savepoints = true
			continue
		case v == verdictRetry && try < maxAttempts:
			time.Sleep(rand.N(time.Duration(try) * 4 * time.Millisecond))
			continue
		case v == verdictRetry, v == verdictLost:
			w.db.health.note(err)
		case len(group) > 1:
			// One operation's fault that shows only at the end, in its events: each for itself.
			for i := range group {
				w.carryOut(group[i : i+1])
			}
			return
		}
		for _, o := range group {
			o.answer(public("write", err))
		}
		return
	}
}

// attempt is one try at a group.
type attempt struct {
	w          *writer
	ctx        context.Context
	ops        []*op
	errs       []error // of operations that failed by themselves
	savepoints bool

	wrote   int // statements that write
	events  []run.Event
	notices []run.Notice
}

// run returns nil when the group is committed, with the errors of refused operations in errs.
// Otherwise nothing is stored.
func (g *attempt) run() error {
	l := g.w.link
	if err := l.begin(g.ctx); err != nil {
		return err
	}
	for i, o := range g.ops {
		err := g.runOp(i, o)
		if err != nil {
			l.rollback(g.ctx)
			return err
		}
	}
	if g.wrote == 0 {
		l.rollback(g.ctx)
		return nil
	}
	if err := g.storeEvents(); err != nil {
		l.rollback(g.ctx)
		return g.undone(err)
	}
	fault.Here(fault.StoreBeforeCommit)
	if err := l.commit(g.ctx); err != nil {
		l.rollback(g.ctx)
		return g.undone(err)
	}
	fault.Here(fault.StoreAfterCommit)
	return nil
}

// runOp runs one operation and returns an error only if the whole group has to be given up.
func (g *attempt) runOp(i int, o *op) error {
	tx := &Tx{group: g}
	if err := g.savepoint("SAVEPOINT op"); err != nil {
		return err
	}
	err := contain(tx, o.fn)
	if err == nil && g.savepoints {
		err = tx.note(g.w.link.flush(g.ctx)) // what fails of it is this operation's
	}
	if tx.err != nil {
		// The engine's error decides, whatever the operation made of it.
		if v := judge(tx.err); v == verdictLost || v == verdictRetry {
			return tx.err
		}
		if err == nil {
			err = tx.err
		}
	}
	if err == nil {
		g.wrote += tx.wrote + len(tx.events)
		g.events = append(g.events, tx.events...)
		g.notices = append(g.notices, tx.notices...)
		return g.savepoint("RELEASE SAVEPOINT op")
	}
	if tx.err != nil {
		err = public("write", err)
	}
	g.errs[i] = err
	if g.savepoints {
		g.w.link.discard()
		if err := g.savepoint("ROLLBACK TO SAVEPOINT op"); err != nil {
			return err
		}
		return g.savepoint("RELEASE SAVEPOINT op")
	}
	if len(g.ops) > 1 && (tx.wrote > 0 || tx.err != nil) {
		return errUndone
	}
	return nil
}

// savepoint runs a statement about savepoints, if this attempt has any.
func (g *attempt) savepoint(statement string) error {
	if !g.savepoints {
		return nil
	}
	_, err := g.w.link.exec(g.ctx, statement)
	return err
}

// undone tells the error of a statement that an operation sent, and that is only carried out now,
// from one that concerns the whole group.
func (g *attempt) undone(err error) error {
	if v := judge(err); !g.savepoints && (v == verdictOp || v == verdictDup || v == verdictText) {
		return errUndone
	}
	return err
}

// contain runs fn and turns a panic into an error: one caller's mistake must not take the writer,
// and with it everybody's work, down.
func contain(tx *Tx, fn func(*Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("operation panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(tx)
}

// answer tells every caller, then the listeners.
func (g *attempt) answer() {
	for i, o := range g.ops {
		o.answer(g.errs[i])
	}
	g.w.db.noteCommit(g.wrote)
	if len(g.events) > 0 {
		g.w.db.search.poke()
	}
	if len(g.notices) > 0 {
		g.w.db.opts.OnCommit(g.notices)
	}
}
