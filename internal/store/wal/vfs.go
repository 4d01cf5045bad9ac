package wal

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite "modernc.org/sqlite/lib"
)

// name is that of the file system, by which a connection asks for it.
const name = "cadre-wal"

// Use adds to the parameters of a connection's URI that it writes through the file system, and what
// that depends on: that SQLite syncs every commit, and writes nothing to its log before. Register comes
// first.
func Use(q url.Values) {
	q.Set("vfs", name)
	q["_pragma"] = append(q["_pragma"], "synchronous(FULL)", "cache_spill(0)")
}

// Register makes the file system known to SQLite, once per process.
var Register = sync.OnceValue(register)

// The tables SQLite calls our functions by. They are package variables because SQLite keeps their
// addresses for the life of the process, and are written once, by register.
var (
	fileSystem sqlite.Tsqlite3_vfs        // unix, with our xOpen
	logMethods sqlite.Tsqlite3_io_methods // those of a unix file, with ours for what concerns the buffer
	unix       methods                    // what ours pass on to
	unixTable  uintptr                    // the methods of every unix file that locks as POSIX does
)

// methods are functions of SQLite's unix file system.
type methods struct {
	open    func(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32
	closing func(tls *libc.TLS, file uintptr) int32
	write   func(tls *libc.TLS, file, from uintptr, n int32, offset int64) int32
	sync    func(tls *libc.TLS, file uintptr, flags int32) int32
	traits  func(tls *libc.TLS, file uintptr) int32
}

func register() error {
	tls := libc.NewTLS()
	defer tls.Close()
	if rc := sqlite.Xsqlite3_initialize(tls); rc != sqlite.SQLITE_OK {
		return fmt.Errorf("initialize SQLite: error %d", rc)
	}
	base, err := libc.CString("unix")
	if err != nil {
		return err
	}
	defer libc.Xfree(tls, base)
	found := sqlite.Xsqlite3_vfs_find(tls, base)
	if found == 0 {
		return errors.New("SQLite has no file system named unix")
	}
	fileSystem = *at[sqlite.Tsqlite3_vfs](found)
	if fileSystem.FzName, err = libc.CString(name); err != nil { // for good: SQLite keeps it
		return err
	}
	unix.open = function[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](fileSystem.FxOpen)
	fileSystem.FxOpen, fileSystem.FpNext = pointer(openFile), 0
	if rc := sqlite.Xsqlite3_vfs_register(tls, uintptr(unsafe.Pointer(&fileSystem)), 0); rc != sqlite.SQLITE_OK {
		return fmt.Errorf("register file system: error %d", rc)
	}
	return nil
}

// adopt learns the methods of unix files from the first log that is opened.
var adopt sync.Once

func learn(table uintptr) {
	unixTable = table
	logMethods = *at[sqlite.Tsqlite3_io_methods](table)
	m := &logMethods
	unix.closing = function[func(*libc.TLS, uintptr) int32](m.FxClose)
	unix.write = function[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](m.FxWrite)
	unix.sync = function[func(*libc.TLS, uintptr, int32) int32](m.FxSync)
	unix.traits = function[func(*libc.TLS, uintptr) int32](m.FxDeviceCharacteristics)
	m.FxClose, m.FxWrite, m.FxSync = pointer(closeLog), pointer(writeLog), pointer(syncLog)
}

// openFile opens a file as unix does, and makes a log one of ours.
func openFile(tls *libc.TLS, vfs, path, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := unix.open(tls, vfs, path, file, flags, outFlags)
	if rc != sqlite.SQLITE_OK || flags&sqlite.SQLITE_OPEN_WAL == 0 {
		return rc
	}
	f := at[sqlite.Tsqlite3_file](file)
	adopt.Do(func() { learn(f.FpMethods) })
	// Where a write may damage what lies beside it SQLite writes behind a commit's sync: such a log stays
	// as it is. So does one with methods we do not know.
	if f.FpMethods == unixTable && unix.traits(tls, file)&sqlite.SQLITE_IOCAP_POWERSAFE_OVERWRITE != 0 {
		logs.Store(file, &log{file: file})
		f.FpMethods = uintptr(unsafe.Pointer(&logMethods))
	}
	return rc
}

// at sees what lies at an address that is SQLite's, not Go's: nothing moves it.
func at[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// pointer is a function as translated C knows it. F must be a function of a package, not a closure.
func pointer[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// function is the inverse of pointer.
func function[F any](p uintptr) F {
	return *(*F)(unsafe.Pointer(&p))
}
