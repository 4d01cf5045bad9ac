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

// keeper keeps the workspace: at the end of a turn, while a long turn is under way and while a run
// waits for a person. A snapshot never fails a run, and one that would say nothing new is not sent.
type keeper struct {
	r  *execution
	on bool // the workspace is set up, and is to be kept

	mu     sync.Mutex // held while a snapshot is taken: one at a time
	print  string     // fingerprint of the last one stored
	blob   string
	warned string

	count   sync.Mutex
	actions int
	due     chan struct{} // actions reached the number after which the workspace is kept
}

func newKeeper(r *execution) *keeper { return &keeper{r: r, due: make(chan struct{}, 1)} }

// acted counts a finished action.
func (k *keeper) acted() {
	k.count.Lock()
	defer k.count.Unlock()
	if k.actions++; k.r.cfg.CheckpointActions > 0 && k.actions >= k.r.cfg.CheckpointActions {
		k.actions = 0
		select {
		case k.due <- struct{}{}:
		default:
		}
	}
}

// latest names the last snapshot stored, empty when there is none.
func (k *keeper) latest() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.blob
}

// watch keeps the workspace while the agent works, until the returned function is called, which
// waits for a snapshot that is just being taken.
func (k *keeper) watch(ctx context.Context) (stop func()) {
	if !k.on {
		return func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var timer <-chan time.Time
	var done sync.WaitGroup
	done.Go(func() {
		if every := k.r.cfg.CheckpointEvery; every > 0 {
			t := time.NewTicker(every)
			defer t.Stop()
			timer = t.C
		}
		for {
			select {
			case <-k.due:
			case <-timer:
			case <-ctx.Done():
				return
			}
			k.keep(ctx)
		}
	})
	return func() {
		cancel(errFinished)
		done.Wait()
	}
}

// keepAfter keeps the workspace once, after a delay, unless stopped before.
func (k *keeper) keepAfter(ctx context.Context, delay time.Duration) (stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		if sleep(ctx, delay) == nil {
			k.keep(ctx)
		}
	})
	return func() {
		cancel(errFinished)
		done.Wait()
	}
}

// keep takes a snapshot, stores it and tells the server, within the time allowed.
func (k *keeper) keep(ctx context.Context) {
	if !k.on {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	ctx, cancel := context.WithTimeoutCause(ctx, k.r.cfg.SnapshotTimeout, errTimeout{k.r.cfg.SnapshotTimeout})
	defer cancel()
	taken, err := snapshot.Take(ctx, snapshot.Source{
		Work: k.r.at.work, Skip: []string{attachmentsDir}, Scratch: k.r.at.private, Env: k.r.env,
		Secret: k.r.redactor.Found, At: k.r.cfg.Now(),
	})
	if err == nil {
		defer func() { _ = os.Remove(taken.Path) }()
		err = k.store(ctx, taken)
	}
	if err == nil || errors.Is(err, snapshot.ErrEmpty) || errors.Is(context.Cause(ctx), errFinished) {
		return
	}
	k.warn("The workspace could not be kept: " + err.Error() + ".")
}

func (k *keeper) store(ctx context.Context, taken snapshot.Taken) error {
	if taken.Fingerprint == k.print {
		return nil
	}
	r := k.r
	if info, err := os.Stat(taken.Path); err != nil {
		return err
	} else if most := r.assignment.Limits.MaxBlobBytes; most > 0 && info.Size() > most {
		return fmt.Errorf("its snapshot of %d bytes is larger than the server takes (%d)", info.Size(), most)
	}
	ref, err := r.client.PutBlob(ctx, api.BlobKindSnapshot, "workspace.tar.gz", func() (io.ReadCloser, error) { return os.Open(taken.Path) })
	if err != nil {
		return err
	}
	fault.Here(fault.RunnerAfterSnapshot)
	k.print, k.blob = taken.Fingerprint, ref.BlobId
	if err := r.outbox.PutSnapshot(ctx, ref.BlobId); err != nil && !errors.Is(err, link.ErrOver) {
		return err
	}
	if left := taken.Manifest.Omitted; len(left) > 0 {
		k.warn("The snapshot of the workspace leaves out: " + list(left) + ".")
	}
	return nil
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
