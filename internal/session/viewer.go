package session

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Viewer is one reader's place in a room. It is for one goroutine at a time; Close may be called
// from any.
type Viewer struct {
	room  *room
	seq   int64 // last entry handed out
	delta int64 // last delta handed out
	// doubt is set for a viewer that found the session over when it came: the run may have been set
	// going again before, and the room not have heard of it.
	doubt bool
	once  sync.Once
}

// Next waits for something new and returns all of it, encoded, in the order to be shown: entries
// without gap or repeat, then deltas of entries still being produced. The slices are shared with
// other viewers and must not be changed. It returns io.EOF once the run has ended and every entry
// was handed out, ErrClosed when the Service closes, and the cause of ctx when that ends first,
// after which it may be called again.
func (v *Viewer) Next(ctx context.Context) ([][]byte, error) {
	for {
		n := v.room.since(v.seq, v.delta)
		switch {
		case n.behind > 0:
			return v.catchUp(ctx, n.behind)
		case len(n.chunks) > 0:
			v.seq, v.delta = max(v.seq, n.seq), n.delta
			return n.chunks, nil
		case n.over:
			if err := v.over(ctx); err != nil {
				return nil, err
			}
		}
		select {
		case <-n.changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-v.room.svc.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// over returns io.EOF when the session really is over; else it makes the room look.
func (v *Viewer) over(ctx context.Context) error {
	if !v.doubt {
		return io.EOF
	}
	v.doubt = false
	head, err := v.room.svc.cfg.Log.Head(ctx, v.room.runID)
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	if head.State.Ended() && head.LastSeq <= v.seq {
		return io.EOF
	}
	select {
	case v.room.poke <- struct{}{}:
	default:
	}
	return nil
}

// Seq is the number of the last entry handed out.
func (v *Viewer) Seq() int64 { return v.seq }

// catchUp reads what the room no longer holds: entries below the given number.
func (v *Viewer) catchUp(ctx context.Context, below int64) ([][]byte, error) {
	cfg := v.room.svc.cfg
	limit := int(min(readPage, below-1-v.seq))
	page, err := cfg.Log.Entries(ctx, v.room.runID, v.seq, limit)
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if len(page) == 0 {
		return nil, fmt.Errorf("read session: entry %d is missing", v.seq+1)
	}
	var buf []byte
	for i := range page {
		if page[i].Seq != v.seq+1 {
			return nil, fmt.Errorf("read session: entry %d follows %d", page[i].Seq, v.seq)
		}
		buf = append(buf, cfg.Encode(Item{Entry: &page[i]})...)
		v.seq = page[i].Seq
	}
	return [][]byte{buf}, nil
}

// Close leaves the room. It may be called twice.
func (v *Viewer) Close() {
	v.once.Do(func() { v.room.svc.leave(v.room) })
}
