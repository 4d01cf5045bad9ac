package proc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"

	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// The Landlock versions that brought what is used here. Before the second, files could not be moved
// between directories at all, which breaks git and every package manager.
const (
	landlockRefer    = 2
	landlockTruncate = 3
	landlockIoctl    = 5
	landlockScopes   = 6
)

// What the grants allow. Rights a kernel does not know are taken off.
const (
	readRights  = ll.AccessFSExecute | ll.AccessFSReadFile | ll.AccessFSReadDir
	fileRights  = ll.AccessFSExecute | ll.AccessFSReadFile | ll.AccessFSWriteFile | ll.AccessFSTruncate | ll.AccessFSIoctlDev
	writeRights = readRights | fileRights | ll.AccessFSRemoveDir | ll.AccessFSRemoveFile |
		ll.AccessFSMakeDir | ll.AccessFSMakeReg | ll.AccessFSMakeSock | ll.AccessFSMakeFifo |
		ll.AccessFSMakeSym | ll.AccessFSRefer
	// deviceRights are handled and granted nowhere: a device made in a workspace would be the host's.
	deviceRights = ll.AccessFSMakeChar | ll.AccessFSMakeBlock
)

// powers are what root inside a confinement loses: each is a way around it. Others stay, so that
// package managers work as root.
var powers = []uintptr{
	unix.CAP_PERFMON, unix.CAP_BPF, unix.CAP_SYS_PTRACE, unix.CAP_SYS_ADMIN, unix.CAP_SYS_MODULE,
	unix.CAP_SYS_RAWIO, unix.CAP_SYS_BOOT, unix.CAP_MKNOD, unix.CAP_CHECKPOINT_RESTORE,
}

// Confinable says what this kernel can confine.
func Confinable() Level {
	version, err := ll.LandlockGetABIVersion()
	if err != nil || version < landlockRefer {
		return Level{}
	}
	return Level{Files: true, Signals: version >= landlockScopes}
}

// Start starts the command confined, as far as Confinable says, and returns how to wait for it, which
// must be done exactly once.
//
// Landlock confines threads, and the kernel keeps even the threads of one process apart: had this
// process confined itself, its own children would lie in as many domains as it has threads, out of
// reach of each other's signals. So one thread confines itself, starts the command, which with all it
// starts then lies in one domain, and lives as long as the command: DieWithParent means that thread.
func (c Confinement) Start(cmd *exec.Cmd) (wait func() error, err error) {
	started, ended := make(chan error, 1), make(chan error, 1)
	go onSpareThread(func() {
		err := c.restrictThread()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	})
	if err := <-started; err != nil {
		return nil, err
	}
	return func() error { return <-ended }, nil
}

// onSpareThread runs act on a thread that carries nothing else and ends with it. It is never the
// first thread, which does not end, and by which the kernel judges who may look into the process.
func onSpareThread(act func()) {
	runtime.LockOSThread()
	if unix.Gettid() != os.Getpid() {
		act() // still locked when the goroutine ends, so the thread ends too
		return
	}
	begun := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(begun)
		act()
	}()
	<-begun
	runtime.UnlockOSThread()
}

func (c Confinement) restrictThread() error {
	level := Confinable()
	if !level.Files {
		return nil
	}
	write, read, err := c.grants()
	if err != nil {
		return err
	}
	version, _ := ll.LandlockGetABIVersion() // Confinable had its answer
	handled := uint64(writeRights | deviceRights)
	if version < landlockTruncate {
		handled &^= ll.AccessFSTruncate
	}
	if version < landlockIoctl {
		handled &^= ll.AccessFSIoctlDev
	}
	attr := ll.RulesetAttr{HandledAccessFS: handled}
	if level.Signals {
		attr.Scoped = ll.ScopeSignal | ll.ScopeAbstractUnixSocket
	}
	rules, err := ll.LandlockCreateRuleset(&attr, 0)
	if err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	defer func() { _ = unix.Close(rules) }()
	for _, g := range []struct {
		paths  []string
		rights uint64
	}{{read, readRights}, {write, writeRights &^ ll.AccessFSIoctlDev}, {existing(devices), writeRights}, {[]string{"/proc"}, readRights}} {
		for _, path := range g.paths {
			if err := grant(rules, path, g.rights&handled); err != nil {
				return fmt.Errorf("confine: %s: %w", path, err)
			}
		}
	}
	for _, power := range powers {
		// Refused to who is not root and has none of them.
		_ = unix.Prctl(unix.PR_CAPBSET_DROP, power, 0, 0, 0)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	if err := ll.LandlockRestrictSelf(rules, 0); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}

// grant allows rights below a path; one that went away meanwhile is passed over.
func grant(rules int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= fileRights // the others are refused for what is no directory
	}
	return ll.LandlockAddPathBeneathRule(rules, &ll.PathBeneathAttr{ParentFd: fd, AllowedAccess: rights}, 0)
}
