package keep

import (
	"context"
	"log/slog"
	"time"
)

const (
	// look is how often an eraser looks for what others put down, or left undone.
	look = 30 * time.Second
	// hold is how long a run is kept from other erasers. A run that takes longer may be helped with: no
	// step minds another one's.
	hold = time.Minute
	// breath is the wait between two steps, so that whoever creates and appends is never in line behind
	// many of them.
	breath = 2 * time.Millisecond
)

// Remains is what deleted runs left behind.
type Remains interface {
	// Claim returns the run that is due the longest, and keeps others from it until a time; "" when none is.
	Claim(ctx context.Context, now, until time.Time) (runID string, err error)
	// Blobs names some blobs of a run, Forget takes their rows away once the bytes are gone.
	Blobs(ctx context.Context, runID string) ([]string, error)
	Forget(ctx context.Context, runID string, blobIDs []string) error
	// Erase takes a bounded part of the rest away, and says whether there may be more. It may be repeated,
	// and be done by several at once.
	Erase(ctx context.Context, runID string) (more bool, err error)
}

// Bytes removes the bytes of a blob; it is no error when they are gone.
type Bytes interface{ Discard(id string) }

// Eraser takes away what deleted runs left.
type Eraser struct {
	remains Remains
	bytes   Bytes
	now     func() time.Time
	log     *slog.Logger
	bell    chan struct{}
}

// NewEraser returns an eraser that works once Run is called.
func NewEraser(remains Remains, bytes Bytes, now func() time.Time, log *slog.Logger) *Eraser {
	return &Eraser{remains: remains, bytes: bytes, now: now, log: log, bell: make(chan struct{}, 1)}
}

// Ring says that there may be something to do. It never blocks.
func (e *Eraser) Ring() {
	select {
	case e.bell <- struct{}{}:
	default:
	}
}

// Run erases until ctx ends.
func (e *Eraser) Run(ctx context.Context) {
	for ctx.Err() == nil {
		done, err := e.One(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Warn("cannot take away what a deleted run left; trying again", "run_id", done, "err", err)
		}
		if done != "" && err == nil {
			continue
		}
		pause(ctx, look, e.bell)
	}
}

// One erases the run that is due the longest; "" when none is.
func (e *Eraser) One(ctx context.Context) (runID string, err error) {
	now := e.now()
	if runID, err = e.remains.Claim(ctx, now, now.Add(hold)); err != nil || runID == "" {
		return "", err
	}
	if err := e.blobs(ctx, runID); err != nil {
		return runID, err
	}
	for more := true; more; pause(ctx, breath, nil) {
		if more, err = e.remains.Erase(ctx, runID); err != nil {
			return runID, err
		}
	}
	return runID, nil
}

// blobs removes a run's blobs, the bytes first: whoever goes on after a crash still knows of them.
func (e *Eraser) blobs(ctx context.Context, runID string) error {
	for {
		ids, err := e.remains.Blobs(ctx, runID)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			e.bytes.Discard(id)
		}
		if err := e.remains.Forget(ctx, runID, ids); err != nil {
			return err
		}
		pause(ctx, breath, nil)
	}
}

// pause waits, at most until the bell rings or ctx ends.
func pause(ctx context.Context, d time.Duration, bell <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-bell:
	}
}
