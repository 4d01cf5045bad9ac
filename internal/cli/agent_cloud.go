package cli

import (
	"context"
	"fmt"
	"mime"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// The bounds of --attach.
const (
	maxAttachments     = 25
	maxAttachmentBytes = 10 << 20
)

// noEnvironment asks for an empty workspace, whatever the agent's or the team's default is.
const noEnvironment = "none"

type cloudFlags struct {
	agentFlags
	scope         scopeFlags
	noEnvironment bool
	title, parent string
	runner, agent string
	host          string
	attach        []string
	claudeSecret  string
	codexSecret   string
	open, follow  bool
	exitStatus    bool
	withChanges   bool
	metadata      map[string]string
}

func (a *app) agentCloudCommand() *cobra.Command {
	var f cloudFlags
	c := &cobra.Command{Use: "run-cloud", Aliases: []string{"ra", "run-ambient"}, Short: "Start a run on a worker",
		Long: `Stores a run on the server; a worker of its host carries it out. The command ends once the run is
stored, or with --follow once it has ended.`,
		Example: `  cadre agent run-cloud --prompt "fix the failing test" --environment ENV_ID
  cadre agent run-cloud --prompt "why is CI red?" --no-environment --follow --exit-status
  cadre agent run-cloud --prompt "finish this" --environment ENV_ID --with-changes
  cadre agent run-cloud --saved-prompt triage --prompt-argument issue=12 --environment ENV_ID
  cadre agent run-cloud --skill acme/tools:release --environment ENV_ID --model MODEL_ID`}
	f.register(c)
	fs := c.Flags()
	fs.BoolVar(&f.noEnvironment, "no-environment", false, "work in an empty workspace")
	fs.StringVar(&f.title, "title", "", "`title` of the run (default: from the prompt)")
	fs.StringVar(&f.parent, "parent-run-id", "", "run `id` that asks for this one")
	fs.StringVar(&f.runner, "runner", "", "compute runner `id`")
	fs.StringVar(&f.agent, "agent", "", "agent identity `uid` to run as")
	fs.StringVar(&f.host, "host", "", "worker `host` that shall carry it out, see 'worker --worker-id'")
	fs.StringArrayVar(&f.attach, "attach", nil, "`file` given to the agent (repeatable, at most 25 of 10 MB)")
	fs.BoolVar(&f.withChanges, "with-changes", false, "begin with this repository's branch, staged, changed and new files (see docs/sandbox.md)")
	fs.StringVar(&f.claudeSecret, "claude-auth-secret", "", "`name` of the secret claude logs in with")
	fs.StringVar(&f.codexSecret, "codex-auth-secret", "", "`name` of the secret codex logs in with")
	fs.StringToStringVar(&f.metadata, "metadata", nil, "`key=value` stored with the run (repeatable)")
	fs.BoolVar(&f.open, "open", false, "open the run in a browser")
	fs.BoolVar(&f.follow, "follow", false, "watch the session until the run ends")
	fs.BoolVar(&f.exitStatus, "exit-status", false, "with --follow: exit 1 unless the run SUCCEEDED")
	f.scope.register(c)
	c.MarkFlagsMutuallyExclusive("environment", "no-environment")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error { return a.runCloud(cmd.Context(), f) })
}

func (a *app) runCloud(ctx context.Context, f cloudFlags) error {
	req, err := a.cloudRequest(f)
	if err != nil {
		return err
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	if f.withChanges {
		if req.InitialSnapshotToken, err = a.bringChanges(ctx, cl, "."); err != nil {
			return err
		}
	}
	var created api.RunAgentResponse
	if err := a.within("storing the run", func() (err error) { created, err = cl.CreateRun(ctx, req); return }); err != nil {
		return err
	}
	if err := a.announce(cl, created); err != nil {
		return err
	}
	if f.open {
		a.openBrowser(ctx, cl.RunURL(created.RunId))
	}
	if !f.follow {
		return nil
	}
	return a.follow(ctx, cl, followOptions{runID: created.RunId, exitStatus: f.exitStatus})
}

// announce prints where the new run is. The "Run ID:" line is read by programs.
func (a *app) announce(cl *client.Client, created api.RunAgentResponse) error {
	id := term.CleanLine(created.RunId)
	if a.settings.format.machine() {
		b, err := marshal(map[string]any{"type": "system", "event_type": "run_started", "run_id": created.RunId, "run_url": cl.RunURL(created.RunId), "at_capacity": created.AtCapacity})
		if err == nil {
			_, err = a.Stdout.Write(append(term.JSON(b), '\n'))
		}
		return err
	}
	text := fmt.Sprintf("Run ID: %s\nSpawned ambient agent with run ID: %s\nView run: %s\n", id, id, cl.RunURL(created.RunId))
	if created.AtCapacity {
		text += "Every worker is busy: the run waits for its turn.\n"
	}
	_, err := fmt.Fprint(a.Stdout, text)
	return err
}

func (a *app) cloudRequest(f cloudFlags) (api.RunAgentRequest, error) {
	var req api.RunAgentRequest
	if f.prompt == "" && f.savedPrompt == "" && f.skill == "" {
		return req, usagef("give --prompt, --saved-prompt or --skill")
	}
	cfg, err := f.resolve()
	if err != nil {
		return req, err
	}
	if f.noEnvironment {
		cfg.EnvironmentId = noEnvironment
	}
	if cfg.EnvironmentId == "" && f.agent == "" {
		// Where nothing is named, a saved default counts; on a terminal nothing else is asked.
		if cfg.EnvironmentId = a.saved.Environment; cfg.EnvironmentId == "" {
			return req, usagef("say where to work: --environment ID (see 'environment list'), --no-environment, or the one of an --agent UID")
		}
	}
	if f.claudeSecret != "" && cfg.Harness.Type != "claude" || f.codexSecret != "" && cfg.Harness.Type != "codex" {
		return req, fmt.Errorf("--claude-auth-secret needs --harness claude, --codex-auth-secret --harness codex")
	}
	cfg.HarnessAuthSecrets.ClaudeAuthSecretName, cfg.HarnessAuthSecrets.CodexAuthSecretName = f.claudeSecret, f.codexSecret
	cfg.RunnerId, cfg.WorkerHost = firstNonEmpty(f.runner, cfg.RunnerId), firstNonEmpty(f.host, cfg.WorkerHost)
	req.Prompt, req.Mode, err = a.readPrompt(f.prompt)
	if err != nil {
		return req, err
	}
	req.SavedPrompt = f.savedPrompt
	if req.SavedPromptArguments, err = f.arguments(); err != nil {
		return req, err
	}
	if req.Attachments, err = attachments(f.attach); err != nil {
		return req, err
	}
	req.Config, req.Skill, req.Title = cfg, f.skill, f.title
	req.Team, req.AgentIdentityUid, req.ConversationId = f.scope.value(), f.agent, f.conversation
	req.ParentRunId, req.SnapshotDisabled, req.Metadata = f.parent, f.noSnapshot, f.metadata
	return req, nil
}

func attachments(paths []string) ([]api.AttachmentInput, error) {
	if len(paths) > maxAttachments {
		return nil, usagef("--attach: %d files; at most %d", len(paths), maxAttachments)
	}
	var out []api.AttachmentInput
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, fmt.Errorf("--attach: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxAttachmentBytes {
			return nil, fmt.Errorf("--attach %s: want a file of at most 10 MB", path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--attach: %w", err)
		}
		kind := mime.TypeByExtension(filepath.Ext(path))
		out = append(out, api.AttachmentInput{FileName: filepath.Base(path), MimeType: firstNonEmpty(kind, "application/octet-stream"), Data: b})
	}
	return out, nil
}

// openBrowser opens a page where there is a desktop; elsewhere the printed link must do.
func (a *app) openBrowser(ctx context.Context, link string) {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	if err := exec.CommandContext(ctx, program, link).Start(); err != nil {
		fmt.Fprintf(a.Stderr, "could not open a browser (%v): %s\n", err, link)
	}
}
