package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/model"
)

const (
	maxReadBytes  = 32 << 20
	maxEditBytes  = 8 << 20
	maxImageBytes = 5 << 20
	maxDiffBytes  = 64 << 10
	defaultLines  = 2000
	maxLineBytes  = 2000
)

// ReadFile reads text files by lines, and pictures.
type ReadFile struct{ Workspace *Workspace }

type readInput struct {
	Path   string `json:"path"`
	Offset int    `json:"offset"`
	Limit  int    `json:"limit"`
}

// Spec describes the tool.
func (t *ReadFile) Spec() Spec {
	return Spec{Name: "read_file", Category: api.ActionCategoryFiles, ReadOnly: true,
		Description: "Read a file of the workspace. Text comes with line numbers; pictures (png, jpeg, gif, webp) are shown. " +
			"Reads 2000 lines unless limit is given; use offset (first line, from 1) to go on.",
		Schema: json.RawMessage(`{"type":"object","properties":{
			"path":{"type":"string"},
			"offset":{"type":"integer","description":"First line, from 1."},
			"limit":{"type":"integer","description":"Number of lines."}},"required":["path"]}`)}
}

// Subject is the path.
func (t *ReadFile) Subject(input json.RawMessage) (named, real string) {
	return subjectPath(t.Workspace, input)
}

// Run reads the file.
func (t *ReadFile) Run(_ context.Context, c Call) (Result, error) {
	var in readInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	b, fi, err := t.Workspace.read(in.Path, maxReadBytes)
	if err != nil {
		return Failf("%v", err), nil
	}
	if kind := imageType(b); kind != "" {
		if len(b) > maxImageBytes {
			return Failf("%s is a picture of %d bytes; at most %d can be shown", in.Path, len(b), maxImageBytes), nil
		}
		return Result{Text: fmt.Sprintf("%s: %s, %d bytes", in.Path, kind, len(b)),
			Images: []model.Image{{MediaType: kind, Data: b}},
			Detail: map[string]any{"path": in.Path, "image": kind}}, nil
	}
	if bytes.IndexByte(b[:min(len(b), 8192)], 0) >= 0 {
		return Failf("%s is a binary file of %d bytes (%s)", in.Path, fi.Size(), http.DetectContentType(b)), nil
	}
	return Result{Text: numbered(b, in), Detail: map[string]any{"path": in.Path}, Touched: []string{in.Path}}, nil
}

func numbered(b []byte, in readInput) string {
	if len(b) == 0 {
		return "[the file is empty]"
	}
	first, count := max(in.Offset, 1), in.Limit
	if count <= 0 {
		count = defaultLines
	}
	var out strings.Builder
	line := 0
	for rest := b; len(rest) > 0; {
		text, after, _ := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if line++; line < first {
			continue
		}
		if line >= first+count {
			fmt.Fprintf(&out, "[more follows; go on with offset %d]\n", line)
			break
		}
		text = bytes.TrimSuffix(text, []byte{'\r'})
		if len(text) > maxLineBytes {
			text = append(bytes.ToValidUTF8(text[:maxLineBytes], nil), fmt.Sprintf("… [line of %d bytes]", len(text))...)
		}
		fmt.Fprintf(&out, "%6d\t%s\n", line, text)
	}
	if line < first {
		return fmt.Sprintf("[the file has only %d lines]", line)
	}
	return out.String()
}

func imageType(b []byte) string {
	switch kind := http.DetectContentType(b); kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp":
		return kind
	}
	return ""
}

// ReadImage reads a picture again, for a conversation that continues in another sandbox.
func ReadImage(w *Workspace, path string) (model.Image, bool) {
	b, _, err := w.read(path, maxImageBytes)
	if err != nil || imageType(b) == "" {
		return model.Image{}, false
	}
	return model.Image{MediaType: imageType(b), Data: b}, true
}

// WriteFile writes whole files.
type WriteFile struct{ Workspace *Workspace }

type writeInput struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}

// Spec describes the tool.
func (t *WriteFile) Spec() Spec {
	return Spec{Name: "write_file", Category: api.ActionCategoryFiles,
		Description: "Write a whole file of the workspace, making directories as needed. Prefer edit_file for changes.",
		Schema: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"},
			"content":{"type":"string"}},"required":["path","content"]}`)}
}

// Subject is the path.
func (t *WriteFile) Subject(input json.RawMessage) (named, real string) {
	return subjectPath(t.Workspace, input)
}

// Run writes the file.
func (t *WriteFile) Run(_ context.Context, c Call) (Result, error) {
	var in writeInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	old, _, err := t.Workspace.read(in.Path, maxEditBytes)
	fresh := errors.Is(err, fs.ErrNotExist)
	rel, werr := t.Workspace.write(in.Path, []byte(in.Content))
	if werr != nil {
		return Failf("%v", werr), nil
	}
	verb := "Replaced"
	if fresh {
		verb = "Made"
	}
	res := Result{Text: fmt.Sprintf("%s %s (%d bytes).", verb, in.Path, len(in.Content)), Touched: []string{in.Path}}
	if err == nil || fresh {
		res.Detail = diffDetail(rel, string(old), in.Content)
	}
	return res, nil
}

// EditFile replaces exact text.
type EditFile struct{ Workspace *Workspace }

type editInput struct {
	Path       string `json:"path"`
	OldText    string `json:"old_text"`
	NewText    string `json:"new_text"`
	ReplaceAll bool   `json:"replace_all"`
}

// Spec describes the tool.
func (t *EditFile) Spec() Spec {
	return Spec{Name: "edit_file", Category: api.ActionCategoryFiles,
		Description: "Replace text in a file of the workspace. old_text must occur exactly once, white space included, " +
			"unless replace_all is set.",
		Schema: json.RawMessage(`{"type":"object","properties":{"path":{"type":"string"},
			"old_text":{"type":"string"},"new_text":{"type":"string"},
			"replace_all":{"type":"boolean"}},"required":["path","old_text","new_text"]}`)}
}

// Subject is the path.
func (t *EditFile) Subject(input json.RawMessage) (named, real string) {
	return subjectPath(t.Workspace, input)
}

// Run edits the file.
func (t *EditFile) Run(_ context.Context, c Call) (Result, error) {
	var in editInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	b, _, err := t.Workspace.read(in.Path, maxEditBytes)
	if err != nil {
		return Failf("%v", err), nil
	}
	old := string(b)
	n := 0
	if in.OldText != "" {
		n = strings.Count(old, in.OldText)
	}
	switch {
	case in.OldText == "":
		return Failf("old_text is empty; use write_file for a new file"), nil
	case in.OldText == in.NewText:
		return Failf("old_text and new_text are the same"), nil
	case n == 0:
		return Failf("old_text does not occur in %s; read the file again and copy the text exactly", in.Path), nil
	case n > 1 && !in.ReplaceAll:
		return Failf("old_text occurs %d times in %s; add surrounding lines to make it unique, or set replace_all", n, in.Path), nil
	}
	changed := strings.ReplaceAll(old, in.OldText, in.NewText)
	rel, err := t.Workspace.write(in.Path, []byte(changed))
	if err != nil {
		return Failf("%v", err), nil
	}
	return Result{Text: fmt.Sprintf("Replaced %d occurrence(s) in %s.", n, in.Path),
		Detail: diffDetail(rel, old, changed), Touched: []string{in.Path}}, nil
}

type fileDetail struct {
	Path string `json:"path"`
	Diff string `json:"diff,omitempty"`
	// Clipped says that Diff is only the beginning.
	Clipped bool `json:"clipped,omitempty"`
}

func diffDetail(rel, old, changed string) fileDetail {
	d := fileDetail{Path: rel}
	if !utf8.ValidString(old) || !utf8.ValidString(changed) || len(old)+len(changed) > 2<<20 {
		d.Clipped = true
		return d
	}
	d.Diff = udiff.Unified("a/"+rel, "b/"+rel, old, changed)
	if len(d.Diff) > maxDiffBytes {
		d.Diff, d.Clipped = strings.ToValidUTF8(d.Diff[:maxDiffBytes], ""), true
	}
	return d
}

// subjectPath is the path of a call as permission patterns see it, as it is written and as it is once
// symlinks are followed: relative to the workspace, or absolute when it is outside.
func subjectPath(w *Workspace, input json.RawMessage) (named, real string) {
	var in struct {
		Path string `json:"path"`
	}
	_ = json.Unmarshal(input, &in)
	rel, err := w.Path(in.Path)
	if err != nil {
		return in.Path, ""
	}
	return rel, w.follow(rel)
}
