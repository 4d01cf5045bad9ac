// Package blob owns bytes too large for a row: outputs, artifacts, snapshots, attachments and
// archived transcripts. A blob is written once, found by id alone and never changed.
//
// It refuses to trust names: what a sandbox or client calls a blob is kept as a label in its row and
// never becomes a path. It refuses to decide who may read: callers check the run a blob belongs to,
// or a signed link.
package blob

import (
	"context"
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Meta describes a stored blob. RunID is empty for a blob uploaded before its run exists.
type Meta struct {
	ID        string
	RunID     string
	Kind      api.BlobKind
	Name      string // label for people, at most MaxName bytes
	MimeType  string
	Size      int64
	CreatedAt time.Time
}

// block is what a file system sets aside at least.
const block = 4096

// Stored is what a blob takes of the disk, in bytes: its size rounded up to whole blocks, and at least
// one, so that many small blobs weigh what they cost.
func (m Meta) Stored() int64 { return (m.Size/block + 1) * block }

// ErrFull refuses a blob of a run that has stored all it may.
var ErrFull = errors.New("the run may store no more blobs")

// Store keeps the rows of blobs. A row is inserted only after its bytes are durable, so that a row
// always has bytes; bytes without a row are leftovers of a crash.
type Store interface {
	// Insert stores a row unless its run would then have more than atMost bytes, as Meta.Stored counts
	// them: ErrFull. 0 is without bound.
	Insert(ctx context.Context, m Meta, atMost int64) error
	// Get returns one row; api.NotFound when there is none.
	Get(ctx context.Context, id string) (Meta, error)
	// Known returns those of the ids that have a row.
	Known(ctx context.Context, ids []string) ([]string, error)
}

// MaxName is the length in bytes of the longest label kept; longer ones are cut.
const MaxName = 255
