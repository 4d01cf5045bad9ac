package proc

import (
	"bytes"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// maxEnviron bounds how much of a process's environment is searched.
const maxEnviron = 4 << 20

type process struct {
	parent int
	ended  bool
}

func (t Tree) members(roots []int) []int {
	all := processes()
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
		v := slices.Contains(roots, pid) || in(p.parent) || (!p.ended && t.carries(pid))
		belongs[pid] = v
		return v
	}
	var found []int
	for pid, p := range all {
		if !p.ended && !slices.Contains(t.Spare, pid) && in(pid) {
			found = append(found, pid)
		}
	}
	slices.Sort(found)
	return found
}

func (t Tree) carries(pid int) bool {
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
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	buf := make([]byte, 0, 8<<10)
	for len(buf) < maxEnviron {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, cap(buf))
		}
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil || n == 0 {
			break
		}
	}
	return buf
}

func processes() map[int]process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	all := make(map[int]process, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := readStat(pid); ok {
			all[pid] = p
		}
	}
	return all
}

// readStat reads /proc/PID/stat: "PID (name) state parent …", where the name may hold anything.
func readStat(pid int) (process, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return process{}, false
	}
	fields := bytes.Fields(b[i+1:])
	if len(fields) < 2 {
		return process{}, false
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return process{}, false
	}
	state := fields[0][0]
	return process{parent: parent, ended: state == 'Z' || state == 'X'}, true
}

// Adopt makes this process the parent of every descendant whose own parent ends, so that Roots with
// this process's pid finds processes that detached themselves.
func Adopt() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// Carrying lists the values of the named environment entry over all processes that may be read.
func Carrying(name string) map[int]string {
	found := map[int]string{}
	prefix := []byte(name + "=")
	for pid, p := range processes() {
		if p.ended || pid == os.Getpid() {
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
