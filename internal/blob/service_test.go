package blob_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
)

type rows struct {
	mu   sync.Mutex
	rows map[string]blob.Meta
	fail error
}

func (r *rows) Insert(_ context.Context, m blob.Meta, _ int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.rows[m.ID] = m
	return nil
}

func (r *rows) Get(_ context.Context, id string) (blob.Meta, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.rows[id]
	if !ok {
		return blob.Meta{}, api.NotFound("blob", id)
	}
	return m, nil
}

func (r *rows) Known(_ context.Context, ids []string) (known []string, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		if _, ok := r.rows[id]; ok {
			known = append(known, id)
		}
	}
	return known, r.fail
}

func newService(t *testing.T) (*blob.Service, *rows, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "blobs")
	r := &rows{rows: map[string]blob.Meta{}}
	s, err := blob.New(blob.Config{Store: r, Log: slog.New(slog.DiscardHandler), URL: "file://" + dir})
	if err != nil {
		t.Fatal(err)
	}
	return s, r, dir
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestPutThenOpen(t *testing.T) {
	s, _, dir := newService(t)
	hostile := "../../etc/\x1b[31mpasswd\n\xff" + strings.Repeat("é", 300)
	m, err := s.Put(t.Context(), blob.Meta{RunID: "r", Kind: api.BlobKindOutput, Name: hostile, MimeType: "text/html"}, strings.NewReader("hello"), 5)
	if err != nil {
		t.Fatal(err)
	}
	if m.Size != 5 || m.ID == "" || m.CreatedAt.IsZero() || len(m.Name) > blob.MaxName || strings.ContainsAny(m.Name, "\x1b\n") || !utf8.ValidString(m.Name) {
		t.Fatalf("stored %+v", m)
	}
	got, r, err := s.Open(t.Context(), m.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || string(b) != "hello" || got != m {
		t.Fatalf("read %q %+v, %v", b, got, err)
	}
	for _, f := range files(t, dir) {
		if filepath.Base(f) != m.ID {
			t.Errorf("a name from outside reached the file system: %q", f)
		}
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFailedPutLeavesNothing(t *testing.T) {
	s, rows, dir := newService(t)
	broken := errors.New("connection lost")
	_, err := s.Put(t.Context(), blob.Meta{}, strings.NewReader("123456"), 5)
	if api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("oversized: %v", err)
	}
	_, err = s.Put(t.Context(), blob.Meta{}, io.MultiReader(strings.NewReader("12"), iotest.ErrReader(broken)), 5)
	if !errors.Is(err, broken) {
		t.Errorf("broken reader: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = s.Put(ctx, blob.Meta{}, strings.NewReader("12"), 5); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	rows.fail = errors.New("disk full")
	if _, err = s.Put(t.Context(), blob.Meta{}, strings.NewReader("12"), 5); !errors.Is(err, rows.fail) {
		t.Errorf("row not stored: %v", err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOpenRefusesForeignIDs(t *testing.T) {
	s, r, _ := newService(t)
	for _, id := range []string{"", "..", "../../../etc/passwd", "a/b/c/d/e/f", "ABCDEFGH\x00", strings.Repeat("a", 100)} {
		r.rows[id] = blob.Meta{ID: id} // even with a row
		if _, _, err := s.Open(t.Context(), id); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
	r.rows["ABCDEFGHIJ"] = blob.Meta{ID: "ABCDEFGHIJ"}
	if _, _, err := s.Open(t.Context(), "ABCDEFGHIJ"); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		t.Errorf("row without bytes: %v", err)
	}
}

func TestNewRefusesUnknownPlaces(t *testing.T) {
	for _, url := range []string{"", "s3://bucket", "/plain/path", "file://"} {
		if _, err := blob.New(blob.Config{URL: url}); err == nil {
			t.Errorf("%q was accepted", url)
		}
	}
}
