package link

import (
	"context"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

const (
	// deltaEvery spaces requests: the first fragment after a pause leaves at once, a stream of
	// tokens is joined into about forty requests a second.
	deltaEvery = 25 * time.Millisecond
	// deltaBytes bounds what waits. Beyond it the oldest fragments are dropped: a reader sees the
	// jump in the offsets and has the finished entry soon.
	deltaBytes = 256 << 10
	// deltaPiece bounds one fragment as sent.
	deltaPiece = 32 << 10
)

// Deltas joins fragments and shows them. It never makes a producer wait.
type Deltas struct {
	client *Client

	mu      sync.Mutex
	queue   []api.Delta
	bytes   int
	offsets map[string]int64
	wake    chan struct{}
}

// NewDeltas makes the queue of an execution's fragments.
func NewDeltas(c *Client) *Deltas {
	return &Deltas{client: c, offsets: map[string]int64{}, wake: make(chan struct{}, 1)}
}

// Put queues a fragment. Its offset is counted here.
func (d *Deltas) Put(f api.Delta) {
	if f.Text == "" {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f.Offset = d.offsets[f.Key]
	d.offsets[f.Key] += int64(len(f.Text))
	if n := len(d.queue); n > 0 && d.queue[n-1].Key == f.Key && d.queue[n-1].Kind == f.Kind && len(d.queue[n-1].Text)+len(f.Text) <= deltaPiece {
		d.queue[n-1].Text += f.Text
	} else {
		d.queue = append(d.queue, pieces(f)...)
	}
	d.bytes += len(f.Text)
	for d.bytes > deltaBytes && len(d.queue) > 1 {
		d.bytes -= len(d.queue[0].Text)
		d.queue = d.queue[1:]
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Finish forgets a key whose entry is complete.
func (d *Deltas) Finish(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.offsets, key)
}

// Run shows fragments until ctx ends or the execution is over, and returns why.
func (d *Deltas) Run(ctx context.Context) error {
	for {
		select {
		case <-d.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		d.mu.Lock()
		queue := d.queue
		d.queue, d.bytes = nil, 0
		d.mu.Unlock()
		if len(queue) > 0 {
			if err := d.client.Deltas(ctx, queue); err != nil && !Passes(err) && ctx.Err() == nil {
				return err
			}
		}
		if err := api.Pause(ctx, deltaEvery); err != nil {
			return err
		}
	}
}

// pieces cuts a fragment at rune borders into ones of at most deltaPiece bytes.
func pieces(f api.Delta) []api.Delta {
	var all []api.Delta
	for len(f.Text) > deltaPiece {
		n := deltaPiece
		for n > deltaPiece-utf8.UTFMax && !utf8.RuneStart(f.Text[n]) {
			n--
		}
		head := f
		head.Text = f.Text[:n]
		all = append(all, head)
		f.Text, f.Offset = f.Text[n:], f.Offset+int64(n)
	}
	return append(all, f)
}
