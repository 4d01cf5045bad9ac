package snapshot_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// Lines that are no declarations are described, and the others count.
func TestReadDeclarations(t *testing.T) {
	t.Parallel()
	all, bad := snapshot.ReadDeclarations(strings.NewReader(`{"version":1,"kind":"file","path":"/a/../b"}

{"version":1,"kind":"repo","path":"/c/","note":"more"}
{"version":1,"kind":"file","path":"/b"}
{"version":2,"kind":"file","path":"/d"}
{"version":1,"kind":"dir","path":"/d"}
{"version":1,"kind":"file","path":"d"}
{"version":1,"kind":"file"}
["x"]
` + "\xff\x00" + `
{"version":1,"kind":"file","path":"/e"}`))
	if diff := cmp.Diff([]snapshot.Declaration{{Path: "/b"}, {Repo: true, Path: "/c"}, {Path: "/e"}}, all); diff != "" {
		t.Error(diff)
	}
	want := []string{"line 5: version 2", "line 6: kind \"dir\"", "line 7: path \"d\"", "line 8: path \"\"", "line 9: not a JSON", "line 10: not a JSON"}
	if len(bad) != len(want) {
		t.Fatalf("%q", bad)
	}
	for i, w := range want {
		if !strings.Contains(bad[i], w) {
			t.Errorf("%q does not say %q", bad[i], w)
		}
	}
	long := strings.Repeat(`{"version":1,"kind":"file","path":"/`, 1000)
	if all, bad := snapshot.ReadDeclarations(strings.NewReader("\n" + long)); len(all) != 0 || len(bad) != 1 || !strings.Contains(bad[0], "line 2 on: longer") {
		t.Errorf("%v %q", all, bad)
	}
	var many strings.Builder
	for i := range 200 {
		many.WriteString(`{"version":1,"kind":"file","path":"/` + strings.Repeat("x", i+1) + "\"}\nbad\n")
	}
	if all, bad := snapshot.ReadDeclarations(strings.NewReader(many.String())); len(all) != 100 || len(bad) != 20 {
		t.Errorf("%d declarations, %d complaints", len(all), len(bad))
	}
}

// What is declared and cannot be kept is left out and named; what is kept anyway is not kept twice.
func TestDeclaredAndNotKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, text := range map[string]string{"work/in": "x", "scratch/own": "x", "ok": "x", "secret": "SECRET-TOKEN-VALUE", "plain/f": "x"} {
		write(t, at(name), text, 0o600)
	}
	var declared []snapshot.Declaration
	for _, name := range []string{"work/in", "scratch/own", "ok", "secret", "plain", "gone"} {
		declared = append(declared, snapshot.Declaration{Path: at(name)})
	}
	declared = append(declared, snapshot.Declaration{Repo: true, Path: at("plain")}, snapshot.Declaration{Repo: true, Path: "/"})
	taken, err := snapshot.Take(t.Context(), snapshot.Source{
		Work: at("work"), Scratch: at("scratch"), Declared: declared, Omitted: []string{"told before"}, At: time.Now(),
		Secret: func(b []byte) bool { return strings.Contains(string(b), "SECRET-TOKEN-VALUE") },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"told before", at("plain") + ": declared as a repository and is none", "/: declared as a repository and is none",
		at("plain") + ": declared as a file and is none", "declared file stat " + at("gone") + ": no such file or directory", at("secret") + ": holds a secret",
	}
	if diff := cmp.Diff(want, taken.Manifest.Omitted); diff != "" || taken.Manifest.Files != 2 {
		t.Errorf("%d files; %s", taken.Manifest.Files, diff)
	}
	if err := os.Remove(at("ok")); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if _, problems, err := snapshot.Restore(t.Context(), taken.Path, snapshot.Target{Work: to}); err != nil || problems != nil {
		t.Fatal(err, problems)
	}
	if b, err := os.ReadFile(at("ok")); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
}
