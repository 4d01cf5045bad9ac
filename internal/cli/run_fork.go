package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// forkFlags are the flags of run fork.
type forkFlags struct {
	at                                int64
	prompt, title, model, environment string
	local, follow                     bool
	cwd                               string
}

func (a *app) runForkCommand() *cobra.Command {
	var f forkFlags
	c := &cobra.Command{Use: "fork RUN_ID", Short: "Start a run from a copy of another one's conversation", Args: oneRun,
		Long: `The copy ends with the entry given by --at, or is of all that was said and done. The original stays as it
is, and the two are independent afterwards. The workspace is not copied. Without a prompt the fork waits for
'cadre run send'.

With --local the agent goes on in this process and directory, with your tools and files; which branch to
check out is said first.`,
		Example: `  cadre run fork RUN_ID --prompt "try it with a queue instead"
  cadre run fork RUN_ID --at 12
  cadre run fork RUN_ID --local --prompt "finish this here"`}
	fs := c.Flags()
	fs.Int64Var(&f.at, "at", 0, "last entry to copy, by its `number` in the session (default: the end)")
	fs.StringVarP(&f.prompt, "prompt", "p", "", "what the agent shall do then; - reads standard input")
	fs.StringVar(&f.title, "title", "", "heading in lists (default: the original's)")
	fs.StringVar(&f.model, "model", "", "model `id` (default: the original's)")
	fs.StringVarP(&f.environment, "environment", "e", "", "environment `id`, none for an empty workspace (default: the original's)")
	fs.BoolVar(&f.local, "local", false, "go on here, in this directory")
	fs.StringVarP(&f.cwd, "cwd", "C", ".", "with --local: `directory` to work in")
	fs.BoolVarP(&f.follow, "follow", "f", false, "then watch the session")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		if f.local && (f.prompt == "" || f.environment != "" || f.follow) {
			return usagef("--local needs --prompt, and goes without --environment and --follow")
		}
		return a.fork(cmd.Context(), args[0], f)
	})
}

func (a *app) fork(ctx context.Context, id string, f forkFlags) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	if f.local {
		return a.forkLocal(ctx, cl, id, f)
	}
	req := api.ForkRunRequest{AtSeq: f.at, Title: f.title, ModelId: f.model, EnvironmentId: f.environment}
	if req.Prompt, _, err = a.readPrompt(f.prompt); err != nil {
		return err
	}
	created, err := cl.ForkRun(ctx, id, req)
	if err != nil {
		return err
	}
	if err := a.announce(cl, created); err != nil || !f.follow {
		return err
	}
	return a.follow(ctx, cl, followOptions{runID: created.RunId})
}

// forkLocal goes on in this process, with the original's model unless another one is named.
func (a *app) forkLocal(ctx context.Context, cl *client.Client, id string, f forkFlags) error {
	original, err := cl.GetRun(ctx, id)
	if err != nil {
		return err
	}
	a.tellCheckout(original)
	cfg := original.AgentConfig
	run := runFlags{cwd: f.cwd, forkRun: id, forkAt: f.at, forkTitle: firstNonEmpty(f.title, original.Title), mcpTimeout: duration(20 * time.Second)}
	run.prompt, run.model, run.name, run.harness = f.prompt, firstNonEmpty(f.model, cfg.ModelId), cfg.Name, string(cfg.Harness.Type)
	return a.runLocal(ctx, run)
}

// tellCheckout says where the changes of a run are, since a fork has none of them.
func (a *app) tellCheckout(r api.RunItem) {
	var branches []string
	for _, artifact := range r.Artifacts {
		if b := artifact.Data.Branch; artifact.ArtifactType == api.ArtifactTypePULLREQUEST && b != "" {
			branches = append(branches, term.CleanLine(b))
		}
	}
	if len(branches) == 0 {
		fmt.Fprintf(a.Stderr, "The run offered no branch. Its changes are not here; see 'cadre run output %s' for what it did.\n", term.CleanLine(r.RunId))
		return
	}
	fmt.Fprintf(a.Stderr, "The run's changes are not here. To have them, check out: %s\n", strings.Join(branches, ", "))
}

func (a *app) runRetryCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{Use: "retry RUN_ID", Short: "Ask once more for what a failed or cancelled run was asked for", Args: oneRun,
		Long: `A run whose agent never began, say because its environment could not be set up, goes on itself. Any other
stays as it is, and a new run with the same request begins where it began.`,
		Example: "  cadre run retry RUN_ID --follow"}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "then watch the session")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		created, err := cl.RetryRun(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := a.announce(cl, created); err != nil || !follow {
			return err
		}
		return a.follow(cmd.Context(), cl, followOptions{runID: created.RunId})
	})
}
