package proc

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// ticksPerSecond is the unit of start times in /proc on every Linux (USER_HZ).
const ticksPerSecond = 100

// Ticks is the time since boot by which the start of processes is counted.
func Ticks() uint64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return uint64(now.Sec)*ticksPerSecond + uint64(now.Nsec)/(1e9/ticksPerSecond)
}

// List is every process that may be looked at. It costs four system calls for each.
func List() map[int]Process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer func() { _ = dir.Close() }()
	names, _ := dir.Readdirnames(-1)
	all := make(map[int]Process, len(names))
	var buf [1024]byte
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := parseStat(buf[:readWhole("/proc/"+name+"/stat", buf[:])]); ok {
			all[pid] = p
		}
	}
	return all
}

// parseStat reads "PID (name) state parent group session …", where the name may hold anything.
func parseStat(b []byte) (p Process, ok bool) {
	const state, parent, session, start = 0, 1, 3, 19 // counted from the name's end
	rest := b[bytes.LastIndexByte(b, ')')+1:]
	for i := 0; ; i++ {
		rest = bytes.TrimLeft(rest, " ")
		if len(rest) == 0 {
			return p, false
		}
		field := rest
		if end := bytes.IndexByte(rest, ' '); end >= 0 {
			field, rest = rest[:end], rest[end:]
		} else {
			rest = nil
		}
		switch i {
		case state:
			p.Ended = field[0] == 'Z' || field[0] == 'X'
		case parent:
			p.Parent = number(field)
		case session:
			p.Session = number(field)
		case start:
			p.Start = uint64(number(field))
			return p, true
		}
	}
}

func number(digits []byte) int {
	n, _ := strconv.Atoi(string(digits))
	return n
}

// readWhole reads the beginning of a file, without what os.File does for files that can be waited for.
func readWhole(path string, buf []byte) (n int) {
	fd, err := openFile(path)
	if err != nil {
		return 0
	}
	defer func() { _ = unix.Close(fd) }()
	for n < len(buf) {
		m, err := unix.Read(fd, buf[n:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || m <= 0 {
			break
		}
		n += m
	}
	return n
}

func openFile(path string) (fd int, err error) {
	for {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// Children lists the children of a process, ended ones included. It is not ok where the kernel does
// not tell.
func Children(pid int) (pids []int, ok bool) {
	base := "/proc/" + strconv.Itoa(pid) + "/task"
	dir, err := os.Open(base)
	if err != nil {
		return nil, false
	}
	defer func() { _ = dir.Close() }()
	threads, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, false
	}
	buf := make([]byte, 4<<10)
	for _, thread := range threads {
		fd, err := openFile(base + "/" + thread + "/children")
		if err != nil {
			return nil, false
		}
		n, err := unix.Read(fd, buf)
		_ = unix.Close(fd)
		if err != nil || n == len(buf) {
			return nil, false
		}
		for _, word := range bytes.Fields(buf[:n]) {
			pids = append(pids, number(word))
		}
	}
	return pids, true
}
