package cli

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

var (
	stateWords = map[string]api.RunState{
		"queued": api.RunStateQUEUED, "pending": api.RunStatePENDING, "claimed": api.RunStateCLAIMED,
		"in-progress": api.RunStateINPROGRESS, "succeeded": api.RunStateSUCCEEDED, "failed": api.RunStateFAILED,
		"error": api.RunStateERROR, "blocked": api.RunStateBLOCKED, "cancelled": api.RunStateCANCELLED,
	}
	sourceWords = map[string]api.RunSourceType{
		"api": "API", "cli": "CLI", "slack": "SLACK", "linear": "LINEAR", "scheduled-agent": "SCHEDULED_AGENT",
		"web-app": "WEB_APP", "cloud-mode": "CLOUD_MODE", "github-action": "GITHUB_ACTION", "interactive": "LOCAL",
	}
	locationWords = map[string]api.RunExecutionLocation{"local": "LOCAL", "remote": "REMOTE"}
	artifactWords = map[string]api.ArtifactType{
		"plan": "PLAN", "pull-request": "PULL_REQUEST", "screenshot": "SCREENSHOT", "file": "FILE",
		"external-reference": "EXTERNAL_REFERENCE",
	}
	archivedWords = map[string]api.ArchivedFilter{"exclude": "exclude", "include": "include", "only": "only"}

	sortWords  = map[string]api.RunSort{"updated-at": "updated_at", "created-at": "created_at", "title": "title", "agent": "agent"}
	orderWords = map[string]api.SortOrder{"asc": "asc", "desc": "desc"}
)

// runListFlags are the filters of run list, one per query parameter a person needs.
type runListFlags struct {
	params                                    api.ListRunsParams
	limit                                     int
	createdAfter, createdBefore, updatedAfter timestamp
	metadata                                  map[string]string
	jq                                        filter
}

func (f *runListFlags) register(c *cobra.Command) {
	fs := c.Flags()
	p := &f.params
	fs.IntVarP(&f.limit, "limit", "L", 10, "how many runs, at most 500")
	fs.Var(choice[api.RunState]{many: &p.State, all: stateWords}, "state", "only runs in this `state` (repeatable): queued, pending, claimed, in-progress, succeeded, failed, error, blocked, cancelled")
	fs.Var(choice[api.RunSourceType]{to: &p.Source, all: sourceWords}, "source", "only runs started by this `source`: api, cli, slack, linear, scheduled-agent, web-app, cloud-mode, github-action, interactive")
	fs.Var(choice[api.RunExecutionLocation]{to: &p.ExecutionLocation, all: locationWords}, "execution-location", "only runs carried out `local` or remote")
	fs.StringVar(&p.Creator, "creator", "", "only runs asked for by this `uid`")
	fs.StringVar(&p.EnvironmentId, "environment", "", "only runs in this environment `id`; empty-environment for none")
	fs.StringVar(&p.SkillSpec, "skill", "", "only runs of this skill `spec`")
	fs.StringVar(&p.ScheduleId, "schedule", "", "only runs of this schedule `id`")
	fs.StringVar(&p.AncestorRunId, "ancestor-run", "", "only the descendants of this run `id`")
	fs.StringVar(&p.ParentRunId, "parent-run", "", "only the children of this run `id`, not those below them")
	fs.StringVar(&p.Name, "name", "", "only runs with this config `name`")
	fs.StringVar(&p.ModelId, "model", "", "only runs with this model `id`")
	fs.Var(choice[api.ArtifactType]{to: &p.ArtifactType, all: artifactWords}, "artifact-type", "only runs that produced a `type`: plan, pull-request, screenshot, file")
	fs.Var(&f.createdAfter, "created-after", "only runs created after this RFC 3339 `time`")
	fs.Var(&f.createdBefore, "created-before", "only runs created before this `time`")
	fs.Var(&f.updatedAfter, "updated-after", "only runs updated after this `time`")
	fs.StringToStringVar(&f.metadata, "metadata", nil, "only runs with this metadata `key=value` (repeatable)")
	fs.Var(choice[api.ArchivedFilter]{to: &p.Archived, all: archivedWords}, "archived", "also (include) or only archived runs: exclude, `include`, only")
	fs.StringVarP(&p.Q, "query", "q", "", "only runs whose title, prompt or skill contains these `words`")
	fs.Var(choice[api.RunSort]{to: &p.SortBy, all: sortWords}, "sort-by", "sort `key`: updated-at, created-at, title, agent")
	fs.Var(choice[api.SortOrder]{to: &p.SortOrder, all: orderWords}, "sort-order", "`asc` or desc")
	fs.StringVar(&p.Cursor, "cursor", "", "go on where the page with this next `cursor` ended; keep the same sort")
	jqFlag(c, &f.jq)
}

func (f *runListFlags) query() api.ListRunsParams {
	p := f.params
	p.Limit = &f.limit
	p.CreatedAfter, p.CreatedBefore = time.Time(f.createdAfter), time.Time(f.createdBefore)
	p.UpdatedAfter, p.Metadata = time.Time(f.updatedAfter), f.metadata
	return p
}

func (a *app) runListCommand() *cobra.Command {
	var f runListFlags
	c := &cobra.Command{Use: "list", Short: "List runs, latest first",
		Long: "Filters combine. JSON is the server's answer, unchanged, with page_info.next_cursor for the next page.",
		Example: `  cadre run list --state in-progress --state blocked
  cadre run list -q "failing test" --json | jq -r '.runs[].run_id'
  cadre run list --jq '.runs[] | [.run_id, .state] | @tsv'`}
	f.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		raw, err := readRaw(cl.API().ListRuns(cmd.Context(), nil, client.Query(client.RunsQuery(f.query()))))
		if err != nil {
			return err
		}
		if f.jq.code != nil || a.settings.format == formatJSON {
			return passThrough(a, f.jq)(raw, nil)
		}
		var page api.ListRunsResponse
		if err := json.Unmarshal(raw, &page); err != nil {
			return err
		}
		if a.settings.format == formatNDJSON {
			return a.printRunLines(raw)
		}
		return a.printRuns(page)
	})
}

// printRunLines prints each run of a page, as the server sent it, on a line of its own.
func (a *app) printRunLines(raw rawJSON) error {
	var page struct {
		Runs []rawJSON `json:"runs"`
	}
	if err := json.Unmarshal(raw, &page); err != nil {
		return err
	}
	for _, r := range page.Runs {
		if err := a.printJSON(r); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printRuns(page api.ListRunsResponse) error {
	l := list{table: term.Table{Header: []string{"ID", "State", "Title", "Source", "Created", "Waiting for"}}, empty: "No runs found."}
	for _, r := range page.Runs {
		created := age(r.CreatedAt, now())
		if a.settings.format == formatText {
			created = r.CreatedAt.UTC().Format(time.RFC3339)
		}
		l.table.Rows = append(l.table.Rows, []string{r.RunId, string(r.State),
			term.Shorten(term.CleanLine(firstNonEmpty(r.Title, r.Prompt)), 50), string(r.Source), created, string(r.Waiting.Code)})
	}
	if err := a.printList(l); err != nil {
		return err
	}
	if page.PageInfo.HasNextPage && a.settings.format == formatPretty {
		_, err := a.Stdout.Write([]byte(a.style.Dim("More: --cursor "+term.CleanLine(page.PageInfo.NextCursor)) + "\n"))
		return err
	}
	return nil
}
