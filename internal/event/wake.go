package event

import (
	"context"
	"strings"
)

const (
	wakeSubject = "cadre.wake"
	// wakeBuffer is how many wake-ups dispatch may fall behind before they merge into one.
	wakeBuffer = 1024
)

// First bytes of a payload on the wake subject.
const (
	kindQueued    = 'q'
	kindCancelled = 'c'
)

// Wake tells dispatch that a run was queued for Host, or that the execution of a run was cancelled
// and its processes must go, or, with Dropped, that it may have missed either.
type Wake struct {
	Host        string
	RunID       string
	ExecutionID string
	Dropped     bool
}

// Queued says that a run waits for a worker of host.
func (b *Bus) Queued(host string) {
	b.publish(wakeSubject, append([]byte{kindQueued}, host...))
}

// Cancelled says that an execution was cancelled.
func (b *Bus) Cancelled(runID, executionID string) {
	b.publish(wakeSubject, []byte(string(kindCancelled)+runID+"\n"+executionID))
}

// Wake delivers wake-ups until ctx ends or the bus closes; the channel is closed then.
func (b *Bus) Wake(ctx context.Context) (<-chan Wake, error) {
	return WakeAs[Wake](ctx, b)
}

// WakeAs is Wake for a caller with a type of its own, of the same shape.
func WakeAs[W ~struct {
	Host        string
	RunID       string
	ExecutionID string
	Dropped     bool
}](ctx context.Context, b *Bus) (<-chan W, error) {
	w := wakes[W]{newMailbox(wakeBuffer, func(gone, latest W) W {
		return W(mergeWakes(Wake(gone), Wake(latest)))
	})}
	if err := b.subscribe(ctx, wakeSubject, w); err != nil {
		return nil, err
	}
	return w.ch, nil
}

func mergeWakes(gone, latest Wake) Wake {
	latest.Dropped = latest.Dropped || gone != latest
	return latest
}

type wakes[W ~struct {
	Host        string
	RunID       string
	ExecutionID string
	Dropped     bool
}] struct{ *mailbox[W] }

func (w wakes[W]) deliver(payload []byte) {
	if v, ok := decodeWake(payload); ok {
		w.push(W(v))
	}
}

func (w wakes[W]) drop() { w.push(W(Wake{Dropped: true})) }

func decodeWake(payload []byte) (Wake, bool) {
	if len(payload) == 0 {
		return Wake{}, false
	}
	switch body := string(payload[1:]); payload[0] {
	case kindQueued:
		return Wake{Host: body}, body != ""
	case kindCancelled:
		runID, executionID, ok := strings.Cut(body, "\n")
		return Wake{RunID: runID, ExecutionID: executionID}, ok && runID != ""
	}
	return Wake{}, false
}
