//go:build linux

package proc

import (
	"crypto/rand"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Where a process's group is comes from what the kernel says of it, in every shape of mounting it.
func TestOwnCgroup(t *testing.T) {
	t.Parallel()
	const v1 = "30 24 0:27 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n"
	for name, c := range map[string]struct{ cgroup, mounts, want string }{
		"unified":        {"0::/user.slice/a\n", "35 24 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/user.slice/a"},
		"beside v1":      {"9:cpu:/x\n0::/\n", v1 + "36 24 0:30 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 none rw\n", "/sys/fs/cgroup/unified"},
		"mounted part":   {"0::/docker/abc/sub\n", "35 24 0:29 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n", "/sys/fs/cgroup/sub"},
		"blank in mount": {"0::/a\n", `35 24 0:29 / /my\040groups rw - cgroup2 cgroup rw` + "\n", "/my groups/a"},
		"second mount":   {"0::/a/b\n", "35 24 0:29 /other /x rw - cgroup2 c rw\n36 24 0:29 /a /y rw - cgroup2 c rw\n", "/y/b"},
		"outside":        {"0::/../b\n", "35 24 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n", ""},
		"none mounted":   {"0::/a\n", v1, ""},
		"only v1":        {"9:cpu:/x\n", v1, ""},
		"nothing":        {"", "", ""},
		"cut short":      {"0::/a\n", "35 24 - cgroup2\ngarbage\n", ""},
	} {
		got, err := ownCgroup(c.cgroup, c.mounts)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func place(t *testing.T) Cgroups {
	t.Helper()
	c, err := FindCgroups("cadre-" + rand.Text())
	if err != nil {
		t.Skipf("no control groups can be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Remove(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// A group holds what was started into it and what that started, killed as one, those included that
// went into groups of their own below it.
func TestCgroup(t *testing.T) {
	t.Parallel()
	c := place(t)
	g, err := c.Make("run-x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Make("run-x"); !errors.Is(err, os.ErrExist) {
		t.Errorf("made twice: %v", err)
	}
	cmd := exec.Command("/bin/sh", "-c", `mkdir below && (sh -c 'echo $$ >below/cgroup.procs; exec sleep 600' & env -i setsid -f sleep 600; echo; wait)`)
	cmd.Dir = g.dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	entered, err := g.Enter(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	entered()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if populated, err := g.Populated(); err != nil || !populated {
		t.Errorf("populated %v, %v", populated, err)
	}
	if err := g.Remove(); err == nil {
		t.Error("a group with processes was removed")
	}
	if left, ok := LeftCgroups(c.Dir(), filepath.Base(c.Dir())); !ok {
		t.Error("the place was not found again")
	} else if err := left.Kill(t.Context()); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if populated, err := g.Populated(); err != nil || populated {
		t.Errorf("populated after the kill: %v, %v", populated, err)
	}
	if err := g.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(g.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the group is still there: %v", err)
	}
	for _, dir := range []string{g.dir, t.TempDir()} {
		if _, ok := LeftCgroups(dir, filepath.Base(dir)); ok {
			t.Errorf("%s was taken for a group", dir)
		}
	}
	if _, ok := LeftCgroups(c.Dir(), "other"); ok {
		t.Error("another's place was taken")
	}
}

// A mark goes to whatever its process starts, and is read as what it was made of.
func TestMark(t *testing.T) {
	t.Parallel()
	m := MakeMark(0xfedcba98, 0xff123456)
	if family, ok := m.Family(); !ok || family != 0xfedcba98 || m != MakeMark(0xfedcba98, 0x123456) {
		t.Errorf("%x, family %x", uint64(m), family)
	}
	for _, no := range []Mark{0, 1024, ^Mark(0)} {
		if _, ok := no.Family(); ok {
			t.Errorf("%d was taken for a mark", no)
		}
	}
	if got := MarkOf(os.Getpid()); got == m {
		t.Fatalf("this process has the mark %x", uint64(got))
	}
	cmd := exec.Command("/bin/sh", "-c", `read go; env -i setsid -f sh -c 'echo $$; exec sleep 600'`)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 32)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid := number([]byte(strings.TrimSpace(string(line[:n]))))
	tree := Tree{Marked: func(got Mark) bool { return got == m }}
	if MarkOf(pid) != m || !slices.Equal(tree.Members(), []int{pid}) {
		t.Errorf("pid %d has %x; members %v", pid, uint64(MarkOf(pid)), tree.Members())
	}
	if err := tree.Kill(t.Context(), 0); err != nil || running(pid) {
		t.Errorf("%v, running %v", err, running(pid))
	}
	_ = cmd.Wait()
}

// Orphans are what descendants left to this process, not what it started in its own session.
func TestOrphans(t *testing.T) {
	t.Parallel()
	cmd, pid := begin(t, `(setsid bash -c 'echo $$; exec sleep 600' &) ; sleep 600`)
	orphan := func(pid int) bool { return slices.Contains(Orphans(func(int) bool { return false }), pid) }
	if !orphan(pid) || orphan(cmd.Process.Pid) {
		t.Errorf("orphans %v: want %d, not %d", Orphans(func(int) bool { return false }), pid, cmd.Process.Pid)
	}
	if slices.Contains(Orphans(func(own int) bool { return own == pid }), pid) {
		t.Error("one of our own was called an orphan")
	}
	if err := (Tree{Roots: []int{pid, cmd.Process.Pid}}).Kill(t.Context(), 0); err != nil {
		t.Error(err)
	}
	Collect(pid)
	if _, there := List()[pid]; there {
		t.Error("an orphan that ended was not collected")
	}
	_ = cmd.Wait()
}
