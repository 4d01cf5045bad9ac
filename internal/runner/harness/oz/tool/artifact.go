package tool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// Blobs stores what is too large for an entry.
type Blobs interface {
	PutBlob(ctx context.Context, kind api.BlobKind, name string, r io.Reader) (api.BlobRef, error)
}

// ReportArtifact registers what the agent made: it is listed on the run and kept after the sandbox.
type ReportArtifact struct {
	Workspace *Workspace
	Blobs     Blobs
	// MaxBytes bounds a file.
	MaxBytes int64
}

type artifactInput struct {
	Type        string `json:"type"`
	Path        string `json:"path"`
	URL         string `json:"url"`
	Branch      string `json:"branch"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Content     string `json:"content"`
}

// Spec describes the tool.
func (t *ReportArtifact) Spec() Spec {
	return Spec{Name: "report_artifact", Category: api.ActionCategoryDocuments,
		Description: "Report something you made so that people find it on the run: a file or screenshot (path), a pull request " +
			"(url, branch), a plan (title, content in Markdown).",
		Schema: json.RawMessage(`{"type":"object","properties":{
			"type":{"type":"string","enum":["file","screenshot","pull_request","plan"]},
			"path":{"type":"string"},"url":{"type":"string"},"branch":{"type":"string"},
			"title":{"type":"string"},"description":{"type":"string"},"content":{"type":"string"}},"required":["type"]}`)}
}

// Subject is the path.
func (t *ReportArtifact) Subject(input json.RawMessage) (named, real string) {
	return subjectPath(t.Workspace, input)
}

// Run stores and reports the artifact.
func (t *ReportArtifact) Run(ctx context.Context, c Call) (Result, error) {
	var in artifactInput
	if err := decode(c.Input, &in); err != nil {
		return Failf("%v", err), nil
	}
	if len(in.Title) > 500 || len(in.Description) > 4000 || len(in.Branch) > 250 || len(in.URL) > 2000 {
		return Failf("title, description, branch or url is too long"), nil
	}
	var rep api.ArtifactReport
	var err error
	switch in.Type {
	case "file", "screenshot":
		rep, err = t.file(ctx, in)
	case "pull_request":
		rep, err = pullRequest(in)
	case "plan":
		rep, err = planArtifact(ctx, t.Blobs, in.Title, in.Description, in.Content)
	default:
		err = fmt.Errorf("type must be file, screenshot, pull_request or plan")
	}
	if err := cancelled(ctx); err != nil {
		return Failf("interrupted"), err
	}
	if err != nil {
		return Failf("%v", err), nil
	}
	return Result{Text: "Reported.", Entries: []api.EntryData{rep}}, nil
}

func (t *ReportArtifact) file(ctx context.Context, in artifactInput) (api.ArtifactReport, error) {
	f, fi, err := t.Workspace.open(in.Path)
	if err != nil {
		return api.ArtifactReport{}, err
	}
	defer func() { _ = f.Close() }()
	if t.MaxBytes > 0 && fi.Size() > t.MaxBytes {
		return api.ArtifactReport{}, fmt.Errorf("%s has %d bytes; an artifact has at most %d", in.Path, fi.Size(), t.MaxBytes)
	}
	name := path.Base(strings.ReplaceAll(in.Path, "\\", "/"))
	rep := api.ArtifactReport{ArtifactType: api.ArtifactTypeFILE, Data: api.ArtifactData{
		Filepath: in.Path, Filename: name, Title: in.Title, Description: in.Description}}
	start := make([]byte, 512)
	n, _ := io.ReadFull(f, start)
	if rep.Data.MimeType = mime.TypeByExtension(path.Ext(name)); rep.Data.MimeType == "" {
		rep.Data.MimeType = http.DetectContentType(start[:n])
	}
	if in.Type == "screenshot" {
		kind := imageType(start[:n])
		if kind == "" {
			return api.ArtifactReport{}, fmt.Errorf("%s is not a picture", in.Path)
		}
		rep.ArtifactType, rep.Data.MimeType = api.ArtifactTypeSCREENSHOT, kind
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return api.ArtifactReport{}, err
	}
	ref, err := t.Blobs.PutBlob(ctx, api.BlobKindArtifact, name, f)
	if err != nil {
		return api.ArtifactReport{}, fmt.Errorf("store artifact: %w", err)
	}
	rep.Blob, rep.Data.SizeBytes = ref.BlobId, ref.SizeBytes
	return rep, nil
}

func pullRequest(in artifactInput) (api.ArtifactReport, error) {
	u, err := url.Parse(in.URL)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return api.ArtifactReport{}, fmt.Errorf("url must be the http(s) address of the pull request")
	}
	return api.ArtifactReport{ArtifactType: api.ArtifactTypePULLREQUEST, Data: api.ArtifactData{
		Url: u.String(), Branch: in.Branch, Title: in.Title, Description: in.Description}}, nil
}

// planArtifact stores a plan in Markdown.
func planArtifact(ctx context.Context, blobs Blobs, title, description, text string) (api.ArtifactReport, error) {
	if title == "" || text == "" {
		return api.ArtifactReport{}, errors.New("a plan needs title and content")
	}
	ref, err := blobs.PutBlob(ctx, api.BlobKindArtifact, "plan.md", strings.NewReader(text))
	if err != nil {
		return api.ArtifactReport{}, fmt.Errorf("store plan: %w", err)
	}
	return api.ArtifactReport{ArtifactType: api.ArtifactTypePLAN, Blob: ref.BlobId, Data: api.ArtifactData{
		Title: title, Description: description, MimeType: "text/markdown", SizeBytes: ref.SizeBytes}}, nil
}
