package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// keepVerb is a command that puts ended runs away, fetches them back or deletes them.
type keepVerb struct {
	use, short, long, example string
	past, would               string
	permanent                 bool
	act                       func(*client.Client, context.Context, api.KeepRunsRequest) (api.KeptRuns, error)
}

func (a *app) runArchiveCommand() *cobra.Command {
	return a.runKeepCommand(keepVerb{
		use: "archive", short: "Put ended runs away: lists show them only with --archived", past: "Archived", would: "archive",
		long: `Nothing is lost: archived runs are found by id, by 'run list --archived only', and come back with
'run unarchive' or when somebody speaks to them. The runs below a run go with it; all must have ended.`,
		example: `  cadre run archive RUN_ID
  cadre run archive --created-before 2026-01-01T00:00:00Z --dry-run
  cadre run archive --state failed --creator UID`,
		act: (*client.Client).ArchiveRuns,
	})
}

func (a *app) runUnarchiveCommand() *cobra.Command {
	return a.runKeepCommand(keepVerb{
		use: "unarchive", short: "Fetch archived runs back into the lists", past: "Fetched back", would: "fetch back",
		long:    "The runs below a run come back with it.",
		example: "  cadre run unarchive RUN_ID\n  cadre run unarchive --schedule SCHEDULE_ID",
		act:     (*client.Client).UnarchiveRuns,
	})
}

func (a *app) runDeleteCommand() *cobra.Command {
	return a.runKeepCommand(keepVerb{
		use: "delete", short: "Delete ended runs for good", past: "Deleted", would: "delete", permanent: true,
		long: `Permanent: session, files, artifacts and the text they are searched by go; what they cost stays in the
accounts. The runs below a run go with it; all must have ended. You may delete what you started; an admin
may delete any run of the team. Runs selected by filters are deleted only with --yes.`,
		example: `  cadre run delete RUN_ID
  cadre run delete --state cancelled --dry-run
  cadre run delete --state cancelled --yes`,
		act: (*client.Client).DeleteRuns,
	})
}

// keepFlags select the runs.
type keepFlags struct {
	runFilterFlags
	dryRun, yes bool
}

func (a *app) runKeepCommand(v keepVerb) *cobra.Command {
	var f keepFlags
	c := &cobra.Command{Use: v.use + " [RUN_ID...]", Short: v.short, Long: v.long, Example: v.example, Args: arguments(0, -1)}
	f.register(c)
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing, and say how many runs it would be")
	if v.permanent {
		c.Flags().BoolVarP(&f.yes, "yes", "y", false, "delete what the filters select without further ado")
	}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		req := api.KeepRunsRequest{RunIds: args, DryRun: f.dryRun, Filter: f.filter()}
		filtered := f.given(cmd)
		switch {
		case len(args) > 0 == filtered:
			return usagef("give run ids, or filters such as --state and --created-before")
		case filtered && v.permanent && !f.yes && !f.dryRun:
			return usagef("this deletes every run the filters select: look with --dry-run, then say --yes")
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		return a.keepAll(cmd.Context(), cl, v, req)
	})
}

// keepAll repeats a request until all that its filter selects is done.
func (a *app) keepAll(ctx context.Context, cl *client.Client, v keepVerb, req api.KeepRunsRequest) error {
	var sum api.KeptRuns
	for {
		done, err := v.act(cl, ctx, req)
		if err != nil {
			return err
		}
		sum.Matched, sum.Changed = sum.Matched+done.Matched, sum.Changed+done.Changed
		sum.Skipped, sum.More, sum.DryRun = append(sum.Skipped, done.Skipped...), done.More, done.DryRun
		if done.NextCursor == "" || done.NextCursor == req.Cursor {
			break
		}
		req.Cursor = done.NextCursor
	}
	if a.settings.format.machine() {
		if sum.Skipped == nil {
			sum.Skipped = []api.KeptNot{}
		}
		if err := a.printObject(sum); err != nil {
			return err
		}
	} else if err := a.tellKept(v, sum); err != nil {
		return err
	}
	if len(req.RunIds) > 0 && len(sum.Skipped) > 0 {
		return fmt.Errorf("%d of %d runs were left as they are", len(sum.Skipped), len(req.RunIds))
	}
	return nil
}

func (a *app) tellKept(v keepVerb, sum api.KeptRuns) error {
	for _, not := range sum.Skipped {
		if _, err := fmt.Fprintf(a.Stderr, "%s: %s\n", not.RunId, term.CleanLine(not.Reason)); err != nil {
			return err
		}
	}
	words := fmt.Sprintf("%s: %s.", v.past, runCount(sum.Changed))
	if sum.DryRun {
		words = fmt.Sprintf("Would %s %s.", v.would, runCount(sum.Changed))
	}
	if sum.More {
		words += " There are more, which were not counted."
	}
	_, err := fmt.Fprintln(a.Stdout, words)
	return err
}

func runCount(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}

// runFilterFlags select ended runs: the filters of run list that say which are old or done with.
type runFilterFlags struct {
	with                                      api.RunFilter
	createdAfter, createdBefore, updatedAfter timestamp
	names                                     []string
}

func (f *runFilterFlags) register(c *cobra.Command) {
	fs, p := c.Flags(), &f.with
	fs.Var(choice[api.RunState]{many: &p.State, all: endedWords}, "state", "only runs in this `state` (repeatable): succeeded, failed, error, cancelled")
	fs.Var(choice[api.RunSourceType]{to: &p.Source, all: sourceWords}, "source", "only runs started by this `source`")
	fs.StringVar(&p.Creator, "creator", "", "only runs asked for by this `uid`")
	fs.StringVar(&p.EnvironmentId, "environment", "", "only runs in this environment `id`")
	fs.StringVar(&p.ScheduleId, "schedule", "", "only runs of this schedule `id`")
	fs.StringVar(&p.Name, "name", "", "only runs with this config `name`")
	fs.Var(&f.createdAfter, "created-after", "only runs created after this RFC 3339 `time`")
	fs.Var(&f.createdBefore, "created-before", "only runs created before this `time`")
	fs.Var(&f.updatedAfter, "updated-after", "only runs updated after this `time`")
	fs.StringToStringVar(&p.Metadata, "metadata", nil, "only runs with this metadata `key=value` (repeatable)")
	fs.StringVarP(&p.Q, "query", "q", "", "only runs whose title, prompt or skill contains these `words`")
	f.names = []string{"state", "source", "creator", "environment", "schedule", "name", "created-after", "created-before",
		"updated-after", "metadata", "query"}
}

// endedWords are the states in which runs can be kept.
var endedWords = map[string]api.RunState{
	"succeeded": api.RunStateSUCCEEDED, "failed": api.RunStateFAILED, "error": api.RunStateERROR, "cancelled": api.RunStateCANCELLED,
}

func (f *runFilterFlags) filter() api.RunFilter {
	p := f.with
	p.CreatedAfter, p.CreatedBefore = time.Time(f.createdAfter), time.Time(f.createdBefore)
	p.UpdatedAfter = time.Time(f.updatedAfter)
	return p
}

// given says whether there is any filter.
func (f *runFilterFlags) given(c *cobra.Command) bool {
	for _, name := range f.names {
		if c.Flags().Changed(name) {
			return true
		}
	}
	return false
}
