package snapshot

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Source is a workspace to be kept.
type Source struct {
	// Work is the workspace: repositories are its directories that hold a .git.
	Work string
	// Only is a single repository to be kept instead, anywhere, as if it lay in a workspace under the name of
	// its origin: the branch that is checked out, and what is staged, changed and new.
	Only string
	// Skip lists names directly below Work that are left out.
	Skip []string
	// Declared is what is kept beside the workspace.
	Declared []Declaration
	// Omitted is what the caller could not declare, for the manifest.
	Omitted []string
	// Scratch is a directory for temporary files, outside Work.
	Scratch string
	// Env is the environment of git.
	Env []string
	// Secret reports whether a piece of a file holds a secret; nil knows none.
	Secret func([]byte) bool
	// Limits default to DefaultLimits.
	Limits Limits
	// At is when the snapshot is taken.
	At time.Time
	// Known is the fingerprint of the snapshot there is already, if any.
	Known string
	// Quiet leaves the machine to others: git works at a low priority.
	Quiet bool
}

// Taken is a snapshot in a file.
type Taken struct {
	// Path is the archive. The caller removes it.
	Path     string
	Manifest Manifest
	// Fingerprint is the same for the same content.
	Fingerprint string
}

// ErrEmpty is returned for a workspace with nothing to keep, where no snapshot is known that holds
// more; ErrSame where the known one holds it all.
var (
	ErrEmpty = errors.New("nothing to keep")
	ErrSame  = errors.New("nothing changed")
)

// Take writes a snapshot. It may run while the workspace is in use: each repository is then kept as
// it was at some moment meanwhile. The error is ErrEmpty, ErrSame, the end of ctx, or that of our own
// disk. What is the same as before is found out first, and costs neither packing nor writing.
func Take(ctx context.Context, s Source) (Taken, error) {
	if s.Limits == (Limits{}) {
		s.Limits = DefaultLimits
	}
	if s.Only != "" {
		s.Only, s.Work = filepath.Clean(s.Only), ""
	} else {
		s.Work = filepath.Clean(s.Work)
	}
	scratch, err := os.MkdirTemp(s.Scratch, "snapshot-")
	if err != nil {
		return Taken{}, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	var entries []fs.DirEntry
	if s.Only == "" {
		if entries, err = os.ReadDir(s.Work); err != nil {
			return Taken{}, err
		}
	}
	m := Manifest{Version: Version, CreatedAt: s.At.UTC(), Omitted: slices.Clone(s.Omitted)}
	dirs, beside, declared := s.contents(entries, &m)
	repos, err := s.captureAll(ctx, dirs, scratch, &m)
	if err != nil {
		return Taken{}, err
	}
	files := append(s.collect(ctx, beside, &m), declared...)
	if ctx.Err() != nil {
		return Taken{}, context.Cause(ctx)
	}
	print := fingerprint(m, repos, files)
	switch {
	case print == s.Known:
		return Taken{}, ErrSame
	case s.Known == "" && len(repos) == 0 && len(files) == 0:
		return Taken{}, ErrEmpty
	}
	kept := repos[:0:0]
	for i, c := range repos {
		if err := s.pack(ctx, &c, filepath.Join(scratch, strconv.Itoa(i))); err != nil {
			if ctx.Err() != nil {
				return Taken{}, context.Cause(ctx)
			}
			m.Omitted = append(m.Omitted, fmt.Sprintf("%s: %v", c.repo.where(), err))
			continue
		}
		kept = append(kept, c)
	}
	taken, err := s.write(ctx, m, kept, s.fit(files, &m))
	taken.Fingerprint = print
	return taken, err
}

// contents sorts what is to be kept into repositories, names of other things in the workspace, and
// declared files.
func (s *Source) contents(entries []fs.DirEntry, m *Manifest) (repos, beside []string, declared []file) {
	if s.Only != "" {
		return []string{s.Only}, nil, nil
	}
	for _, e := range entries {
		dir := filepath.Join(s.Work, e.Name())
		switch {
		case slices.Contains(s.Skip, e.Name()):
		case e.IsDir() && isRepository(dir):
			repos = append(repos, dir)
		default:
			beside = append(beside, e.Name())
		}
	}
	outside, declared := s.outside(m)
	return append(repos, outside...), beside, declared
}

// captureAll captures repositories. One that cannot be read is left out and named.
func (s *Source) captureAll(ctx context.Context, dirs []string, scratch string, m *Manifest) (all []captured, err error) {
	for _, dir := range dirs {
		c, err := s.capture(ctx, dir, filepath.Join(scratch, strconv.Itoa(len(all))))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			m.Omitted = append(m.Omitted, fmt.Sprintf("%s: %v", c.repo.where(), err))
			continue
		}
		all = append(all, c)
	}
	return all, nil
}

func isRepository(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// file is something beside the repositories.
type file struct {
	path string
	name string // in the archive
	info fs.FileInfo
}

// shown is the file as people know it: below the workspace, or its path.
func (f file) shown() string {
	if rel, ok := strings.CutPrefix(f.name, filesPrefix); ok {
		return rel
	}
	return f.path
}

// filesPrefix begins the names of the workspace's files in an archive.
const filesPrefix = "files/"

// fit leaves out the files that hold a secret.
func (s *Source) fit(files []file, m *Manifest) []file {
	return slices.DeleteFunc(files, func(f file) bool {
		found := f.info.Mode().IsRegular() && s.holdsSecret(f.path, f.info.Size())
		if found {
			m.Omitted = append(m.Omitted, f.shown()+": holds a secret")
		}
		return found
	})
}

// collect lists the files beside the repositories, within bounds.
func (s *Source) collect(ctx context.Context, names []string, m *Manifest) []file {
	var all []file
	total := int64(0)
	for _, name := range names {
		_ = filepath.WalkDir(filepath.Join(s.Work, name), func(path string, d fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(s.Work, path)
			if err != nil {
				m.Omitted = append(m.Omitted, fmt.Sprintf("%s: %v", rel, err))
				return nil
			}
			if ctx.Err() != nil || len(all) >= s.Limits.Files {
				if ctx.Err() == nil {
					m.Omitted = append(m.Omitted, fmt.Sprintf("%s and what follows: more than %d files", rel, s.Limits.Files))
				}
				return filepath.SkipAll
			}
			info, err := d.Info()
			if err != nil {
				return nil //nolint:nilerr // it went away meanwhile
			}
			regular := info.Mode().IsRegular()
			switch {
			case regular && (info.Size() > s.Limits.File || total+info.Size() > s.Limits.Total):
				m.Omitted = append(m.Omitted, fmt.Sprintf("%s: too large (%d bytes)", rel, info.Size()))
				return nil
			case regular:
				total += info.Size()
			case !info.IsDir() && info.Mode()&fs.ModeSymlink == 0:
				return nil // sockets, pipes and devices mean nothing elsewhere
			}
			all = append(all, file{path, filesPrefix + filepath.ToSlash(rel), info})
			return nil
		})
	}
	return all
}

// write makes the archive.
func (s *Source) write(ctx context.Context, m Manifest, repos []captured, files []file) (taken Taken, err error) {
	for i := range repos {
		if repos[i].pack != "" {
			repos[i].repo.Pack = fmt.Sprintf("repos/%d/objects.pack", i)
		}
		m.Repos = append(m.Repos, repos[i].repo)
		m.Omitted = append(m.Omitted, repos[i].left...)
	}
	m.Files = len(files)
	f, err := os.CreateTemp(s.Scratch, "workspace-*.tar.gz")
	if err != nil {
		return Taken{}, err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	zip, _ := gzip.NewWriterLevel(f, gzip.BestSpeed)
	t := tar.NewWriter(zip)
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Taken{}, err
	}
	if err := addBytes(t, manifestName, text, s.At); err != nil {
		return Taken{}, err
	}
	for i, c := range repos {
		if err := addParts(t, fmt.Sprintf("repos/%d/", i), c, s.At); err != nil {
			return Taken{}, err
		}
	}
	for _, file := range files {
		if ctx.Err() != nil {
			return Taken{}, context.Cause(ctx)
		}
		if err := s.add(t, file); err != nil {
			return Taken{}, err
		}
	}
	if err := errors.Join(t.Close(), zip.Close()); err != nil {
		return Taken{}, err
	}
	return Taken{Path: f.Name(), Manifest: m}, nil
}

func addParts(t *tar.Writer, prefix string, c captured, at time.Time) error {
	for name, path := range map[string]string{"objects.pack": c.pack, "changes.patch": c.patch} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err == nil {
			err = t.WriteHeader(&tar.Header{Name: prefix + name, Mode: 0o600, Size: info.Size(), ModTime: at})
		}
		if err == nil {
			_, err = io.Copy(t, f)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func addBytes(t *tar.Writer, name string, b []byte, at time.Time) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(b)), ModTime: at}); err != nil {
		return err
	}
	_, err := t.Write(b)
	return err
}

// add writes one file. One that changes its size meanwhile is cut or filled with zeros: the archive
// stays whole.
func (s *Source) add(t *tar.Writer, file file) error {
	h, err := tar.FileInfoHeader(file.info, "")
	if err != nil {
		return nil
	}
	h.Name = file.name
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	h.Format = tar.FormatPAX
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	switch {
	case file.info.IsDir():
		h.Name += "/"
		return t.WriteHeader(h)
	case file.info.Mode()&fs.ModeSymlink != 0:
		if h.Linkname, err = os.Readlink(file.path); err != nil {
			return nil // it went away
		}
		return t.WriteHeader(h)
	}
	f, err := OpenRegular(file.path)
	if err != nil {
		return nil // it went away, or became something else
	}
	defer func() { _ = f.Close() }()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyN(t, f, h.Size)
	if errors.Is(err, io.EOF) {
		_, err = io.CopyN(t, zeros{}, h.Size-n)
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// fingerprint is the same for the same content. It is taken before anything is packed.
func fingerprint(m Manifest, repos []captured, files []file) string {
	h := sha256.New()
	for _, c := range repos {
		text, _ := json.Marshal(c.repo)
		_, _ = h.Write(text)
		_, _ = fmt.Fprintf(h, "\n%q\n", c.left)
	}
	_, _ = fmt.Fprintf(h, "%q\n", m.Omitted)
	for _, f := range files {
		_, _ = fmt.Fprintf(h, "%q %s %d %d\n", f.name, f.info.Mode(), f.info.Size(), f.info.ModTime().UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil))
}
