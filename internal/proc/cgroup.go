package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Cgroups is a place in the control group hierarchy (cgroup v2) where this process may make groups.
// The zero value is no place.
type Cgroups struct{ dir string }

// Cgroup is a group that processes are started into and that all they start stay in, whatever they do
// to their environment, session or parents. Only who may write the hierarchy gets out: root, unless
// confined.
type Cgroup struct{ dir string }

// Dir is the directory of the place.
func (c Cgroups) Dir() string { return c.dir }

// Remove gives the place up. It fails while a process is in any of its groups.
func (c Cgroups) Remove() error { return Cgroup(c).Remove() }

// Make makes a group in the place, new and empty. The name must not begin like a file of the kernel's
// there ("cgroup.", "cpu." and so on).
func (c Cgroups) Make(name string) (Cgroup, error) {
	g := Cgroup{filepath.Join(c.dir, name)}
	if err := os.Mkdir(g.dir, 0o700); err != nil {
		return Cgroup{}, fmt.Errorf("make a control group: %w", err)
	}
	return g, nil
}

// Remove removes the group with those below it, which processes inside may have made. It fails while
// there is a process in any.
func (g Cgroup) Remove() error {
	err := os.Remove(g.dir)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	entries, _ := os.ReadDir(g.dir)
	for _, e := range entries {
		if e.IsDir() {
			_ = Cgroup{filepath.Join(g.dir, e.Name())}.Remove() // told by the next line
		}
	}
	return os.Remove(g.dir)
}

// LeftCgroups opens a place that another process made, for its groups to be killed and removed. It is
// not ok when there is none of that name at dir any more.
func LeftCgroups(dir, name string) (g Cgroup, ok bool) {
	if filepath.Base(dir) != name {
		return g, false
	}
	_, err := os.Stat(filepath.Join(dir, killFile))
	return Cgroup{dir}, err == nil
}

// killFile ends every process of a group when 1 is written to it (Linux 5.14).
const killFile = "cgroup.kill"

// ownCgroup finds the directory of the group a process is in from what the kernel says of the process
// (/proc/PID/cgroup) and of its mounts (/proc/PID/mountinfo).
func ownCgroup(cgroup, mountinfo string) (string, error) {
	path, ok := "", false
	for line := range strings.Lines(cgroup) {
		if rest, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); found {
			path, ok = rest, true
		}
	}
	if !ok || slices.Contains(strings.Split(path, "/"), "..") {
		return "", errors.New("this process is in no control group (v2) that it can see")
	}
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if len(f) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, at := unescapeMount(f[3]), unescapeMount(f[4])
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return filepath.Join(at, rel), nil
		}
	}
	return "", errors.New("no control group hierarchy (v2) is mounted")
}

// unescapeMount undoes what the kernel does to blanks in mountinfo.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
