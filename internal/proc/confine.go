package proc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Confinement says what a process and everything it starts may touch. There is no way out of it for
// them.
type Confinement struct {
	// Write lists directories that stay writable with all below them. Missing ones are ignored.
	Write []string
	// Hide lists paths that may not be read: credentials, other executions. A missing one is ignored.
	// Where Write and Hide overlap the more specific wins, except that a writable directory with
	// something hidden below it is only readable: the kernel knows no exceptions inside a grant.
	Hide []string
}

// Level says how much of a Confinement the kernel could put into force.
type Level struct {
	// Files is true when reading and writing files is confined.
	Files bool
	// Signals is true when processes outside cannot be signalled or traced.
	Signals bool
}

func (l Level) String() string {
	switch {
	case l.Files && l.Signals:
		return "files and signals"
	case l.Files:
		return "files"
	}
	return "nothing"
}

// devices are writable in any confinement: they hold nothing.
var devices = []string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm", "/dev/fd",
}

// grants turns a Confinement into the directories to be writable and those to be only readable.
func (c Confinement) grants() (write, read []string, err error) {
	hide := existing(c.Hide)
	for _, w := range existing(c.Write) {
		if slices.ContainsFunc(hide, func(h string) bool { return within(h, w) && h != w }) {
			continue // readable, piece by piece, below
		}
		write = append(write, w)
	}
	read, err = around("/", hide)
	return write, read, err
}

// around lists what covers dir without the hidden paths: dir itself when nothing below it is hidden.
func around(dir string, hide []string) ([]string, error) {
	if slices.Contains(hide, dir) {
		return nil, nil
	}
	if !slices.ContainsFunc(hide, func(h string) bool { return within(h, dir) }) {
		return []string{dir}, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list what to allow reading: %w", err)
	}
	var all []string
	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 {
			continue // what it points to is granted, or not, where it is
		}
		below, err := around(filepath.Join(dir, e.Name()), hide)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// existing resolves paths to what they really are and drops those that are not there.
func existing(paths []string) []string {
	var found []string
	for _, p := range paths {
		if abs, err := filepath.Abs(p); err == nil {
			if real, err := filepath.EvalSymlinks(abs); err == nil {
				found = append(found, real)
			}
		}
	}
	return found
}

func within(path, dir string) bool {
	return path == dir || dir == "/" || strings.HasPrefix(path, dir+"/")
}
