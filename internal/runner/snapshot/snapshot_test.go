package snapshot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/cadrehq/cadre/internal/runner/gittest"
	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tree reads everything below a directory: mode, type and content by path. .git is left out.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if d.Name() == ".git" {
			return filepath.SkipDir
		}
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return nil
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(path)
			all[rel] = "link " + to
			return err
		}
		b, err := os.ReadFile(path)
		all[rel] = fmt.Sprintf("exec=%v %q", info.Mode()&0o100 != 0, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type world struct {
	dir, url string
	env      []string
}

func (w world) take(t testing.TB) (snapshot.Taken, error) {
	return snapshot.Take(context.Background(), snapshot.Source{
		Work: w.dir, Skip: []string{".cadre"}, Scratch: t.TempDir(), Env: w.env, At: time.Now(),
		Secret: func(b []byte) bool { return bytes.Contains(b, []byte("SECRET-TOKEN-VALUE")) },
		Limits: snapshot.Limits{File: 2 << 20, Total: 8 << 20, Pack: 8 << 20, Files: 1000},
	})
}

func (w world) git(t testing.TB, args ...string) string {
	return gittest.Git(t, filepath.Join(w.dir, "repo"), args...)
}

func clone(t testing.TB, url string) world {
	w := world{dir: t.TempDir(), url: url, env: gittest.Env(t)}
	gittest.Git(t, w.dir, "clone", "--quiet", url, "repo")
	return w
}

// again is a clone as it was made, copied rather than cloned: git takes its time.
func (w world) again(t testing.TB) world {
	t.Helper()
	to := world{dir: t.TempDir(), url: w.url, env: w.env}
	if err := os.CopyFS(to.dir, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func (w world) restore(t testing.TB) world {
	t.Helper()
	return w.restoreInto(t, clone(t, w.url))
}

func (w world) restoreInto(t testing.TB, to world) world {
	t.Helper()
	taken, err := w.take(t)
	if err != nil {
		t.Fatalf("take: %v", err)
	}
	_, problems, err := snapshot.Restore(context.Background(), taken.Path, snapshot.Target{Work: to.dir, Scratch: t.TempDir(), Env: to.env})
	if err != nil || len(problems) > 0 {
		t.Fatalf("restore: %v, problems %v", err, problems)
	}
	return to
}

// state is everything git says about where a repository stands, beside the content of its files.
func (w world) state(t testing.TB) []string {
	return []string{
		w.git(t, "status", "--porcelain=v2", "--branch", "--untracked-files=all"),
		w.git(t, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/stash", "refs/tags"),
		w.git(t, "ls-files", "--stage"),
	}
}

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestRoundTripKeepsAllGitKnows(t *testing.T) {
	server := gittest.New(t)
	w := clone(t, server.Repo("repo", map[string]string{"a.txt": "one\n", "b/c.txt": "two\n", "run.sh*": "#!/bin/sh\n", "gone.txt": "x\n", "old.txt": "rename me, I am long enough\n"}))
	in := func(name string) string { return filepath.Join(w.dir, "repo", name) }
	w.git(t, "checkout", "-q", "-b", "feature/x")
	write(t, in("a.txt"), "one\ncommitted\n", 0o644)
	w.git(t, "commit", "-qam", "local work")
	w.git(t, "tag", "v1")
	write(t, in("stashed.txt"), "s\n", 0o644)
	w.git(t, "add", "stashed.txt")
	w.git(t, "stash", "-q")
	write(t, in("a.txt"), "one\nstaged\n", 0o644)
	w.git(t, "add", "a.txt")
	write(t, in("a.txt"), "one\nstaged\nand not\n", 0o644)
	write(t, in("bin.dat"), "\x00\x01\xff\xfe", 0o755)
	write(t, in("ümläut \"quoted\"\nname"), "odd", 0o600)
	w.git(t, "mv", "old.txt", "new name.txt")
	_ = os.Remove(in("gone.txt"))
	_ = os.Chmod(in("run.sh"), 0o644)
	if err := os.Symlink("b/c.txt", in("link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(w.dir, "notes", "n.md"), "beside", 0o640)
	write(t, filepath.Join(w.dir, ".cadre", "attachments", "a"), "not kept", 0o600)

	before := w.state(t)
	to := w.restore(t)
	if diff := cmp.Diff(before, w.state(t)); diff != "" {
		t.Errorf("taking a snapshot changed the repository:\n%s", diff)
	}
	if diff := cmp.Diff(before, to.state(t)); diff != "" {
		t.Errorf("state differs (-taken +restored):\n%s", diff)
	}
	to.git(t, "fsck", "--no-dangling", "--connectivity-only")
	want := tree(t, w.dir)
	delete(want, ".cadre/attachments/a")
	if diff := cmp.Diff(want, tree(t, to.dir)); diff != "" {
		t.Errorf("files differ (-taken +restored):\n%s", diff)
	}
}

// Any sequence of changes comes back as it was.
func TestRoundTripProperty(t *testing.T) {
	names := []string{"a", "b", "dir/a", "dir/b", "dir/deep/c", "sp ace", "é"}
	files := map[string]string{}
	for _, name := range names[:4] {
		files[name] = "as it was in " + name + "\n"
	}
	fresh := clone(t, gittest.New(t).Repo("repo", files))
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 6 { // each try runs some thirty git commands
			return
		}
		content := rapid.SliceOfN(rapid.Byte(), 1, 40)
		w := fresh.again(t)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "name")
			path := filepath.Join(w.dir, "repo", name)
			switch rapid.SampledFrom([]string{"write", "write", "remove", "mode", "rename", "add", "commit", "branch", "link"}).Draw(rt, "act") {
			case "write":
				_ = os.Remove(path)
				write(t, path, string(content.Draw(rt, "content")), 0o644)
			case "remove":
				_ = os.Remove(path)
			case "mode":
				_ = os.Chmod(path, 0o755)
			case "rename":
				_ = os.Rename(path, path+".moved")
			case "add":
				w.git(t, "add", "--all")
			case "commit":
				w.git(t, "commit", "-q", "--allow-empty", "-am", "work")
			case "branch":
				w.git(t, "checkout", "-q", "-B", rapid.StringMatching(`[a-z]{1,8}/[a-z]{1,8}`).Draw(rt, "branch"))
			case "link":
				_ = os.Remove(path)
				_ = os.MkdirAll(filepath.Dir(path), 0o755)
				_ = os.Symlink("nowhere", path)
			}
		}
		to := w.restoreInto(t, fresh.again(t))
		if diff := cmp.Diff(tree(t, w.dir), tree(t, to.dir)); diff != "" {
			rt.Fatalf("files differ:\n%s", diff)
		}
		if diff := cmp.Diff(w.state(t), to.state(t)); diff != "" {
			rt.Fatalf("state differs:\n%s", diff)
		}
	})
}

func TestOriginMovedOn(t *testing.T) {
	server := gittest.New(t)
	w := clone(t, server.Repo("repo", map[string]string{"a": "1\n"}))
	write(t, filepath.Join(w.dir, "repo", "a"), "mine\n", 0o644)
	server.Commit(w.url, "second", map[string]string{"a": "2\n", "other": "new\n"})
	to := w.restore(t)
	got := tree(t, filepath.Join(to.dir, "repo"))
	if diff := cmp.Diff(map[string]string{"a": `exec=false "mine\n"`}, got); diff != "" {
		t.Errorf("files differ: %s", diff)
	}
	if diff := cmp.Diff(w.git(t, "rev-parse", "HEAD"), to.git(t, "rev-parse", "HEAD")); diff != "" {
		t.Errorf("HEAD differs: %s", diff)
	}
}

func TestRepositoryTheAgentMade(t *testing.T) {
	for _, commits := range []bool{false, true} {
		w := world{dir: t.TempDir(), env: gittest.Env(t)}
		gittest.Git(t, w.dir, "init", "-q", "-b", "main", "repo")
		write(t, filepath.Join(w.dir, "repo", "f"), "x", 0o644)
		if commits {
			w.git(t, "add", "f")
			w.git(t, "commit", "-qm", "c")
			write(t, filepath.Join(w.dir, "repo", "g"), "y", 0o644)
		}
		taken, err := w.take(t)
		if err != nil {
			t.Fatal(err)
		}
		to := world{dir: t.TempDir(), env: w.env}
		if _, problems, err := snapshot.Restore(context.Background(), taken.Path, snapshot.Target{Work: to.dir, Env: to.env}); err != nil || problems != nil {
			t.Fatal(err, problems)
		}
		if diff := cmp.Diff(tree(t, w.dir), tree(t, to.dir)); diff != "" {
			t.Errorf("files differ: %s", diff)
		}
		if diff := cmp.Diff(w.git(t, "status", "--porcelain=v1", "-b"), to.git(t, "status", "--porcelain=v1", "-b")); diff != "" {
			t.Errorf("status differs: %s", diff)
		}
	}
}

// A file that changed in the very second it was added, and kept its size, is told from the one that was
// added by its content only: git knows by the time of its index when to look.
func TestChangeWithinTheSecondOfACommitIsKept(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	w := clone(t, git.Repo("app", map[string]string{"f": "0"}))
	// The change would have to come within the second; with these, only its time counts.
	w.git(t, "config", "core.trustctime", "false")
	w.git(t, "config", "core.checkStat", "minimal")
	file, second := filepath.Join(w.dir, "repo", "f"), time.Now().Add(-time.Hour).Truncate(time.Second)
	at := func(path string) {
		if err := os.Chtimes(path, second, second); err != nil {
			t.Fatal(err)
		}
	}
	write(t, file, "1", 0o600)
	at(file)
	w.git(t, "commit", "--quiet", "--all", "--message", "one")
	write(t, file, "2", 0o600)
	at(file)
	at(filepath.Join(w.dir, "repo", ".git", "index"))
	to := w.restore(t)
	if got := tree(t, to.dir)["repo/f"]; got != `exec=false "2"` {
		t.Errorf("came back as %s", got)
	}
}

func TestSecretsAndLargeFilesStayOut(t *testing.T) {
	server := gittest.New(t)
	w := clone(t, server.Repo("repo", map[string]string{"a": "1\n"}))
	write(t, filepath.Join(w.dir, "repo", "env"), strings.Repeat("x", 1<<20)+"SECRET-TOKEN-VALUE", 0o644)
	write(t, filepath.Join(w.dir, "repo", "staged"), "SECRET-TOKEN-VALUE", 0o644)
	w.git(t, "add", "staged")
	write(t, filepath.Join(w.dir, "beside"), "SECRET-TOKEN-VALUE", 0o644)
	write(t, filepath.Join(w.dir, "repo", "ok"), "fine", 0o644)
	if err := os.Truncate(filepath.Join(w.dir, "beside2"), 0); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(w.dir, "repo", "huge"))
	if err == nil {
		err = errors.Join(f.Truncate(3<<20), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	taken, err := w.take(t)
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(taken.Manifest.Omitted)
	want := []string{"beside: holds a secret", "repo/env: holds a secret", "repo/huge: too large (3145728 bytes)", "repo/staged: holds a secret"}
	if diff := cmp.Diff(want, taken.Manifest.Omitted); diff != "" {
		t.Errorf("left out: %s", diff)
	}
	to := clone(t, w.url)
	if _, problems, err := snapshot.Restore(context.Background(), taken.Path, snapshot.Target{Work: to.dir, Env: to.env}); err != nil || problems != nil {
		t.Fatal(err, problems)
	}
	if diff := cmp.Diff(map[string]string{"repo/a": `exec=false "1\n"`, "repo/ok": `exec=false "fine"`}, tree(t, to.dir)); diff != "" {
		t.Errorf("files: %s", diff)
	}
}

func TestUnchangedHasTheSameFingerprint(t *testing.T) {
	server := gittest.New(t)
	w := clone(t, server.Repo("repo", map[string]string{"a": "1\n"}))
	one, err1 := w.take(t)
	two, err2 := w.take(t)
	write(t, filepath.Join(w.dir, "repo", "a"), "2\n", 0o644)
	three, err3 := w.take(t)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if one.Fingerprint != two.Fingerprint || one.Fingerprint == three.Fingerprint {
		t.Errorf("fingerprints: %s %s %s", one.Fingerprint, two.Fingerprint, three.Fingerprint)
	}
}

func TestNothingToKeepAndGarbage(t *testing.T) {
	w := world{dir: t.TempDir(), env: gittest.Env(t)}
	write(t, filepath.Join(w.dir, ".cadre", "x"), "y", 0o600)
	if _, err := w.take(t); !errors.Is(err, snapshot.ErrEmpty) {
		t.Errorf("empty workspace: %v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	write(t, bad, "not a snapshot", 0o600)
	if _, _, err := snapshot.Restore(context.Background(), bad, snapshot.Target{Work: t.TempDir()}); err == nil {
		t.Error("garbage was restored")
	}
	// A broken repository is left out and named, and does not take the rest with it.
	write(t, filepath.Join(w.dir, "broken", ".git"), "gitdir: /nowhere", 0o600)
	write(t, filepath.Join(w.dir, "fine"), "y", 0o600)
	taken, err := w.take(t)
	if err != nil || len(taken.Manifest.Omitted) != 1 || taken.Manifest.Files != 1 {
		t.Errorf("broken repository: %v, %+v", err, taken.Manifest)
	}
}

// What is the same as before is recognised before anything is packed, whatever changed meanwhile and
// back; what became empty is a change like any other.
func TestSameAsBefore(t *testing.T) {
	t.Parallel()
	w := clone(t, gittest.New(t).Repo("app", map[string]string{"f": "one\n"}))
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(w.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
			t.Fatal(err)
		}
	}
	put("notes", "side")
	known := ""
	for i, step := range []struct {
		change func()
		same   bool
	}{
		{func() {}, false},
		{func() {}, true},
		{func() { put("repo/f", "two\n") }, false},
		{func() { put("repo/g", "new") }, false},
		{func() { _ = os.Remove(filepath.Join(w.dir, "repo/g")) }, false},
		{func() {}, true},
		{func() { w.git(t, "add", "f") }, false},
		{func() { w.git(t, "checkout", "-qb", "other") }, false},
		{func() { put("notes", "sidewards") }, false},
		{func() { put("repo/token", "SECRET-TOKEN-VALUE") }, false}, // left out, and that is told
		{func() {}, true},
	} {
		step.change()
		taken, err := snapshot.Take(t.Context(), snapshot.Source{Work: w.dir, Scratch: t.TempDir(), Env: w.env, At: time.Now(), Known: known,
			Quiet: true, Secret: func(b []byte) bool { return bytes.Contains(b, []byte("SECRET-TOKEN-VALUE")) }})
		if step.same != errors.Is(err, snapshot.ErrSame) || (err != nil && !step.same) {
			t.Errorf("step %d: %v", i, err)
		}
		if err == nil {
			known = taken.Fingerprint
		}
	}
	empty := snapshot.Source{Work: t.TempDir(), Scratch: t.TempDir(), At: time.Now()}
	if _, err := snapshot.Take(t.Context(), empty); !errors.Is(err, snapshot.ErrEmpty) {
		t.Errorf("empty: %v", err)
	}
	empty.Known = known
	if taken, err := snapshot.Take(t.Context(), empty); err != nil || taken.Manifest.Files != 0 {
		t.Errorf("emptied: %+v, %v", taken.Manifest, err)
	}
}
