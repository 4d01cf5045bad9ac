package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/demo"
	"github.com/cadrehq/cadre/internal/cli/term"
)

type demoFlags struct{ repoURL, model, host string }

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{Use: "demo", Short: "Watch an agent fix a failing test, for real",
		Long: `Makes a small git repository with a failing test, serves it on this machine, starts a run on it and
shows the session: the clone, the failing test, the fix, the passing test, the commit, the patch.

With a model key on the server the default model does the work. Without one the model is "scripted":
it plays prepared turns, but every tool call is carried out. Exits 0 only if the run succeeded and
its patch is there.`,
		Example: "  cadre demo\n  cadre demo --repo-url https://git.internal/showcase/releases.git"}
	fs := c.Flags()
	fs.StringVar(&f.repoURL, "repo-url", "", "clone `URL` of the showcase, where workers cannot reach this machine")
	fs.StringVar(&f.model, "model", "", "model `id` (default: the server's default)")
	fs.StringVar(&f.host, "host", "", "worker `host` that shall carry it out")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return a.demo(cmd.Context(), cl, f)
	})
}

// demo carries out the showcase and says what to do next.
func (a *app) demo(ctx context.Context, cl *client.Client, f demoFlags) error {
	say := func(format string, args ...any) {
		out := a.Stdout
		if a.settings.format.machine() {
			out = a.Stderr
		}
		fmt.Fprintln(out, a.style.Dim(term.CleanLine(fmt.Sprintf(format, args...))))
	}
	res, err := demo.Run(ctx, demo.Options{
		Client: cl, RepoURL: f.repoURL, Model: f.model, Host: f.host, Say: say,
		Follow: func(ctx context.Context, runID string) error {
			return a.follow(ctx, cl, followOptions{runID: runID, untilRest: true})
		},
	})
	if errors.Is(err, demo.ErrRemote) {
		return withHint(err, "push the showcase somewhere they can reach and name it with --repo-url")
	}
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if a.settings.format.machine() {
		return nil
	}
	fmt.Fprintln(a.Stdout)
	id, uid := term.CleanLine(res.Run.RunId), term.CleanLine(res.Artifact.Data.ArtifactUid)
	price := cost(res.Run.RequestUsage)
	if res.Model.Scripted {
		price = "$0: the turns were scripted"
	}
	return a.printFields([]field{
		{"Run", runLink(cl, res.Run)},
		{"Patch", fmt.Sprintf("%s (%s): %s artifact download %s", res.Artifact.Data.Filename, size(res.Artifact.Data.SizeBytes), a.typed(), uid)},
		{"Tokens", tokens(res.Run.RequestUsage)},
		{"Cost", price},
		{"Next", fmt.Sprintf("%s run timeline %s", a.typed(), id)},
		{"Or", fmt.Sprintf("%s run conversation %s", a.typed(), id)},
	})
}
