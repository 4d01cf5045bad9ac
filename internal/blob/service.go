package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

// Config sets up a Service. Store, Log and URL are required; without Uploads it takes none.
type Config struct {
	Store   Store
	Uploads UploadStore
	Log     *slog.Logger
	// URL says where bytes live: "file:///var/lib/cadre/blobs".
	URL string
	// PerRun bounds what one run may store, in bytes; 0 is without bound.
	PerRun int64
	// Leftover is how old bytes without a row must be to be taken for what a crash left. Default 24 h:
	// bytes are there before their row is.
	Leftover time.Duration
	// SweepEvery is how often leftovers are looked for. Default 6 h.
	SweepEvery time.Duration
	// Now and NewID default to the clock and random ids.
	Now   func() time.Time
	NewID func() string
}

// Service keeps blobs. It is safe for concurrent use.
type Service struct {
	cfg Config
	dir directory
}

// New opens the place where bytes live, creating it if need be.
func New(cfg Config) (*Service, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = rand.Text
	}
	if cfg.Leftover <= 0 {
		cfg.Leftover = 24 * time.Hour
	}
	if cfg.SweepEvery <= 0 {
		cfg.SweepEvery = 6 * time.Hour
	}
	scheme, path, _ := strings.Cut(cfg.URL, "://")
	if scheme != "file" || path == "" {
		return nil, fmt.Errorf("blob URL %q: want file:///directory", cfg.URL)
	}
	dir, err := openDirectory(path)
	if err != nil {
		return nil, err
	}
	return &Service{cfg: cfg, dir: dir}, nil
}

// Put stores what r yields and returns the row, with its id, size and time set. It returns after the
// bytes and the row are durable. More than limit bytes are refused with invalid_request, more than the
// run may store with ErrFull, and then nothing is kept; an error of r is returned wrapped.
func (s *Service) Put(ctx context.Context, m Meta, r io.Reader, limit int64) (Meta, error) {
	if err := s.write(ctx, &m, r, limit, -1); err != nil {
		return Meta{}, err
	}
	if err := s.cfg.Store.Insert(ctx, m, s.cfg.PerRun); err != nil {
		// What cannot be removed is bytes without a row, never a row without bytes.
		return Meta{}, fmt.Errorf("record blob: %w", errors.Join(err, s.dir.remove(m.ID)))
	}
	return m, nil
}

// write makes the bytes of a blob durable and completes its row. exact is the size they must have; any
// up to limit when it is negative.
func (s *Service) write(ctx context.Context, m *Meta, r io.Reader, limit, exact int64) error {
	m.ID = s.cfg.NewID()
	m.Name = label(m.Name)
	m.MimeType = label(m.MimeType)
	m.CreatedAt = s.cfg.Now().UTC().Truncate(time.Microsecond)
	size, err := s.dir.write(m.ID, io.LimitReader(r, limit+1), func(n int64) error {
		switch {
		case n > limit:
			return api.Invalid("body", "is larger than %d bytes", limit)
		case exact >= 0 && n != exact:
			return api.Invalid("body", "has %d bytes, announced were %d", n, exact)
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("write blob: %w", err)
	}
	m.Size = size
	return nil
}

// Discard removes the bytes of a blob whose row is gone. What cannot be removed is left over.
func (s *Service) Discard(id string) {
	if !validID(id) {
		return
	}
	if err := s.dir.remove(id); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.Warn("bytes of a dropped blob stay", "blob_id", id, "err", err)
	}
}

// Stat returns the row of a blob; api.NotFound when there is none.
func (s *Service) Stat(ctx context.Context, id string) (Meta, error) {
	if !validID(id) {
		return Meta{}, api.NotFound("blob", id)
	}
	return s.cfg.Store.Get(ctx, id)
}

// Open returns a blob's row and its bytes, which the caller closes. A blob whose bytes are gone is
// api.NotFound, like one that never was.
func (s *Service) Open(ctx context.Context, id string) (Meta, io.ReadCloser, error) {
	m, err := s.Stat(ctx, id)
	if err != nil {
		return Meta{}, nil, err
	}
	r, err := s.dir.open(id)
	if errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.Error("blob has a row but no bytes", "blob_id", id)
		return Meta{}, nil, api.NotFound("blob", id)
	}
	if err != nil {
		return Meta{}, nil, fmt.Errorf("open blob: %w", err)
	}
	return m, r, nil
}

// Ready reports whether a blob could be stored now.
func (s *Service) Ready(ctx context.Context) error { return s.dir.ready(ctx) }

// validID accepts what NewID makes: letters, digits and dashes. It keeps anything else that callers
// send as an id away from the file system.
func validID(id string) bool {
	if len(id) < 8 || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return true
}

// label makes a name from outside fit a row: valid UTF-8 without control characters, bounded.
func label(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	for len(s) > MaxName {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}
