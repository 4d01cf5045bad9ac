package event

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
)

// errClosed is returned by subscribing to a closed bus.
var errClosed = errors.New("bus is closed")

// topic is a subject of this process' interest: one NATS subscription and those it feeds.
type topic struct {
	sub      *nats.Subscription
	watchers map[watcher]struct{}
}

// watcher receives what a subject carries. Its methods do not block.
type watcher interface {
	// deliver decodes and passes on a payload; what it does not understand it skips, because a
	// newer replica may have sent it.
	deliver(payload []byte)
	// drop says that messages were lost.
	drop()
	close()
}

// subscribe feeds w from the subject until ctx ends. It returns when NATS knows of the
// subscription, so that whatever is published afterwards arrives; with NATS out of reach it returns
// at once, and w is told of a drop when the connection is made.
func (b *Bus) subscribe(ctx context.Context, subject string, w watcher) error {
	if err := b.join(subject, w); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { b.leave(subject, w) })
	if !b.conn.IsConnected() {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, subscribeWait)
	defer cancel()
	if err := b.conn.FlushWithContext(wait); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("subscribe: %w", context.Cause(ctx))
		}
		w.drop()
	}
	return nil
}

func (b *Bus) join(subject string, w watcher) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	t := b.topics[subject]
	if t == nil {
		sub, err := b.conn.ChanSubscribe(subject, b.in)
		if err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		t = &topic{sub: sub, watchers: make(map[watcher]struct{})}
		b.topics[subject] = t
	}
	t.watchers[w] = struct{}{}
	return nil
}

func (b *Bus) leave(subject string, w watcher) {
	b.mu.Lock()
	if t := b.topics[subject]; t != nil {
		delete(t.watchers, w)
		if len(t.watchers) == 0 {
			delete(b.topics, subject)
			// It fails only on a closed connection, which has no subscriptions.
			_ = t.sub.Unsubscribe()
		}
	}
	b.mu.Unlock()
	w.close()
}

// route delivers a message to those of this process that watch its subject.
func (b *Bus) route(subject string, payload []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[subject]
	if t == nil {
		return
	}
	for w := range t.watchers {
		w.deliver(payload)
	}
}

func (b *Bus) dropOn(subject string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.topics[subject]; t != nil {
		for w := range t.watchers {
			w.drop()
		}
	}
}

// dropAll tells every subscriber that it may have missed something.
func (b *Bus) dropAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.topics {
		for w := range t.watchers {
			w.drop()
		}
	}
}

// mailbox is a bounded channel with one rule for when it is full: the oldest message gives way and
// is merged into the newest, so that the latest news always arrives.
type mailbox[T any] struct {
	mu     sync.Mutex
	ch     chan T
	merge  func(gone, latest T) T
	closed bool
}

func newMailbox[T any](size int, merge func(gone, latest T) T) *mailbox[T] {
	return &mailbox[T]{ch: make(chan T, size), merge: merge}
}

func (m *mailbox[T]) push(v T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	for {
		select {
		case m.ch <- v:
			return
		default:
		}
		// Full; unless the reader emptied it this moment. Nobody else sends, so the next try fits.
		select {
		case gone := <-m.ch:
			v = m.merge(gone, v)
		default:
		}
	}
}

func (m *mailbox[T]) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.ch)
	}
}
