package tool

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/cadrehq/cadre/api"
)

const (
	maxGlobFiles     = 1000
	maxGrepMatches   = 500
	maxGrepFileBytes = 16 << 20
	maxGrepLine      = 400
)

// Glob finds files by name.
type Glob struct{ Workspace *Workspace }

type globInput struct {
	Pattern string `json:"pattern"`
	Path    string `json:"path"`
}

// Spec describes the tool.
func (t *Glob) Spec() Spec {
	return Spec{Name: "glob", Category: api.ActionCategorySearch, ReadOnly: true,
		Description: "Find files of the workspace by name, such as **/*.go or src/{a,b}*.ts. Ignored files (.gitignore) are left out.",
		Schema: json.RawMessage(`{"type":"object","properties":{"pattern":{"type":"string"},
			"path":{"type":"string","description":"Directory to search; the working directory unless given."}},"required":["pattern"]}`)}
}

// Subject is the directory.
func (t *Glob) Subject(input json.RawMessage) (named, real string) {
	return subjectPath(t.Workspace, input)
}

// Run finds the files.
func (t *Glob) Run(ctx context.Context, c Call) (Result, error) {
	var in globInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	if !doublestar.ValidatePattern(in.Pattern) {
		return Failf("pattern %q is not valid", in.Pattern), nil
	}
	dir, err := searchDir(t.Workspace, in.Path)
	if err != nil {
		return Failf("%v", err), nil
	}
	fsys := t.Workspace.root.FS()
	var files []string
	more := false
	_, err = walk(ctx, fsys, dir, rulesAbove(fsys, dir), func(name string, _ fs.DirEntry) bool {
		if ok, _ := doublestar.Match(in.Pattern, relative(dir, name)); !ok {
			return true
		}
		if more = len(files) == maxGlobFiles; more {
			return false
		}
		files = append(files, name)
		return true
	})
	if err != nil {
		return Result{Text: "interrupted", Failed: true}, err
	}
	if len(files) == 0 {
		return Result{Text: "No files match."}, nil
	}
	text := strings.Join(files, "\n") + "\n"
	if more {
		text += fmt.Sprintf("[more than %d files match; narrow the pattern]\n", maxGlobFiles)
	}
	return Result{Text: text, Detail: map[string]any{"files": len(files)}}, nil
}

func searchDir(w *Workspace, name string) (string, error) {
	if name == "" {
		return w.base, nil
	}
	dir, err := w.Path(name)
	if err != nil {
		return "", err
	}
	fi, err := w.root.Stat(dir)
	if err != nil {
		return "", clean(err)
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("%s is not a directory", name)
	}
	return dir, nil
}

func relative(dir, name string) string {
	if dir == "." {
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}

// Grep finds lines by regular expression.
type Grep struct{ Workspace *Workspace }

type grepInput struct {
	Pattern    string `json:"pattern"`
	Path       string `json:"path"`
	Glob       string `json:"glob"`
	IgnoreCase bool   `json:"ignore_case"`
	FilesOnly  bool   `json:"files_only"`
}

// Spec describes the tool.
func (t *Grep) Spec() Spec {
	return Spec{Name: "grep", Category: api.ActionCategorySearch, ReadOnly: true,
		Description: "Find lines in files of the workspace by regular expression (RE2 syntax). Ignored and binary files are left out. " +
			"At most 500 matches.",
		Schema: json.RawMessage(`{"type":"object","properties":{"pattern":{"type":"string"},
			"path":{"type":"string","description":"File or directory; the working directory unless given."},
			"glob":{"type":"string","description":"Only files whose name matches, such as *.go."},
			"ignore_case":{"type":"boolean"},
			"files_only":{"type":"boolean","description":"Names of files with a match only."}},"required":["pattern"]}`)}
}

// Subject is the directory or file.
func (t *Grep) Subject(input json.RawMessage) (named, real string) {
	return subjectPath(t.Workspace, input)
}

// Run finds the lines.
func (t *Grep) Run(ctx context.Context, c Call) (Result, error) {
	var in grepInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	s, dir, err := t.search(in)
	if err != nil {
		return Failf("%v", err), nil
	}
	if dir == "" { // one file
		s.file(t.Workspace, s.only)
	} else {
		fsys := t.Workspace.root.FS()
		_, err = walk(ctx, fsys, dir, rulesAbove(fsys, dir), func(name string, _ fs.DirEntry) bool {
			if in.Glob == "" || globName(in.Glob, relative(dir, name)) {
				s.file(t.Workspace, name)
			}
			return !s.more && ctx.Err() == nil
		})
		if err = errors.Join(err, cancelled(ctx)); err != nil {
			return Result{Text: "interrupted", Failed: true}, context.Cause(ctx)
		}
	}
	return s.result(), nil
}

func globName(glob, name string) bool {
	if !strings.Contains(glob, "/") {
		name = path.Base(name)
	}
	ok, _ := doublestar.Match(glob, name)
	return ok
}

type grepSearch struct {
	re        *regexp.Regexp
	filesOnly bool
	only      string
	out       strings.Builder
	matches   int
	more      bool
	skipped   int
}

func (t *Grep) search(in grepInput) (*grepSearch, string, error) {
	pattern := in.Pattern
	if in.IgnoreCase {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, "", err
	}
	if in.Glob != "" && !doublestar.ValidatePattern(in.Glob) {
		return nil, "", fmt.Errorf("glob %q is not valid", in.Glob)
	}
	s := &grepSearch{re: re, filesOnly: in.FilesOnly}
	if in.Path == "" {
		return s, t.Workspace.base, nil
	}
	rel, err := t.Workspace.Path(in.Path)
	if err != nil {
		return nil, "", err
	}
	fi, err := t.Workspace.root.Stat(rel)
	if err != nil {
		return nil, "", clean(err)
	}
	if fi.IsDir() {
		return s, rel, nil
	}
	s.only = rel
	return s, "", nil
}

func (s *grepSearch) file(w *Workspace, name string) {
	fi, err := w.root.Stat(name)
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxGrepFileBytes {
		s.skipped++
		return
	}
	f, err := w.root.Open(name)
	if err != nil {
		s.skipped++
		return
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 64<<10)
	if start, _ := r.Peek(8192); bytes.IndexByte(start, 0) >= 0 {
		return
	}
	for n := 1; ; n++ {
		line, err := readLine(r)
		if len(line) > 0 || err == nil {
			if s.re.Match(bytes.TrimRight(line, "\r\n")) && !s.add(name, n, line) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads a line of any length; the file's size bounds it.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	whole := append([]byte(nil), line...)
	rest, err := r.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return whole, err
	}
	return append(whole, rest...), err
}

// add records a match; it reports whether the file is worth reading on.
func (s *grepSearch) add(name string, n int, line []byte) bool {
	if s.matches == maxGrepMatches {
		s.more = true
		return false
	}
	s.matches++
	if s.filesOnly {
		s.out.WriteString(name + "\n")
		return false
	}
	line = bytes.TrimRight(line, "\r\n")
	clipped := ""
	if len(line) > maxGrepLine {
		clipped = fmt.Sprintf("… [line of %d bytes]", len(line))
		line = line[:maxGrepLine]
	}
	fmt.Fprintf(&s.out, "%s:%d:%s%s\n", name, n, bytes.ToValidUTF8(line, nil), clipped)
	return true
}

func (s *grepSearch) result() Result {
	if s.matches == 0 {
		s.out.WriteString("No matches.\n")
	}
	if s.more {
		fmt.Fprintf(&s.out, "[more than %d matches; narrow the pattern]\n", maxGrepMatches)
	}
	if s.skipped > 0 {
		fmt.Fprintf(&s.out, "[%d files were not searched: unreadable or larger than %d bytes]\n", s.skipped, maxGrepFileBytes)
	}
	return Result{Text: s.out.String(), Detail: map[string]any{"matches": s.matches}}
}
