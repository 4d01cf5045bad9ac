package event

import (
	"strings"
	"sync/atomic"
)

const (
	// queued bounds messages waiting to be passed on.
	queued = 8192
	// fragmentBytes bounds the payloads of the fragments among them.
	fragmentBytes = 16 << 20
)

type message struct {
	subject string
	payload []byte
}

// fragments is how many bytes of deltas, which entries make up for, a message holds: 0 for hints.
func (m message) fragments() int64 {
	if len(m.payload) > 0 && m.payload[0] == kindDeltas && strings.HasPrefix(m.subject, runSubject) {
		return int64(len(m.payload))
	}
	return 0
}

// queue holds messages waiting to be passed on. Fragments, which nobody misses for long, may take half
// of its places and fragmentBytes; all else is small.
type queue struct {
	waiting chan message // whoever receives calls took
	held    atomic.Int64 // bytes of fragments
}

func newQueue(places int) *queue { return &queue{waiting: make(chan message, places)} }

// offer queues a message, or reports that there was no room. It never waits.
func (q *queue) offer(m message) bool {
	size := m.fragments()
	held := q.held.Add(size)
	if size == 0 || held <= fragmentBytes && len(q.waiting) <= cap(q.waiting)/2 {
		select {
		case q.waiting <- m:
			return true
		default:
		}
	}
	q.held.Add(-size)
	return false
}

// took makes room for others instead of a message.
func (q *queue) took(m message) { q.held.Add(-m.fragments()) }

// gather takes what waits behind a message that was received, a bounded amount.
func (q *queue) gather(first message) []message {
	q.took(first)
	batch, size := []message{first}, len(first.payload)
	for size < 4*LineText {
		select {
		case m := <-q.waiting:
			q.took(m)
			batch, size = append(batch, m), size+len(m.subject)+len(m.payload)
		default:
			return batch
		}
	}
	return batch
}
