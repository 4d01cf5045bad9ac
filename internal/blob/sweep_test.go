package blob_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
)

// TestSweep: what a crash left between bytes and row, or between row and bytes, goes once it is old; what
// has a row, what is being written and what is young stays.
func TestSweep(t *testing.T) {
	s, rows, dir := newService(t)
	put := func(content string) string {
		t.Helper()
		m, err := s.Put(t.Context(), blob.Meta{Kind: api.BlobKindOutput}, strings.NewReader(content), 100)
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	kept, orphan, young := put("kept"), put("row never stored"), put("row about to be stored")
	at := func(id string) string { return filepath.Join(dir, id[len(id)-2:], id) }
	delete(rows.rows, orphan)
	delete(rows.rows, young)
	broken := filepath.Join(filepath.Dir(at(kept)), ".writing-123")
	writing := filepath.Join(filepath.Dir(at(kept)), ".writing-456")
	for _, path := range []string{broken, writing} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-48 * time.Hour)
	for _, path := range []string{at(kept), at(orphan), broken} {
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	n, err := s.Sweep(t.Context())
	if err != nil || n != 2 {
		t.Errorf("swept %d: %v", n, err)
	}
	for path, stays := range map[string]bool{at(kept): true, at(orphan): false, at(young): true, broken: false, writing: true} {
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s stays: %v", filepath.Base(path), err == nil)
		}
	}
	if n, err := s.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d again: %v", n, err)
	}
}
