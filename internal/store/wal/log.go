package wal

import (
	"runtime"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite "modernc.org/sqlite/lib"
)

// keep bounds what is kept of a log, in bytes: the most that SQLite's unix writes at once, 31 pages.
const keep = 1<<17 - 1

// logs are the open ones, by SQLite's handle.
var logs sync.Map // uintptr -> *log

// log is an open write-ahead log. SQLite never uses a handle from two goroutines at once.
type log struct {
	file   uintptr
	offset int64  // of buffer in the file
	buffer []byte // written by SQLite, not to the file yet; empty but for the time of a commit
}

func logOf(file uintptr) *log {
	l, _ := logs.Load(file)
	return l.(*log)
}

// flush writes what is kept. If that fails it is kept no longer, as if SQLite's own writes had failed:
// SQLite gives up the commit it was part of.
func (l *log) flush(tls *libc.TLS) int32 {
	if len(l.buffer) == 0 {
		return sqlite.SQLITE_OK
	}
	rc := unix.write(tls, l.file, uintptr(unsafe.Pointer(&l.buffer[0])), int32(len(l.buffer)), l.offset)
	runtime.KeepAlive(l.buffer)
	l.buffer = l.buffer[:0]
	return rc
}

func writeLog(tls *libc.TLS, file, from uintptr, n int32, offset int64) int32 {
	l := logOf(file)
	if offset != l.offset+int64(len(l.buffer)) || len(l.buffer)+int(n) > keep {
		if rc := l.flush(tls); rc != sqlite.SQLITE_OK {
			return rc
		}
	}
	if n > keep {
		return unix.write(tls, file, from, n, offset)
	}
	if len(l.buffer) == 0 {
		l.offset = offset
	}
	l.buffer = append(l.buffer, unsafe.Slice(at[byte](from), n)...)
	return sqlite.SQLITE_OK
}

func syncLog(tls *libc.TLS, file uintptr, flags int32) int32 {
	if rc := logOf(file).flush(tls); rc != sqlite.SQLITE_OK {
		return rc
	}
	return unix.sync(tls, file, flags)
}

func closeLog(tls *libc.TLS, file uintptr) int32 {
	logs.Delete(file)
	return unix.closing(tls, file)
}
