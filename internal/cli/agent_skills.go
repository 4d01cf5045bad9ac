package cli

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// agentSkillsCommand lists skills that can be run as agents.
func (a *app) agentSkillsCommand() *cobra.Command {
	var q client.SkillQuery
	var sortBy string
	var jq filter
	c := &cobra.Command{Use: "skills", Short: "List skills that can be run as agents",
		Long: `Lists the skills in the repositories of the environments you may use: every SKILL.md in a skill
directory (.agents/skills, .claude/skills, …) at the root of a repository.`,
		Example: `  cadre agent skills --repo owner/repo
  cadre agent skills --refresh --include-malformed-skills
  cadre agent run-cloud --skill owner/repo:name --environment ENV_ID`}
	fs := c.Flags()
	fs.StringVarP(&q.Repo, "repo", "r", "", "only skills of this `owner/repo` or GitHub URL")
	fs.BoolVar(&q.Refresh, "refresh", false, "read the repositories again")
	fs.BoolVar(&q.Malformed, "include-malformed-skills", false, "also files that are no skills, with the reason")
	fs.Var(choice[string]{to: &sortBy, all: oneOf("name", "last-run")}, "sort-by", "`what` to sort by: name or last-run")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		q.Repo, q.ByLastRun = strings.TrimSuffix(strings.TrimPrefix(q.Repo, "https://github.com/"), ".git"), sortBy == "last-run"
		found, err := cl.Skills(cmd.Context(), q)
		if err != nil {
			return err
		}
		for _, r := range found.Repositories {
			name := term.CleanLine(r.Owner + "/" + r.Name)
			switch r.State {
			case api.SkillRepositoryStateReading:
				fmt.Fprintf(a.Stderr, "%s is still being read; ask again in a moment\n", name)
			case api.SkillRepositoryStateFailed:
				fmt.Fprintf(a.Stderr, "%s cannot be read: %s\n", name, term.CleanLine(r.Error))
			}
		}
		return a.printListFiltered(skillList(found.Agents), jq)
	})
}

func skillList(skills []api.AgentListItem) list {
	l := list{
		table: term.Table{Header: []string{"Name", "Spec", "Description", "Environments"}},
		empty: "No skills found. Add a repository with skills to an environment, or name one: agent skills --repo owner/repo",
	}
	for _, s := range skills {
		l.items = append(l.items, s)
		for _, v := range s.Variants {
			var envs []string
			for _, e := range v.Environments {
				envs = append(envs, fmt.Sprintf("%s (%s)", cmp.Or(e.Name, "unnamed"), e.Uid))
			}
			description := v.Description
			if v.Error != "" {
				description = "malformed: " + v.Error
			}
			l.table.Rows = append(l.table.Rows, []string{s.Name, v.Id, description, strings.Join(envs, ", ")})
		}
	}
	return l
}
