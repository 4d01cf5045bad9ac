// Package blob owns bytes too large for a row: outputs, artifacts, snapshots, attachments and
// archived transcripts. A blob is written once, found by id alone and never changed.
//
// It refuses to trust names: what a sandbox or client calls a blob is kept as a label in its row and
// never becomes a path. It refuses to decide who may read: callers check the run a blob belongs to,
// or a signed link.
package blob

import (
	"context"
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

// Store keeps the rows of blobs. A row is inserted only after its bytes are durable, so that a row
// always has bytes; bytes without a row are leftovers of a crash.
type Store interface {
	Insert(ctx context.Context, m Meta) error
	// Get returns one row; api.NotFound when there is none.
	Get(ctx context.Context, id string) (Meta, error)
}

// MaxName is the length in bytes of the longest label kept; longer ones are cut.
const MaxName = 255
