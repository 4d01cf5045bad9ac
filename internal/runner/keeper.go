package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/runner/link"
	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// keeper keeps the workspace: at the end of a turn, while a turn is under way and while a run waits
// for a person. A snapshot never fails a run, and one that would say nothing new is not sent.
type keeper struct {
	r  *execution
	on bool // the workspace is set up, and is to be kept

	mu     sync.Mutex // held while a snapshot is taken: one at a time
	print  string     // fingerprint of the last one stored
	kept   link.Kept  // what the server was told
	warned string
	script []byte // what the declaration script last wrote

	changed chan struct{} // an action that may have changed the workspace is over
}

const (
	// settleFor is how long no action must have ended before a checkpoint is taken: by then the model
	// is thinking, and the machine has time.
	settleFor = 500 * time.Millisecond
	// longAction is how often the workspace is kept while a single action goes on and on.
	longAction = 5 * time.Minute
	// dutyFactor bounds the part of the time spent on checkpoints: what took a second to take is not
	// taken again for this many.
	dutyFactor = 20
)

func newKeeper(r *execution) *keeper { return &keeper{r: r, changed: make(chan struct{}, 1)} }

// acted notes that an action has ended. What only looked around asks for no checkpoint.
func (k *keeper) acted(category api.ActionCategory) {
	if !changing(category) {
		return
	}
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// changing reports whether actions of a category can change the workspace.
func changing(c api.ActionCategory) bool {
	switch c {
	case api.ActionCategoryCommand, api.ActionCategoryFiles, api.ActionCategoryIntegration, api.ActionCategoryComputer:
		return true
	}
	return false
}

// last is what was kept last.
func (k *keeper) last() link.Kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.kept
}

// watch keeps the workspace while the agent works, until the returned function is called. That ends a
// checkpoint which is just being taken: the end of a turn takes its own.
func (k *keeper) watch(ctx context.Context) (stop func()) {
	if !k.on || k.r.cfg.CheckpointEvery <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var done sync.WaitGroup
	done.Go(func() { k.checkpoints(ctx) })
	return func() {
		cancel(errFinished)
		done.Wait()
	}
}

// checkpoints takes a snapshot once the actions pause, and even if they do not once one is overdue.
func (k *keeper) checkpoints(ctx context.Context) {
	every := k.r.cfg.CheckpointEvery
	var due <-chan time.Time
	var first, next time.Time // when the oldest unkept change was made; when another may be taken
	long := time.NewTicker(longAction)
	defer long.Stop()
	for {
		select {
		case <-k.changed:
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			wait := settleFor
			if overdue := first.Add(every); now.Add(wait).After(overdue) {
				wait = overdue.Sub(now)
			}
			due = time.After(max(wait, next.Sub(now), 0))
			continue
		case <-due:
		case <-long.C:
		case <-ctx.Done():
			return
		}
		began := time.Now()
		k.take(ctx, true)
		now := time.Now()
		first, due, next = time.Time{}, nil, now.Add(max(every, dutyFactor*now.Sub(began)))
	}
}

// keepAfter keeps the workspace once, after a delay, unless stopped before.
func (k *keeper) keepAfter(ctx context.Context, delay time.Duration) (stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		if api.Pause(ctx, delay) == nil {
			k.take(ctx, true)
		}
	})
	return func() {
		cancel(errFinished)
		done.Wait()
	}
}

// keep takes a snapshot and stores it, within the time allowed. The server learns of it with the next
// report, or with the end.
func (k *keeper) keep(ctx context.Context) { k.take(ctx, false) }

// take takes a snapshot, in the background or because the work waits for it.
func (k *keeper) take(ctx context.Context, background bool) {
	if !k.on {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.r
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.SnapshotTimeout, errTimeout{r.cfg.SnapshotTimeout})
	defer cancel()
	seq := r.outbox.LastSeq() // what is done after this may be missing
	known := k.print
	if known == "" && r.restored.done {
		known = "restored" // to an empty workspace is a change, too
	}
	declared, bad := k.declarations(ctx, background)
	taken, err := snapshot.Take(ctx, snapshot.Source{
		Work: r.at.work, Skip: []string{attachmentsDir}, Declared: declared, Omitted: bad, Scratch: r.at.private, Env: r.env,
		Secret: r.redactor.Found, At: r.cfg.Now(), Known: known, Quiet: background,
	})
	var blob string
	if err == nil {
		defer func() { _ = os.Remove(taken.Path) }()
		blob, err = k.store(ctx, taken)
	}
	if err != nil && !errors.Is(err, snapshot.ErrSame) && !errors.Is(err, snapshot.ErrEmpty) {
		if ctx.Err() == nil || !errors.Is(context.Cause(ctx), errFinished) {
			k.warn("The workspace could not be kept: " + err.Error() + ".")
		}
		return
	}
	if blob != "" {
		k.print, k.kept.Blob = taken.Fingerprint, blob
	}
	k.kept.Seq = seq
	r.outbox.PutKept(k.kept, background)
	if left := taken.Manifest.Omitted; len(left) > 0 {
		k.warn("The snapshot of the workspace leaves out: " + list(left) + ".")
	}
}

func (k *keeper) store(ctx context.Context, taken snapshot.Taken) (blob string, err error) {
	r := k.r
	if info, err := os.Stat(taken.Path); err != nil {
		return "", err
	} else if most := r.assignment.Limits.MaxBlobBytes; most > 0 && info.Size() > most {
		return "", fmt.Errorf("its snapshot of %d bytes is larger than the server takes (%d)", info.Size(), most)
	}
	ref, err := r.client.PutBlob(ctx, api.BlobKindSnapshot, "workspace.tar.gz", func() (io.ReadCloser, error) { return os.Open(taken.Path) })
	if err != nil {
		return "", err
	}
	fault.Here(fault.RunnerAfterSnapshot)
	return ref.BlobId, nil
}

// warn says the same thing once.
func (k *keeper) warn(text string) {
	if text != k.warned {
		k.warned = text
		k.r.notice(k.r.life, api.NoticeWarning, text)
	}
}

// list joins a few of many.
func list(all []string) string {
	const most = 10
	shown := slices.Clone(all[:min(len(all), most)])
	if more := len(all) - len(shown); more > 0 {
		shown = append(shown, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(shown, "; ")
}
