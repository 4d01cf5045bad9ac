package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

type writer = io.Writer

func (a *app) artifactCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "artifact", Short: "Show and download what runs produced",
		Example: "  cadre run artifacts RUN_ID\n  cadre artifact download ARTIFACT_UID"},
		a.artifactGetCommand(), a.artifactDownloadCommand(), a.artifactUploadCommand())
}

// artifactInfo is the CLI's JSON shape of an artifact.
type artifactInfo struct {
	UID         string           `json:"artifact_uid"`
	Type        api.ArtifactType `json:"artifact_type"`
	CreatedAt   time.Time        `json:"created_at"`
	DownloadURL string           `json:"download_url,omitempty"`
	ExpiresAt   *time.Time       `json:"expires_at,omitempty"`
	ContentType string           `json:"content_type,omitempty"`
	Filepath    string           `json:"filepath,omitempty"`
	Filename    string           `json:"filename,omitempty"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	SizeBytes   int64            `json:"size_bytes,omitempty"`
}

func (a *app) artifactGetCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "get UID", Short: "Show one artifact with a link to its content", Args: arguments(1, 1)}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		art, err := cl.Artifact(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		d := art.Data
		info := artifactInfo{art.ArtifactUid, art.ArtifactType, art.CreatedAt, d.DownloadUrl, d.ExpiresAt,
			d.ContentType, d.Filepath, d.Filename, d.Title, d.Description, d.SizeBytes}
		if jq.code != nil || a.settings.format.machine() {
			b, err := marshal(info)
			return passThrough(a, jq)(b, err)
		}
		expires := ""
		if d.ExpiresAt != nil {
			expires = d.ExpiresAt.UTC().Format(time.RFC3339)
		}
		return a.printFields([]field{{"Artifact", info.UID}, {"Type", string(info.Type)}, {"File", firstNonEmpty(d.Filename, d.Filepath)},
			{"Title", d.Title}, {"Description", d.Description}, {"Content type", d.ContentType},
			{"Created", art.CreatedAt.UTC().Format(time.RFC3339)}, {"Download", d.DownloadUrl}, {"Link expires", expires}})
	})
}

func (a *app) artifactDownloadCommand() *cobra.Command {
	var out string
	c := &cobra.Command{Use: "download UID", Short: "Download an artifact", Args: arguments(1, 1),
		Long: "Writes the content to a new file named like the artifact, or to --out. An existing file is only replaced when --out names it."}
	c.Flags().StringVarP(&out, "out", "o", "", "`file` to write; - is standard output")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		art, err := cl.Artifact(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		path := out
		if path == "" {
			path = safeName(firstNonEmpty(art.Data.Filename, art.Data.Title, art.ArtifactUid))
			if _, err := os.Lstat(path); err == nil {
				return withHint(fmt.Errorf("%s exists", path), "name another file with --out")
			}
		}
		if path == "-" {
			path = ""
		}
		err = a.download(path, path, func(w writer) error {
			_, err := cl.DownloadArtifact(cmd.Context(), art, w)
			return err
		})
		if err != nil || path == "" {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"artifact_uid": art.ArtifactUid, "artifact_type": art.ArtifactType, "path": path})
		}
		_, err = fmt.Fprintf(a.Stdout, "Downloaded %s\n", path)
		return err
	})
}

// safeName makes a file name in the current directory of what an agent called a file.
func safeName(name string) string {
	name = filepath.Base(strings.ReplaceAll(term.CleanLine(name), "\\", "/"))
	name = strings.TrimLeft(name, ".-")
	if name == "" || name == "/" {
		return "artifact"
	}
	return term.Shorten(name, 120)
}

// download writes to a file, complete or not at all, or to standard output when path is empty.
func (a *app) download(path, label string, fetch func(writer) error) error {
	if path == "" {
		return fetch(a.Stdout)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".download-*")
	if err != nil {
		return fmt.Errorf("download %s: %w", label, err)
	}
	err = a.within("downloading "+label, func() error { return fetch(tmp) })
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = errors.Join(os.Chmod(tmp.Name(), 0o644), os.Rename(tmp.Name(), path))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

func (a *app) runArtifactsCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "artifacts RUN_ID", Short: "List what a run produced", Args: oneRun}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		arts, err := cl.Artifacts(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"Type", "UID", "Name", "Size", "Created"}}, empty: "No artifacts."}
		for _, art := range arts {
			d := art.Data
			bytes := ""
			if d.SizeBytes > 0 {
				bytes = size(d.SizeBytes)
			}
			l.items = append(l.items, art)
			l.table.Rows = append(l.table.Rows, []string{string(art.ArtifactType), firstNonEmpty(d.ArtifactUid, d.DocumentUid),
				firstNonEmpty(d.Filename, d.Title, d.Url, d.Description), bytes, art.CreatedAt.UTC().Format(time.RFC3339)})
		}
		return a.printListFiltered(l, jq)
	})
}

// printListFiltered is printList, or what the filter makes of the list's JSON.
func (a *app) printListFiltered(l list, jq filter) error {
	if jq.code == nil {
		return a.printList(l)
	}
	if l.items == nil {
		l.items = []any{}
	}
	b, err := marshal(l.items)
	if err != nil {
		return err
	}
	return a.printFiltered(jq, b)
}
