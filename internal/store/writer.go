package store

import (
	"context"
	"hash/fnv"
	"sync/atomic"
)

// link is a writer's way to its engine: at most one transaction at a time, never used by two
// goroutines. After an error of begin nothing is open; after one of commit, rollback is due.
type link interface {
	begin(ctx context.Context) error
	// send carries out a statement now or later, but before any that follows. Its error may come from
	// any later call; flush makes sure that there is none.
	send(ctx context.Context, query string, args ...any) error
	flush(ctx context.Context) error
	// discard forgets what was sent and not carried out yet.
	discard()
	// exec carries out a statement and returns how many rows it changed.
	exec(ctx context.Context, query string, args ...any) (int64, error)
	query(ctx context.Context, query string, args ...any) (rows, error)
	commit(ctx context.Context) error
	rollback(ctx context.Context)
	close()
}

// Write carries out fn inside a transaction that it may share with other callers' operations and
// returns after the commit. An error of fn undoes what fn wrote, harms nobody else and is returned
// unchanged; an error of the engine becomes an *api.Failure.
//
// key orders operations: those with the same key (a run id) are carried out one after the other, in
// the order of their calls, as long as they come from one process.
//
// fn must be quick, must not call the store other than through tx, and may run more than once: only
// its last run counts. If ctx ends before fn begins, nothing happens and ctx's cause is returned;
// after that the outcome is waited for, so that a caller always knows it.
func (db *DB) Write(ctx context.Context, key string, fn func(tx *Tx) error) error {
	o := &op{key: key, fn: fn, done: make(chan struct{})}
	w := db.writerOf(key)
	select {
	case <-db.closing:
		return unavailable(errClosed)
	default:
	}
	select {
	case w.queue <- o:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-db.closing:
		return unavailable(errClosed)
	}
	select {
	case <-o.done:
		return o.err
	case <-ctx.Done():
		if o.drop() {
			return context.Cause(ctx)
		}
	case <-w.stopped:
		if o.drop() {
			return unavailable(errClosed)
		}
	}
	<-o.done
	return o.err
}

func (db *DB) writerOf(key string) *writer {
	if len(db.writers) == 1 {
		return db.writers[0]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return db.writers[int(h.Sum32()%uint32(len(db.writers)))]
}

// op is one caller's operation.
type op struct {
	key  string
	fn   func(*Tx) error
	took atomic.Bool // by the writer, or by a caller who gave up
	done chan struct{}
	err  error // valid once done is closed
}

// drop takes the operation away from the writer; false when the writer was first.
func (o *op) drop() bool { return o.took.CompareAndSwap(false, true) }

func (o *op) answer(err error) {
	o.err = err
	close(o.done)
}

// writer turns its queue into groups, one after the other.
type writer struct {
	db      *DB
	link    link
	queue   chan *op
	stopped chan struct{} // closed when nothing will be taken from queue any more
	group   []*op         // reused
}

func newWriter(db *DB, l link) *writer {
	return &writer{
		db: db, link: l, queue: make(chan *op, db.opts.Queue), stopped: make(chan struct{}),
		group: make([]*op, 0, db.opts.Group),
	}
}

// loop runs until the store closes, and then empties the queue.
func (w *writer) loop() {
	defer w.link.close()
	defer close(w.stopped)
	for {
		select {
		case o := <-w.queue:
			w.serve(o)
		case <-w.db.closing:
			for {
				select {
				case o := <-w.queue:
					w.serve(o)
				default:
					return
				}
			}
		}
	}
}

// serve makes a group of the operation and whatever waits behind it. It never waits for more:
// while a commit is on its way to the disk, the next group gathers by itself.
func (w *writer) serve(first *op) {
	group := w.group[:0]
	for o := first; ; {
		if o.took.CompareAndSwap(false, true) {
			group = append(group, o)
		}
		if len(group) == cap(w.group) {
			break
		}
		select {
		case o = <-w.queue:
			continue
		default:
		}
		break
	}
	if len(group) > 0 {
		w.carryOut(group)
	}
	clear(group)
}
