package feed

import (
	"context"
	"sync"
)

// Follower is one client's place among the events of the runs it follows. Next is for one goroutine; Close
// may be called from any.
type Follower struct {
	x      *Exchange
	signal chan struct{} // there is something to look at; capacity 1
	once   sync.Once

	// These are guarded by the exchange's lock.
	relations map[string]relation
	queue     []item
	behind    bool // the queue lacks something, or nothing was read of the past yet
	over      bool // the feed has closed

	// These are Next's own.
	seq  int64    // number of the last event returned; everything up to it was
	ids  []string // the runs whose past is being read
	upTo int64    // how far it is to be read
}

// item is an event that waits for its follower.
type item struct {
	seq  int64
	data []byte
}

// put queues an event; the exchange's lock is held.
func (f *Follower) put(seq int64, data []byte) {
	switch {
	case f.behind:
		return // it will be read
	case len(f.queue) >= queued:
		f.behind, f.queue = true, nil
	default:
		f.queue = append(f.queue, item{seq, data})
	}
	f.wake()
}

func (f *Follower) wake() {
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// Next waits until something has happened and returns it, encoded, in order, without gap or repeat. The
// slices are shared and must not be modified. It returns ErrClosed when the feed closes, and the cause of
// ctx when that ends first, after which it may be called again.
func (f *Follower) Next(ctx context.Context) ([][]byte, error) {
	for {
		chunks, over := f.take()
		if len(chunks) > 0 {
			return chunks, nil
		}
		if f.seq < f.upTo {
			chunks, err := f.readPast(ctx)
			if err != nil || len(chunks) > 0 {
				return chunks, err
			}
			continue
		}
		if over {
			return nil, ErrClosed
		}
		select {
		case <-f.signal:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// take returns what is queued, unless the past must be read first.
func (f *Follower) take() (chunks [][]byte, over bool) {
	f.x.mu.Lock()
	defer f.x.mu.Unlock()
	if f.behind {
		f.behind, f.queue = false, nil
		f.upTo, f.ids = f.x.seq, f.ids[:0]
		for id, r := range f.relations {
			if r.shown {
				f.ids = append(f.ids, id)
			}
		}
	}
	if f.seq < f.upTo {
		return nil, f.over
	}
	for _, i := range f.queue {
		if i.seq > f.seq {
			chunks = append(chunks, i.data)
			f.seq = i.seq
		}
	}
	f.queue = nil
	return chunks, f.over
}

// readPast returns the next page of what happened before.
func (f *Follower) readPast(ctx context.Context) ([][]byte, error) {
	events, err := f.x.past.Of(ctx, f.ids, f.seq, f.upTo, historyPage)
	if err != nil {
		return nil, err
	}
	chunks := make([][]byte, len(events))
	for i, e := range events {
		chunks[i] = f.x.encode(e)
		f.seq = e.Seq
	}
	if len(events) < historyPage {
		f.seq = f.upTo
		f.ids = nil
	}
	return chunks, nil
}

// Close ends following. It may be called twice.
func (f *Follower) Close() {
	f.once.Do(func() {
		f.x.mu.Lock()
		defer f.x.mu.Unlock()
		f.x.leave(f)
	})
}
