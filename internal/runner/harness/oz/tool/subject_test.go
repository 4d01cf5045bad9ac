package tool

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// A permission pattern about a path cannot be slipped past through a symlink.
func TestSubjectFollowsSymlinks(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"secret", "plain"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"link": "secret", "plain/up": "../secret/key", "abs": filepath.Join(dir, "secret"), "out": "/etc", "loop": "loop",
		"future": "secret/not-yet", "chain": "link",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	w, err := OpenWorkspace(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for path, want := range map[string]string{
		"plain/x": "plain/x", "new/deep/x": "new/deep/x", "link/key": "secret/key", "chain/a/b": "secret/a/b", "plain/up": "secret/key",
		"abs/key": "secret/key", "out/passwd": "/etc/passwd", "future": "secret/not-yet", "loop": "loop", dir + "/link/x": "secret/x",
		"../x": "",
	} {
		input, _ := json.Marshal(map[string]string{"path": path})
		if _, real := subjectPath(w, input); real != want {
			t.Errorf("%s leads to %q, want %q", path, real, want)
		}
	}
}
