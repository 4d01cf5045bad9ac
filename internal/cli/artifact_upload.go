package cli

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// uploaded is the CLI's JSON shape of an uploaded artifact.
type uploaded struct {
	UID         string `json:"artifact_uid"`
	Filepath    string `json:"filepath"`
	Description string `json:"description"`
	MimeType    string `json:"mime_type"`
	SizeBytes   int64  `json:"size_bytes"`
}

func (a *app) artifactUploadCommand() *cobra.Command {
	var req api.CreateFileArtifactRequest
	var screenshot bool
	c := &cobra.Command{Use: "upload PATH", Short: "Upload a file that a run made", Args: arguments(1, 1), Hidden: true,
		Long: "Lists the file on the run once it has arrived whole. A run uploads for itself; you may for your local runs.",
		Example: `  # in a run
  $OZ_CLI artifact upload out/report.pdf --description "Coverage by package"

  # for a local run, with a key of your own
  cadre artifact upload page.png --screenshot --run-id RUN_ID`}
	fs := c.Flags()
	fs.StringVar(&req.RunId, "run-id", "", "`id` of the run that made it")
	fromEnv(fs, "run-id", "CADRE_RUN_ID", "OZ_RUN_ID")
	fs.StringVar(&req.ConversationId, "conversation-id", "", "`id` of its conversation, instead of the run")
	fs.StringVar(&req.Title, "title", "", "`heading` for people")
	fs.StringVar(&req.Description, "description", "", "`text` that says what it shows")
	fs.BoolVar(&screenshot, "screenshot", false, "show it as a picture")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		if req.ConversationId != "" && !cmd.Flags().Changed("run-id") {
			req.RunId = ""
		}
		if req.RunId == "" && req.ConversationId == "" {
			return withHint(errors.New("which run made it? neither --run-id nor --conversation-id is given"), "in a run CADRE_RUN_ID says so")
		}
		if screenshot {
			req.ArtifactType = api.CreateFileArtifactRequestArtifactTypeSCREENSHOT
		}
		return a.uploadArtifact(cmd, args[0], req)
	})
}

func (a *app) uploadArtifact(cmd *cobra.Command, path string, req api.CreateFileArtifactRequest) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("upload %s: want a regular file", path))
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	req.Filepath, req.SizeBytes = path, info.Size()
	req.MimeType = cmp.Or(mime.TypeByExtension(filepath.Ext(path)), "application/octet-stream")
	var art api.ArtifactContent
	if err := a.within("uploading "+path, func() (err error) {
		art, err = cl.UploadArtifact(cmd.Context(), req, f)
		return err
	}); err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(uploaded{art.ArtifactUid, art.Data.Filepath, art.Data.Description, art.Data.ContentType, art.Data.SizeBytes})
	}
	_, err = fmt.Fprintf(a.Stdout, "Artifact uploaded: %s\n", term.CleanLine(art.ArtifactUid))
	return err
}
