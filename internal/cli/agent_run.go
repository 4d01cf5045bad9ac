package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/runner"
)

// runFlags are the flags of agent run. Those in the last block come from workers and are hidden.
type runFlags struct {
	agentFlags
	cwd             string
	share           []string
	strictMCP       bool
	mcpTimeout      duration
	idleOnComplete  optionalDuration
	idleOnFail      optionalDuration
	profile         string
	mcpServers      []string
	taskID          string
	sandboxed       bool
	bedrockRole     string
	bedrockRegion   string
	skipInitialTurn bool
	gitCredentials  bool
	headOverrides   []string
	removeOrigins   bool
	gui             bool
	computerModel   string
	// The run begins as a copy of this one, up to an entry: see run fork.
	forkRun, forkTitle string
	forkAt             int64
}

// optionalDuration is a duration that may be absent.
type optionalDuration struct{ value *time.Duration }

// String, Set and Type make optionalDuration a flag value.
func (d *optionalDuration) String() string { return "" }

// Set reads a duration.
func (d *optionalDuration) Set(s string) error {
	v, err := parseDuration(s)
	d.value = &v
	return err
}

// Type names the value in help.
func (d *optionalDuration) Type() string { return "duration" }

func (a *app) agentRunCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{Use: "run", Aliases: []string{"r"}, Short: "Run an agent in this process",
		Long: `Runs an agent here, in the current directory, and shows its session. The run is registered with the
server, which keeps its record and gives it its model, but no worker takes part. Answer what the
agent asks from another terminal with 'cadre run approve' or 'cadre run answer'.

Workers start the same command inside a sandbox, with the run's id.`,
		Example: `  cadre agent run --prompt "fix the failing test"
  cadre agent run -C ~/src/backend --skill release --model MODEL_ID
  cadre agent run --prompt "explain this repository" --output-format ndjson`}
	f.register(c)
	fs := c.Flags()
	fs.StringVarP(&f.cwd, "cwd", "C", ".", "`directory` to work in")
	fs.StringArrayVar(&f.share, "share", nil, "say where `recipient` finds the session: team, the only one here, with :view or :edit (repeatable)")
	fs.Lookup("share").NoOptDefVal = "team"
	fs.BoolVar(&f.strictMCP, "strict-mcp-startup", false, "fail when an MCP server does not start")
	f.mcpTimeout = duration(20 * time.Second)
	fs.Var(&f.mcpTimeout, "mcp-startup-timeout", "bound for the start of each MCP server")
	f.registerHidden(c)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		for _, s := range f.share {
			if err := parseShare(s); err != nil {
				return usageError{err}
			}
		}
		if f.taskID != "" {
			return a.runTask(cmd.Context(), f)
		}
		return a.runLocal(cmd.Context(), f)
	})
}

// registerHidden declares the flags that workers and older scripts use.
func (f *runFlags) registerHidden(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.taskID, "task-id", "", "run `id` to carry out as its sandbox")
	fs.BoolVar(&f.sandboxed, "sandboxed", false, "this process is in a sandbox of its own")
	fs.Var(&f.idleOnComplete, "idle-on-complete", "how long to stay for follow-ups after the work (bare: 45m)")
	fs.Lookup("idle-on-complete").NoOptDefVal = "45m"
	fs.Var(&f.idleOnFail, "idle-on-fail", "how long to stay after a failure (bare: 15m)")
	fs.Lookup("idle-on-fail").NoOptDefVal = "15m"
	fromEnv(fs, "idle-on-fail", "CADRE_IDLE_ON_FAIL", "OZ_IDLE_ON_FAIL")
	fs.StringVar(&f.profile, "profile", "", "permission profile `id`")
	fs.StringArrayVar(&f.mcpServers, "mcp-server", nil, "MCP server `uuid`; --mcp takes it too")
	fs.StringVar(&f.bedrockRole, "bedrock-inference-role", "", "AWS role `arn`")
	fs.StringVar(&f.bedrockRegion, "bedrock-role-region", "", "AWS `region`")
	fs.BoolVar(&f.skipInitialTurn, "skip-initial-turn", false, "wait for a message first")
	fs.BoolVar(&f.gitCredentials, "configure-git-credentials-with-github", false, "accepted: credentials come from the server")
	fs.StringArrayVar(&f.headOverrides, "repository-head-override-json", nil, "check out this head of a repository (`json`)")
	fs.BoolVar(&f.removeOrigins, "remove-repository-origins", false, "remove remotes after cloning")
	fs.BoolVar(&f.gui, "gui", false, "accepted: there is no window")
	fs.StringVar(&f.computerModel, "computer-use-model", "", "model `id` for using a desktop")
	c.MarkFlagsRequiredTogether("bedrock-inference-role", "bedrock-role-region")
	for _, other := range []string{"prompt", "saved-prompt", "file"} {
		c.MarkFlagsMutuallyExclusive("task-id", other)
	}
	for _, name := range []string{"task-id", "sandboxed", "idle-on-complete", "idle-on-fail", "mcp-server", "harness",
		"computer-use", "no-computer-use", "bedrock-inference-role", "bedrock-role-region", "skip-initial-turn",
		"configure-git-credentials-with-github", "repository-head-override-json", "remove-repository-origins", "gui",
		"computer-use-model"} {
		_ = fs.MarkHidden(name)
	}
}

// runTask carries out an execution as the process inside its sandbox. What the run is comes from the
// server; of the flags only those about the sandbox count. Its output goes to the worker's log, so it
// says little.
func (a *app) runTask(ctx context.Context, f runFlags) error {
	if f.skipInitialTurn && f.idleOnComplete.value == nil {
		return usagef("--skip-initial-turn needs --idle-on-complete: there would be no time for a message")
	}
	heads, err := f.heads()
	if err != nil {
		return err
	}
	if a.settings.apiKey == "" {
		return withHint(errors.New("no run token"), "the worker hands it over in CADRE_API_KEY or WARP_API_KEY")
	}
	cfg, err := a.runnerConfig(f)
	if err != nil {
		return err
	}
	cfg.ServerURL, cfg.Token = a.settings.server, a.settings.apiKey
	cfg.InSandbox(cfg.Environ)
	cfg.Heads, cfg.RemoveOrigins, cfg.SkipInitialTurn = heads, f.removeOrigins, f.skipInitialTurn
	_, err = runner.Run(ctx, cfg)
	return err
}

// heads reads the heads that repositories are to begin from.
func (f runFlags) heads() (all []runner.Head, err error) {
	for _, text := range f.headOverrides {
		h, err := runner.ParseHead(text)
		if err != nil {
			return nil, usageError{fmt.Errorf("--repository-head-override-json: %w", err)}
		}
		all = append(all, h)
	}
	return all, nil
}

// runLocal registers a run and carries it out here.
func (a *app) runLocal(ctx context.Context, f runFlags) error {
	if err := a.checkLocal(f); err != nil {
		return err
	}
	req, err := a.localRequest(f)
	if err != nil {
		return err
	}
	cl, err := a.client()
	if err != nil {
		return err
	}
	cfg, err := a.runnerConfig(f)
	if err != nil {
		return err
	}
	run, err := cl.CreateLocalRun(ctx, req)
	if err != nil {
		return fmt.Errorf("register the run: %w", err)
	}
	show := a.localPrinter(run.RunId, cl.RunURL(run.RunId))
	show.started()
	cfg.ServerURL, cfg.Token, cfg.Local, cfg.Workdir = cl.Root(), run.RunToken, true, f.cwd
	cfg.OnEntry, cfg.OnDelta = show.entry, show.delta
	cfg.OnStart = func(assigned api.RunnerAssignment) {
		show.assignment(assigned)
		if len(f.share) > 0 {
			show.shared()
		}
	}
	res, err := runner.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if err := show.finished(res); err != nil {
		return err
	}
	switch res.State {
	case api.RunStateSUCCEEDED, api.RunStateBLOCKED:
		return nil
	}
	msg := term.CleanLine(cmp.Or(res.Message, "the agent did not finish"))
	return &api.Failure{Code: cmp.Or(res.Code, api.PlatformErrorCodeAgentProcessFailed), Detail: msg}
}

// checkLocal refuses what only a sandbox does, and says who will not find the session.
func (a *app) checkLocal(f runFlags) error {
	if f.prompt == "" && f.savedPrompt == "" && f.skill == "" {
		return usagef("give --prompt, --saved-prompt or --skill")
	}
	if f.skipInitialTurn || f.removeOrigins || len(f.headOverrides) > 0 || f.gitCredentials {
		return usagef("--skip-initial-turn, --remove-repository-origins, --repository-head-override-json and --configure-git-credentials-with-github need --task-id")
	}
	for _, s := range f.share {
		if s != "team" && !strings.HasPrefix(s, "team:") {
			fmt.Fprintf(a.Stderr, "--share %s: sessions are shown to the team of their run only; its viewers watch, its members steer.\n", term.CleanLine(s))
		}
	}
	return nil
}

// localRequest makes the registration of a run carried out here.
func (a *app) localRequest(f runFlags) (api.LocalRunRequest, error) {
	f.mcp = append(f.mcp, f.mcpServers...)
	cfg, err := f.resolve()
	if err != nil {
		return api.LocalRunRequest{}, err
	}
	cfg.SkillSpec, cfg.ProfileId = f.skill, f.profile
	req := api.LocalRunRequest{Config: cfg, ConversationId: f.conversation, Source: api.LocalRunRequestSourceCLI}
	req.ForkRunId, req.ForkAtSeq, req.Title = f.forkRun, f.forkAt, f.forkTitle
	if a.Getenv("GITHUB_ACTIONS") == "true" {
		req.Source = api.LocalRunRequestSourceGITHUBACTION
	}
	req.SavedPrompt = f.savedPrompt
	if req.SavedPromptArguments, err = f.arguments(); err != nil {
		return req, err
	}
	req.Prompt, req.Mode, err = a.readPrompt(f.prompt)
	return req, err
}

// runnerConfig is what both ways of running have in common.
func (a *app) runnerConfig(f runFlags) (runner.Config, error) {
	dir, err := filepath.Abs(f.cwd)
	if err != nil {
		return runner.Config{}, err
	}
	skillDirs := strings.FieldsFunc(a.Getenv("WARP_SKILL_DIRS"), func(r rune) bool { return r == ',' })
	return runner.Config{
		Workdir:         dir,
		NoSnapshot:      f.noSnapshot,
		SnapshotTimeout: time.Duration(f.snapshotUpload), SnapshotScriptTimeout: time.Duration(f.snapshotScript),
		IdleOnComplete:  f.idleOnComplete.value,
		IdleOnFail:      f.idleOnFail.value,
		MCPStartTimeout: time.Duration(f.mcpTimeout),
		StrictMCP:       f.strictMCP,
		SkillDirs:       skillDirs,
		Environ:         a.Environ(),
		Version:         a.Version,
		Harnesses:       harnesses(),
		Log:             a.log,
	}, nil
}
