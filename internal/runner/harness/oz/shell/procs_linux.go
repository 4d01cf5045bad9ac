package shell

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// ticksNow is the time since boot in the unit of a process's start time.
func ticksNow() uint64 {
	b, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return 0
	}
	word, _, _ := bytes.Cut(b, []byte{' '})
	seconds, err := strconv.ParseFloat(string(word), 64)
	if err != nil {
		return 0
	}
	return uint64(seconds * 100) // USER_HZ is 100 on every Linux
}

type procStat struct {
	pid, ppid, session int
	start              uint64
	zombie             bool
}

// members returns the processes below root or in its session, root excluded, that started at or
// after since (in ticks).
func members(root int, since uint64) []int {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	names, _ := dir.Readdirnames(-1)
	_ = dir.Close()
	all := map[int]procStat{}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if st, ok := readStat(pid); ok {
			all[pid] = st
		}
	}
	var out []int
	for pid, st := range all {
		if pid != root && !st.zombie && st.start >= since && (st.session == root || below(all, pid, root)) {
			out = append(out, pid)
		}
	}
	return out
}

func below(all map[int]procStat, pid, root int) bool {
	for range len(all) {
		st, ok := all[pid]
		if !ok || st.ppid <= 1 {
			return false
		}
		if st.ppid == root {
			return true
		}
		pid = st.ppid
	}
	return false
}

func readStat(pid int) (procStat, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, false
	}
	// The name in parentheses may hold anything, so fields are counted from the last parenthesis.
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return procStat{}, false
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 {
		return procStat{}, false
	}
	st := procStat{pid: pid, zombie: f[0][0] == 'Z' || f[0][0] == 'X'}
	st.ppid, _ = strconv.Atoi(string(f[1]))
	st.session, _ = strconv.Atoi(string(f[3]))
	st.start, _ = strconv.ParseUint(string(f[19]), 10, 64)
	return st, true
}

// ownSession makes the shell lead a session of its own: no terminal to ask for passwords on, and a
// mark on everything it starts.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
