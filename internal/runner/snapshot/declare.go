package snapshot

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Declaration names something outside the workspace to be kept with it.
type Declaration struct {
	// Repo is true for a git repository, false for a file.
	Repo bool
	// Path is absolute and clean.
	Path string
}

// The bounds of declarations.
const (
	maxDeclared      = 100     // of a snapshot
	maxDeclaration   = 8 << 10 // bytes of one line
	maxDeclareErrors = 20
)

// ReadDeclarations reads one declaration per line: {"version":1,"kind":"repo" or "file","path":absolute}.
// Blank lines are passed over. A line that is none, and what is beyond the bounds, is described in bad,
// for people, and does not keep the others from being read.
func ReadDeclarations(from io.Reader) (all []Declaration, bad []string) {
	complain := func(format string, args ...any) {
		if len(bad) < maxDeclareErrors {
			bad = append(bad, fmt.Sprintf(format, args...))
		}
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxDeclaration)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		d, err := readDeclaration(line)
		switch {
		case err != nil:
			complain("line %d: %v", n, err)
		case slices.Contains(all, d):
		case len(all) == maxDeclared:
			complain("from line %d on: more than %d", n, maxDeclared)
			return all, bad
		default:
			all = append(all, d)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		complain("from line %d on: longer than %d bytes", n+1, maxDeclaration)
	} else if err != nil {
		complain("from line %d on: %v", n+1, err)
	}
	return all, bad
}

func readDeclaration(line string) (d Declaration, err error) {
	var in struct {
		Version    int
		Kind, Path string
	}
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return d, errors.New("not a JSON object with version, kind and path")
	}
	switch {
	case in.Version != 1:
		return d, fmt.Errorf("version %d, want 1", in.Version)
	case in.Kind != "repo" && in.Kind != "file":
		return d, fmt.Errorf("kind %.40q, want repo or file", in.Kind)
	case !filepath.IsAbs(in.Path) || strings.ContainsRune(in.Path, 0):
		return d, fmt.Errorf("path %.200q is not absolute", in.Path)
	}
	return Declaration{Repo: in.Kind == "repo", Path: filepath.Clean(in.Path)}, nil
}

// outside sorts declarations into those of repositories and of files that nothing else keeps: what
// lies in the workspace or in a declared repository is kept with that, and scratch files never are.
func (s *Source) outside(m *Manifest) (repos []string, files []file) {
	kept := []string{s.Work, filepath.Clean(s.Scratch)}
	for _, d := range s.Declared {
		switch {
		case !d.Repo || within(d.Path, s.Work) || slices.Contains(repos, d.Path):
		case d.Path == "/" || !isRepository(d.Path):
			m.Omitted = append(m.Omitted, d.Path+": declared as a repository and is none")
		default:
			repos, kept = append(repos, d.Path), append(kept, d.Path)
		}
	}
	total := int64(0)
	for i, d := range s.Declared {
		if d.Repo || slices.Contains(s.Declared[:i], d) || slices.ContainsFunc(kept, func(dir string) bool { return within(d.Path, dir) }) {
			continue
		}
		info, err := os.Stat(d.Path)
		switch {
		case err != nil:
			m.Omitted = append(m.Omitted, fmt.Sprintf("declared file %v", err))
		case !info.Mode().IsRegular():
			m.Omitted = append(m.Omitted, d.Path+": declared as a file and is none")
		case info.Size() > s.Limits.File || total+info.Size() > s.Limits.Total:
			m.Omitted = append(m.Omitted, fmt.Sprintf("%s: too large (%d bytes)", d.Path, info.Size()))
		default:
			total += info.Size()
			files = append(files, file{path: d.Path, name: declaredPrefix + strings.TrimPrefix(filepath.ToSlash(d.Path), "/"), info: info})
		}
	}
	return repos, files
}

// declaredPrefix begins the names of declared files in an archive; what follows is the path below the
// root of the file system.
const declaredPrefix = "declared/"

func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// declared brings one declared file back to where it was. It goes wherever the archive says: whoever
// can forge one holds the run's token, and may write there by way of the run's agent anyway.
func (r *restorer) declared(rel string, mode os.FileMode, body io.Reader) error {
	if !filepath.IsLocal(filepath.FromSlash(rel)) {
		return errors.New("not a clean path")
	}
	path := "/" + filepath.FromSlash(rel)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// Beside it first, so that a file that cannot be replaced stays whole.
	f, err := os.CreateTemp(filepath.Dir(path), ".restore-")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if err = errors.Join(err, f.Chmod(mode), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
