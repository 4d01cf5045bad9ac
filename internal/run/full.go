package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
)

// entryRow is what an entry takes beside its data, in bytes: its row, so that many empty entries weigh
// what they cost.
const entryRow = 128

// quota is something a run may store so much of, with the flag that says how much.
type quota struct{ what, flag string }

var (
	entriesFull = quota{"session entries", "max-run-entries"}
	blobsFull   = quota{"artifacts, snapshots and large outputs", "max-run-blobs"}
)

// storedBytes is what entries count towards Config.RunEntries.
func storedBytes(entries ...api.NewEntry) (n int64) {
	for _, e := range entries {
		n += entryRow + int64(len(e.Data))
	}
	return n
}

// Upload stores what a runner hands in as a blob of its run, at most limit bytes. A run that would
// store more than one may ends FAILED, and the answer is storage_limit_exceeded.
func (s *Service) Upload(ctx context.Context, actor identity.Actor, kind api.BlobKind, name string, r io.Reader, limit int64) (blob.Meta, error) {
	if err := runner(actor); err != nil {
		return blob.Meta{}, err
	}
	m, err := s.cfg.Blobs.Put(ctx, blob.Meta{RunID: actor.RunID, Kind: kind, Name: name}, r, limit)
	if !errors.Is(err, blob.ErrFull) {
		return m, err
	}
	if _, err := s.change(ctx, actor.RunID, func(t *turn) error {
		if !t.mayWrite(actor.ExecutionID) {
			return nil
		}
		return s.cfg.endFull(t, blobsFull, s.cfg.RunBlobs)
	}); err != nil {
		return blob.Meta{}, err
	}
	return blob.Meta{}, api.Fail(api.PlatformErrorCodeStorageLimitExceeded, "%s", blobsFull.message(s.cfg.RunBlobs))
}

// endFull ends a run that has stored all it may: FAILED, unless it had ended already and its sandbox
// was only idling. Its processes are told to go.
func (c Config) endFull(t *turn, what quota, limit int64) error {
	if t.run.State.Working() || t.run.State == api.RunStateBLOCKED {
		by := ByRunner
		if t.run.State == api.RunStatePENDING {
			by = ByWorker // it writes before it was heard of
		}
		err := t.move(api.RunStateFAILED, by, status{
			code: api.PlatformErrorCodeStorageLimitExceeded, message: what.message(limit),
		})
		if err != nil {
			return err
		}
	}
	t.endExecution("it stored all that a run may")
	return nil
}

// message tells what is full and how to go on.
func (q quota) message(limit int64) string {
	return fmt.Sprintf("The run stored all the %s that one run may: %s (--%s, CADRE_%s of the server). What was stored is kept. "+
		"Start another run that writes less, or have the limit raised and send this one a message.",
		q.what, sizeText(limit), q.flag, strings.ToUpper(strings.ReplaceAll(q.flag, "-", "_")))
}

// sizeText writes a number of bytes as the flags take it.
func sizeText(n int64) string {
	for _, u := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprintf("%d %s", n/u.bytes, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
