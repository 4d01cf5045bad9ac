package event

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/cadrehq/cadre/api"
)

const (
	// deltaBytes bounds the text in one message, so that a full mailbox stays small and NATS' own
	// bound (1 MiB) is never met. A delta larger than it is dropped; its offset shows the gap.
	deltaBytes = 64 << 10
	// signalBuffer is how many signals a watcher may fall behind.
	signalBuffer = 64
)

// What concerns one run has a subject of its own.
const (
	subjects   = "cadre."
	runSubject = subjects + "run."
)

// First bytes of a payload on a run's subject.
const (
	kindSeq    = 's'
	kindDeltas = 'd'
)

// Signal says that a run changed and that entries up to LastSeq are stored (0: nothing new is
// known), or carries deltas, which receivers share and must not modify. Dropped says that signals
// were lost before or in place of this one.
type Signal struct {
	LastSeq int64
	Deltas  []api.Delta
	Dropped bool
}

// RunChanged says that a run changed and has entries up to lastSeq.
func (b *Bus) RunChanged(runID string, lastSeq int64) {
	if s, ok := subject("run", runID); ok {
		b.publish(s, strconv.AppendInt([]byte{kindSeq}, lastSeq, 10))
	}
}

// Deltas passes fragments of entries in the making to whoever watches the run.
func (b *Bus) Deltas(runID string, deltas []api.Delta) {
	s, ok := subject("run", runID)
	if !ok {
		return
	}
	for len(deltas) > 0 {
		n, size := 0, 0
		for n < len(deltas) && (n == 0 || size+len(deltas[n].Text) <= deltaBytes) {
			size += len(deltas[n].Text)
			n++
		}
		if payload, err := json.Marshal(deltas[:n]); err == nil && size <= deltaBytes {
			b.publish(s, append([]byte{kindDeltas}, payload...))
		} else {
			b.dropped.Add(1)
		}
		deltas = deltas[n:]
	}
}

// Watch delivers signals about one run until ctx ends or the bus closes; the channel is closed then.
// A reader that falls behind finds the newest LastSeq and Dropped in what it reads last.
func (b *Bus) Watch(ctx context.Context, runID string) (<-chan Signal, error) {
	return WatchAs[Signal](ctx, b, runID)
}

// WatchAs is Watch for a caller with a signal type of its own, of the same shape.
func WatchAs[S ~struct {
	LastSeq int64
	Deltas  []api.Delta
	Dropped bool
}](ctx context.Context, b *Bus, runID string) (<-chan S, error) {
	s, ok := subject("run", runID)
	if !ok {
		return nil, api.NotFound("run", runID)
	}
	w := signals[S]{newMailbox(signalBuffer, func(gone, latest S) S {
		return S(mergeSignals(Signal(gone), Signal(latest)))
	})}
	if err := b.subscribe(ctx, s, w); err != nil {
		return nil, err
	}
	return w.ch, nil
}

// mergeSignals loses nothing but deltas: entries are announced by the highest number.
func mergeSignals(gone, latest Signal) Signal {
	latest.LastSeq = max(latest.LastSeq, gone.LastSeq)
	latest.Dropped = latest.Dropped || gone.Dropped || len(gone.Deltas) > 0
	return latest
}

type signals[S ~struct {
	LastSeq int64
	Deltas  []api.Delta
	Dropped bool
}] struct{ *mailbox[S] }

func (w signals[S]) deliver(payload []byte) {
	if s, ok := decodeSignal(payload); ok {
		w.push(S(s))
	}
}

func (w signals[S]) drop() { w.push(S(Signal{Dropped: true})) }

func decodeSignal(payload []byte) (Signal, bool) {
	if len(payload) == 0 {
		return Signal{}, false
	}
	switch body := payload[1:]; payload[0] {
	case kindSeq:
		seq, err := strconv.ParseInt(string(body), 10, 64)
		return Signal{LastSeq: seq}, err == nil && seq >= 0
	case kindDeltas:
		var deltas []api.Delta
		err := json.Unmarshal(body, &deltas)
		return Signal{Deltas: deltas}, err == nil && len(deltas) > 0
	}
	return Signal{}, false
}

// CommandStored rings the bell of a run's live runner.
func (b *Bus) CommandStored(runID string) {
	if s, ok := subject("command", runID); ok {
		b.publish(s, nil)
	}
}

// Commands rings when commands of a run may have been stored, until ctx ends or the bus closes; the
// channel is closed then. Rings that nobody answered yet are one.
func (b *Bus) Commands(ctx context.Context, runID string) (<-chan struct{}, error) {
	s, ok := subject("command", runID)
	if !ok {
		return nil, api.NotFound("run", runID)
	}
	w := bell{newMailbox(1, func(_, latest struct{}) struct{} { return latest })}
	if err := b.subscribe(ctx, s, w); err != nil {
		return nil, err
	}
	return w.ch, nil
}

type bell struct{ *mailbox[struct{}] }

func (w bell) deliver([]byte) { w.push(struct{}{}) }
func (w bell) drop()          { w.push(struct{}{}) }

// subject names what concerns one run. An id is one NATS token; anything else is no run's id.
func subject(kind, runID string) (string, bool) {
	if runID == "" || len(runID) > 128 {
		return "", false
	}
	for i := range len(runID) {
		switch c := runID[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return "", false
		}
	}
	return subjects + kind + "." + runID, true
}
