package proc

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxEnviron bounds how much of a process's environment is searched.
const maxEnviron = 4 << 20

func (t Tree) members(roots []int) []int {
	if t.Closed && childless(roots) {
		return nil
	}
	all := List()
	belongs := make(map[int]bool, len(all))
	var in func(pid int) bool
	in = func(pid int) bool {
		if v, ok := belongs[pid]; ok {
			return v
		}
		p, ok := all[pid]
		if !ok || pid <= 1 {
			return false
		}
		belongs[pid] = false // ends the walk if a pid was reused into a cycle while we read
		v := slices.Contains(roots, pid) || in(p.Parent) || (!p.Ended && p.Start >= t.Since && t.carries(pid))
		belongs[pid] = v
		return v
	}
	var found []int
	for pid, p := range all {
		if !p.Ended && !slices.Contains(t.Spare, pid) && in(pid) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found
}

// childless reports that none of the processes has a child. It asks them rather than the machine.
func childless(pids []int) bool {
	for _, pid := range pids {
		if children, ok := Children(pid); !ok || len(children) > 0 {
			return false
		}
	}
	return len(pids) > 0
}

// carries reports whether a process has a mark or a cookie of the tree.
func (t Tree) carries(pid int) bool {
	if t.Marked != nil {
		if m := MarkOf(pid); m != 0 && t.Marked(m) {
			return true
		}
	}
	if len(t.Cookies) == 0 {
		return false
	}
	env := environ(pid)
	for _, c := range t.Cookies {
		want := []byte(c.String())
		for rest := env; len(rest) > 0; {
			var entry []byte
			entry, rest, _ = bytes.Cut(rest, []byte{0})
			if bytes.Equal(entry, want) {
				return true
			}
		}
	}
	return false
}

// environ reads the environment a process was started with; empty when it may not be read.
func environ(pid int) []byte {
	path := "/proc/" + strconv.Itoa(pid) + "/environ"
	for size := 8 << 10; ; size *= 8 {
		buf := make([]byte, min(size, maxEnviron))
		if n := readWhole(path, buf); n < len(buf) || len(buf) == maxEnviron {
			return buf[:n]
		}
	}
}

// Adopt makes this process the parent of every descendant whose own parent ends, so that Roots with
// this process's pid finds processes that detached themselves.
func Adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// Adopted reports whether Adopt was called.
func Adopted() bool {
	var is int32
	err := unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&is)), 0, 0, 0)
	return err == nil && is != 0
}

// Orphans lists the children of this process, ended ones included, that are in another session than it
// and not among own: what descendants left to it that were to be adopted by it (see Adopt). Nothing
// that this process starts itself and keeps in its session is among them, since no process can enter a
// session.
func Orphans(own func(pid int) bool) (pids []int) {
	all, self := List(), os.Getpid()
	for pid, p := range all {
		if p.Parent == self && p.Session != all[self].Session && !own(pid) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}

// Collect takes the exit status of an orphan that has ended, for the kernel to forget it.
func Collect(pid int) { _, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) }

// Carrying lists the values of the named environment entry over all processes that may be read.
func Carrying(name string) map[int]string {
	found := map[int]string{}
	prefix := []byte(name + "=")
	for pid, p := range List() {
		if p.Ended || pid == os.Getpid() {
			continue
		}
		for rest := environ(pid); len(rest) > 0; {
			var entry []byte
			entry, rest, _ = bytes.Cut(rest, []byte{0})
			if v, ok := bytes.CutPrefix(entry, prefix); ok {
				found[pid] = string(v)
				break
			}
		}
	}
	return found
}
