package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

func space(t *testing.T) (*Workspace, string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWorkspace(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, dir
}

func call(t *testing.T, tl Tool, input any) Result {
	t.Helper()
	raw, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	res, err := tl.Run(t.Context(), Call{ID: "c", Input: raw, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestNothingLeavesTheWorkspace(t *testing.T) {
	t.Parallel()
	w, dir := space(t)
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "secret"), []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"abs": out, "file": filepath.Join(out, "secret"), "up": "../../.."} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../x", "/etc/passwd", out + "/secret", "abs/secret", "file", "up/etc/passwd", "a/../../x", "", "pipe", ".", "a\x00b"} {
		if res := call(t, &ReadFile{w}, map[string]string{"path": path}); !res.Failed || strings.Contains(res.Text, "s3cret") {
			t.Errorf("read %q: %+v", path, res)
		}
		if res := call(t, &WriteFile{w}, map[string]string{"path": path, "content": "x"}); !res.Failed {
			t.Errorf("write %q: %+v", path, res)
		}
		if res := call(t, &EditFile{w}, map[string]string{"path": path, "old_text": "s", "new_text": "x"}); !res.Failed {
			t.Errorf("edit %q: %+v", path, res)
		}
	}
	for _, path := range []string{".git/hooks/pre-commit", "sub/.git/config", ".GIT/config"} {
		if res := call(t, &WriteFile{w}, map[string]string{"path": path, "content": "x"}); !res.Failed {
			t.Errorf("write %q: %+v", path, res)
		}
	}
	if res := call(t, &Grep{w}, map[string]string{"pattern": "s3cret"}); strings.Contains(res.Text, "s3cret:") || !strings.Contains(res.Text, "No matches") {
		t.Errorf("grep: %+v", res)
	}
	if b, _ := os.ReadFile(filepath.Join(out, "secret")); string(b) != "s3cret" {
		t.Errorf("the outside was changed: %q", b)
	}
}

func TestReadableDirectories(t *testing.T) {
	t.Parallel()
	dir, extra := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(extra, "x"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := OpenWorkspace(dir, "", extra)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if res := call(t, &ReadFile{w}, map[string]string{"path": filepath.Join(extra, "x")}); res.Failed || !strings.Contains(res.Text, "hello") {
		t.Errorf("%+v", res)
	}
	if res := call(t, &WriteFile{w}, map[string]string{"path": filepath.Join(extra, "x"), "content": "y"}); !res.Failed {
		t.Errorf("%+v", res)
	}
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	w, dir := space(t)
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("lines", strings.Repeat("line\n", 5000))
	put("bin", "\x7fELF\x00\x00")
	put("long", strings.Repeat("é", 5000))
	put("empty", "")
	put("crlf", "a\r\nb")
	for _, c := range []struct {
		input map[string]any
		want  string
		fail  bool
	}{
		{map[string]any{"path": "lines"}, "offset 2001", false},
		{map[string]any{"path": "lines", "offset": 4999, "limit": 9}, "  5000\tline", false},
		{map[string]any{"path": "lines", "offset": 9999}, "only 5000 lines", false},
		{map[string]any{"path": "bin"}, "binary", true},
		{map[string]any{"path": "long"}, "line of 10000 bytes", false},
		{map[string]any{"path": "empty"}, "empty", false},
		{map[string]any{"path": "crlf"}, "     1\ta\n     2\tb\n", false},
		{map[string]any{"path": "none"}, "no such file", true},
		{map[string]any{"path": "lines", "surplus": 1}, "surplus", true},
		{map[string]any{"path": 7}, "invalid arguments", true},
	} {
		res := call(t, &ReadFile{w}, c.input)
		if res.Failed != c.fail || !strings.Contains(res.Text, c.want) || !utf8.ValidString(res.Text) {
			t.Errorf("%v: failed %v, %.200q", c.input, res.Failed, res.Text)
		}
	}
}

func TestEditFile(t *testing.T) {
	t.Parallel()
	w, dir := space(t)
	path := filepath.Join(dir, "f")
	if err := os.WriteFile(path, []byte("a b a\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	edit := func(old, fresh string, all bool) Result {
		return call(t, &EditFile{w}, map[string]any{"path": "f", "old_text": old, "new_text": fresh, "replace_all": all})
	}
	for _, res := range []Result{edit("a", "x", false), edit("z", "x", false), edit("", "x", false), edit("b", "b", false)} {
		if !res.Failed {
			t.Errorf("%+v", res)
		}
	}
	if res := edit("b", "c", false); res.Failed {
		t.Errorf("%+v", res)
	}
	if res := edit("a", "x", true); res.Failed || !strings.Contains(res.Text, "2 occurrence") {
		t.Errorf("%+v", res)
	}
	b, _ := os.ReadFile(path)
	fi, _ := os.Stat(path)
	if string(b) != "x c x\n" || fi.Mode().Perm() != 0o755 {
		t.Errorf("%q %v", b, fi.Mode())
	}
}

func TestSearchBounds(t *testing.T) {
	t.Parallel()
	w, dir := space(t)
	if err := os.WriteFile(filepath.Join(dir, "many"), []byte(strings.Repeat("hit\n", 1000)+strings.Repeat("x", 100_000)+"hit"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.go", "b.txt", "sub/c.go", "sub/ignored/d.go", "sub/keep.log", "x.log"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("Needle\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("# c\n*.log\n!keep.log\n/sub/ignored/\n[\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tool  Tool
		input map[string]any
		want  string
		fail  bool
	}{
		{&Grep{w}, map[string]any{"pattern": "hit"}, "more than 500 matches", false},
		{&Grep{w}, map[string]any{"pattern": "needle", "ignore_case": true, "files_only": true}, "a.go\nb.txt\nsub/c.go\nsub/keep.log\n", false},
		{&Grep{w}, map[string]any{"pattern": "Needle", "glob": "*.go"}, "a.go:1:Needle\nsub/c.go:1:Needle\n", false},
		{&Grep{w}, map[string]any{"pattern": "Needle", "path": "sub"}, "sub/c.go:1:Needle\nsub/keep.log:1:Needle\n", false},
		{&Grep{w}, map[string]any{"pattern": "Needle", "path": "x.log"}, "x.log:1:Needle\n", false},
		{&Grep{w}, map[string]any{"pattern": "("}, "missing closing", true},
		{&Grep{w}, map[string]any{"pattern": "a", "path": "../.."}, "outside", true},
		{&Glob{w}, map[string]any{"pattern": "**/*.go"}, "a.go\nsub/c.go\n", false},
		{&Glob{w}, map[string]any{"pattern": "*.go", "path": "sub"}, "sub/c.go\n", false},
		{&Glob{w}, map[string]any{"pattern": "["}, "not valid", true},
		{&Glob{w}, map[string]any{"pattern": "*.none"}, "No files match", false},
	} {
		res := call(t, c.tool, c.input)
		ok := strings.Contains(res.Text, c.want)
		if strings.HasSuffix(c.want, "\n") {
			ok = res.Text == c.want
		}
		if res.Failed != c.fail || !ok {
			t.Errorf("%v: failed %v, %.300q", c.input, res.Failed, res.Text)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Grep{w}).Run(ctx, Call{Input: json.RawMessage(`{"pattern":"x"}`)}); err == nil {
		t.Error("a cancelled search went on")
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	var streamed strings.Builder
	o := NewOutput(256, 1<<20, t.TempDir(), func(offset int64, text string) {
		if int(offset) != streamed.Len() || !utf8.ValidString(text) {
			t.Errorf("fragment at %d after %d: %q", offset, streamed.Len(), text)
		}
		streamed.WriteString(text)
	})
	var all bytes.Buffer
	for i := range 400 {
		piece := []byte("ü€𝄞")
		all.Write(piece)
		cut := i % len(piece)
		_, _ = o.Write(piece[:cut])
		_, _ = o.Write(piece[cut:])
	}
	text, omitted := o.Text()
	if omitted == 0 || !utf8.ValidString(text) || !strings.HasPrefix(text, "ü€") || !strings.HasSuffix(text, "𝄞") || len(text) > 400 {
		t.Errorf("omitted %d, %q", omitted, text)
	}
	r, missing, err := o.Whole()
	if err != nil || missing != 0 {
		t.Fatal(missing, err)
	}
	if b, _ := io.ReadAll(r); !bytes.Equal(b, all.Bytes()) || streamed.String() != all.String() {
		t.Error("the whole is not whole")
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	small := NewOutput(256, 10, t.TempDir(), nil)
	_, _ = small.Write(bytes.Repeat([]byte("x"), 300))
	if _, missing, _ := small.Whole(); missing != 290 {
		t.Errorf("missing %d", missing)
	}
	_ = small.Close()
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, input := range []map[string]any{{"items": []any{map[string]any{"title": "", "status": "pending"}}}, {"items": []any{map[string]any{"title": "a", "status": "odd"}}}, {"_invalid_arguments": "x"}} {
		if res := call(t, UpdatePlan{}, input); !res.Failed {
			t.Errorf("%v: %+v", input, res)
		}
	}
	w, dir := space(t)
	if err := os.WriteFile(filepath.Join(dir, "x"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	rep := &ReportArtifact{Workspace: w, MaxBytes: 3}
	for _, input := range []map[string]any{{"type": "odd"}, {"type": "file", "path": "x"}, {"type": "file", "path": "../x"}, {"type": "screenshot", "path": "none"},
		{"type": "pull_request", "url": "javascript:alert(1)"}, {"type": "plan"}} {
		if res := call(t, rep, input); !res.Failed {
			t.Errorf("%v: %+v", input, res)
		}
	}
	if res := call(t, rep, map[string]any{"type": "pull_request", "url": "https://x/pull/1", "branch": "b"}); res.Failed || len(res.Entries) != 1 {
		t.Errorf("%+v", res)
	} else if r, ok := res.Entries[0].(api.ArtifactReport); !ok || r.ArtifactType != api.ArtifactTypePULLREQUEST {
		t.Errorf("%+v", res.Entries)
	}
}
