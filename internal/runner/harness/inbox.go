package harness

import (
	"context"
	"sync"

	"github.com/cadrehq/cadre/api"
)

// Inbox queues the commands of one run in the order of their ids, each once however often the
// server repeats it. It is safe for concurrent use; the zero value is ready.
type Inbox struct {
	mu      sync.Mutex
	queue   []api.Command
	seen    map[int64]bool
	changed chan struct{} // closed, and made anew by the next waiter, whenever queue grows
}

// Put queues a command unless it was queued before. It reports whether it was new.
func (b *Inbox) Put(c api.Command) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[c.Id] {
		return false
	}
	if b.seen == nil {
		b.seen = map[int64]bool{}
	}
	b.seen[c.Id] = true
	i := len(b.queue)
	for i > 0 && b.queue[i-1].Id > c.Id {
		i--
	}
	b.queue = append(b.queue, api.Command{})
	copy(b.queue[i+1:], b.queue[i:])
	b.queue[i] = c
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
	return true
}

// MarkSeen makes the inbox ignore a command, because an entry shows that it was consumed.
func (b *Inbox) MarkSeen(id int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen == nil {
		b.seen = map[int64]bool{}
	}
	b.seen[id] = true
	for i, c := range b.queue {
		if c.Id == id {
			b.queue = append(b.queue[:i], b.queue[i+1:]...)
			return
		}
	}
}

// Take removes and returns the first command that match accepts; a nil match accepts all.
func (b *Inbox) Take(match func(api.Command) bool) (api.Command, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.find(match); i >= 0 {
		c := b.queue[i]
		b.queue = append(b.queue[:i], b.queue[i+1:]...)
		return c, true
	}
	return api.Command{}, false
}

// Has reports whether a command that match accepts is queued.
func (b *Inbox) Has(match func(api.Command) bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.find(match) >= 0
}

// Wait blocks until a command that match accepts is queued and returns it without removing it. The
// error is the cause of ctx's end.
func (b *Inbox) Wait(ctx context.Context, match func(api.Command) bool) (api.Command, error) {
	for {
		b.mu.Lock()
		if i := b.find(match); i >= 0 {
			c := b.queue[i]
			b.mu.Unlock()
			return c, nil
		}
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed := b.changed
		b.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return api.Command{}, context.Cause(ctx)
		}
	}
}

// Len is the number of commands waiting.
func (b *Inbox) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue)
}

func (b *Inbox) find(match func(api.Command) bool) int {
	for i, c := range b.queue {
		if match == nil || match(c) {
			return i
		}
	}
	return -1
}
