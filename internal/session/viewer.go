package session

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// Viewer is one reader's place in a room. It is for one goroutine at a time; Close and Give may be
// called from any.
type Viewer struct {
	room  *room
	seq   int64 // last entry handed out
	delta int64 // last delta handed out
	seat  seat
	// doubt is set for a viewer that found the session over when it came: the run may have been set
	// going again before, and the room not have heard of it. Until it has, the log is asked.
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
		case n.gone:
			return nil, io.EOF
		case n.behind:
			entries, last, err := v.room.past(ctx, v.seq)
			if err != nil {
				return nil, err
			}
			v.seq = last
			return [][]byte{entries}, nil
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
	head, err := v.room.svc.cfg.Log.Head(ctx, v.room.runID)
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	if head.State.Ended() && head.LastSeq <= v.seq {
		return io.EOF
	}
	v.room.look()
	return nil
}

// Seq is the number of the last entry handed out.
func (v *Viewer) Seq() int64 { return v.seq }

// Close leaves the room. It may be called twice.
func (v *Viewer) Close() {
	v.once.Do(func() {
		v.room.seats.leave(v)
		v.room.svc.leave(v.room)
	})
}
