package tool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Workspace is the part of the file system that file tools may touch. Paths are resolved by the
// operating system below an open directory, so that no symlink and no race leads out of it.
type Workspace struct {
	root     *os.Root
	dir      string // absolute path of root
	base     string // slash path of the directory relative paths start from, "." for root
	readable []string
}

// OpenWorkspace opens the directory. Base is where relative paths start from, inside dir. Readable
// are further directories that may be read, never written.
func OpenWorkspace(dir, base string, readable ...string) (*Workspace, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open workspace: %w", err)
	}
	w := &Workspace{root: root, dir: filepath.Clean(dir), base: "."}
	if base != "" {
		if w.base, err = w.inside(base); err != nil {
			return nil, errors.Join(fmt.Errorf("open workspace: %w", err), root.Close())
		}
	}
	for _, r := range readable {
		if r != "" {
			w.readable = append(w.readable, filepath.Clean(r))
		}
	}
	return w, nil
}

// Dir is the absolute path of the workspace.
func (w *Workspace) Dir() string { return w.dir }

// Close closes the directory.
func (w *Workspace) Close() error { return w.root.Close() }

// Path returns the slash path of a model's path relative to the workspace.
func (w *Workspace) Path(name string) (string, error) {
	if name == "" {
		return "", errors.New("path is empty")
	}
	if strings.ContainsRune(name, 0) {
		return "", errors.New("path contains a NUL byte")
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(w.dir, filepath.FromSlash(w.base), name)
	}
	return w.inside(name)
}

func (w *Workspace) inside(abs string) (string, error) {
	rel, err := filepath.Rel(w.dir, filepath.Clean(abs))
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s is outside the workspace %s", abs, w.dir)
	}
	return filepath.ToSlash(rel), nil
}

// follow is where a path inside the workspace leads: what of it exists without its symlinks, and the
// rest as it is. Like Path it is relative to the workspace, absolute when it leads out.
func (w *Workspace) follow(rel string) string {
	const most = 40 // symlinks in a row, as in the kernel
	path := filepath.Join(w.dir, filepath.FromSlash(rel))
	for range most {
		there, rest := path, ""
		for {
			if _, err := os.Lstat(there); err == nil || there == w.dir || there == filepath.Dir(there) {
				break
			}
			there, rest = filepath.Dir(there), filepath.Join(filepath.Base(there), rest)
		}
		if real, err := filepath.EvalSymlinks(there); err == nil {
			path = filepath.Join(real, rest)
			break
		}
		// A symlink to what is not there yet: writing would make it.
		target, err := os.Readlink(there)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(there), target)
		}
		path = filepath.Join(target, rest)
	}
	if inside, err := w.inside(path); err == nil {
		return inside
	}
	return path
}

// open opens a regular file for reading: in the workspace, or in a readable directory when the path
// is absolute.
func (w *Workspace) open(name string) (*os.File, fs.FileInfo, error) {
	rel, err := w.Path(name)
	root, closeRoot := w.root, func() {}
	if err != nil {
		outside, orel, ok := w.outside(name)
		if !ok {
			return nil, nil, err
		}
		if root, err = os.OpenRoot(outside); err != nil {
			return nil, nil, clean(err)
		}
		rel, closeRoot = orel, func() { _ = root.Close() }
	}
	defer closeRoot()
	// Look before opening: opening a named pipe would wait for a writer.
	fi, err := root.Stat(rel)
	if err != nil {
		return nil, nil, clean(err)
	}
	if fi.IsDir() {
		return nil, nil, fmt.Errorf("%s is a directory", name)
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", name)
	}
	f, err := root.Open(rel)
	if err != nil {
		return nil, nil, clean(err)
	}
	return f, fi, nil
}

func (w *Workspace) outside(name string) (dir, rel string, ok bool) {
	if !filepath.IsAbs(name) {
		return "", "", false
	}
	for _, d := range w.readable {
		if rel, err := filepath.Rel(d, filepath.Clean(name)); err == nil && filepath.IsLocal(rel) {
			return d, rel, true
		}
	}
	return "", "", false
}

// read reads a whole file of at most limit bytes.
func (w *Workspace) read(name string, limit int64) ([]byte, fs.FileInfo, error) {
	f, fi, err := w.open(name)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if fi.Size() > limit {
		return nil, fi, fmt.Errorf("%s has %d bytes; at most %d can be handled at once", name, fi.Size(), limit)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s grew beyond %d bytes while it was read", name, limit)
	}
	return b, fi, err
}

// write replaces or makes a file, keeping the mode of an existing one.
func (w *Workspace) write(name string, data []byte) (rel string, err error) {
	if rel, err = w.Path(name); err != nil {
		return "", err
	}
	if protected(rel) {
		return "", fmt.Errorf("%s belongs to git and is not edited directly", name)
	}
	if fi, err := w.root.Stat(rel); err == nil && !fi.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	if dir := path.Dir(rel); dir != "." {
		if err := w.root.MkdirAll(dir, 0o755); err != nil {
			return "", clean(err)
		}
	}
	f, err := w.root.OpenFile(rel, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return "", clean(err)
	}
	_, err = f.Write(data)
	return rel, clean(errors.Join(err, f.Close()))
}

func protected(rel string) bool {
	for _, part := range strings.Split(rel, "/") {
		if strings.EqualFold(part, ".git") {
			return true
		}
	}
	return false
}

// clean words an error without the system call.
func clean(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	return err
}
