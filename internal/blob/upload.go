package blob

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Purpose says what an uploaded file is for.
type Purpose string

// The purposes.
const (
	PurposeTranscript Purpose = "transcript" // a harness's own record of its conversation
	PurposeTerminal   Purpose = "terminal"   // a picture of a harness's terminal
	PurposeSnapshot   Purpose = "snapshot"   // a file of a workspace
	PurposeCheckpoint Purpose = "checkpoint" // one that counts with its whole generation
	PurposeArtifact   Purpose = "artifact"
	PurposeHandoff    Purpose = "handoff"    // what a run is to begin with
	PurposeAttachment Purpose = "attachment" // what is said with a message
)

// atOnce says whether a file counts as soon as it has arrived.
func (p Purpose) atOnce() bool {
	return p == PurposeTranscript || p == PurposeTerminal || p == PurposeSnapshot
}

// kind is that of the blob.
func (p Purpose) kind() api.BlobKind {
	switch p {
	case PurposeTranscript, PurposeTerminal:
		return api.BlobKindTranscript
	case PurposeArtifact:
		return api.BlobKindArtifact
	case PurposeAttachment:
		return api.BlobKindAttachment
	}
	return api.BlobKindSnapshot
}

// UploadState says what may become of a file.
type UploadState string

// The states of an upload.
const (
	UploadOpen   UploadState = "open"   // may be sent, also again; forgotten once it expires
	UploadKept   UploadState = "kept"   // counts, and may be sent again
	UploadClosed UploadState = "closed" // counts, and is final
)

// Upload is a promise to take one file: who holds a signed link to it may send the bytes. What arrives
// whole replaces what came before.
type Upload struct {
	ID        string // a UUID
	RunID     string // empty until a run takes it over
	Execution int    // the one that may send it; 0: not bound to one
	Owner     string // who asked for it before there was a run
	Purpose   Purpose
	Batch     string // generation of a checkpoint, token of a handoff
	Name      string // label for people, at most MaxName bytes
	MimeType  string
	Detail    string // JSON of what else was said of it
	Size      int64  // announced, in bytes; -1 when it was not
	Most      int64  // bytes taken at most

	State     UploadState
	BlobID    string // empty before anything arrived
	CRC32C    uint32 // of what arrived
	CreatedAt time.Time
	StoredAt  time.Time // when the last of it arrived
	ExpiresAt time.Time // of the links to it
}

// UploadStore keeps the rows of uploads.
type UploadStore interface {
	// Promise stores uploads. One whose id exists is promised again: it expires later and belongs to the
	// execution that asks now; a closed one is a conflict.
	Promise(ctx context.Context, uploads ...Upload) error
	// Get returns one; api.NotFound when there is none.
	Get(ctx context.Context, id string) (Upload, error)
	// Fill stores the row of a blob that arrived for an upload and notes it there, in one transaction. The
	// blob there was goes, and is returned for its bytes to go, too. It is ErrFinal for a closed upload,
	// api.NotFound for one that is gone, and ErrFull as Store.Insert is.
	Fill(ctx context.Context, id string, m Meta, crc32c uint32, state UploadState, atMost int64) (replaced string, err error)
	// Expired lists open uploads whose time was over before, at most limit, oldest first.
	Expired(ctx context.Context, before time.Time, limit int) ([]Upload, error)
	// Forget drops an upload if it is still open and over before, with the row of its blob.
	Forget(ctx context.Context, u Upload, before time.Time) (dropped bool, err error)
}

// ErrFinal refuses to change a file that is final.
var ErrFinal = errors.New("the file is final")

// castagnoli is the polynomial of CRC32C.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Receive takes the bytes of an upload. It returns after they and their row are durable; when it fails
// nothing has changed. Too many bytes, and another number than was announced, are invalid_request.
func (s *Service) Receive(ctx context.Context, u Upload, r io.Reader) (Meta, uint32, error) {
	if u.State == UploadClosed {
		return Meta{}, 0, ErrFinal
	}
	sum := crc32.New(castagnoli)
	m := Meta{RunID: u.RunID, Kind: u.Purpose.kind(), Name: u.Name, MimeType: u.MimeType}
	if err := s.write(ctx, &m, io.TeeReader(r, sum), u.Most, u.Size); err != nil {
		return Meta{}, 0, err
	}
	return s.fill(ctx, u, m, sum)
}

func (s *Service) fill(ctx context.Context, u Upload, m Meta, sum hash.Hash32) (Meta, uint32, error) {
	state := u.State
	if u.Purpose.atOnce() {
		state = UploadKept
	}
	replaced, err := s.cfg.Uploads.Fill(ctx, u.ID, m, sum.Sum32(), state, s.cfg.PerRun)
	if err != nil {
		return Meta{}, 0, fmt.Errorf("record upload: %w", errors.Join(err, s.dir.remove(m.ID)))
	}
	if replaced != "" {
		s.Discard(replaced)
	}
	return m, sum.Sum32(), nil
}
