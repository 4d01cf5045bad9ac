package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) agentCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "agent", Short: "Run agents, here or on a worker",
		Example: `  cadre agent run --prompt "fix the failing test"
  cadre agent run-cloud --prompt "fix the failing test" --environment ENV_ID --follow`},
		a.agentRunCommand(), a.agentCloudCommand(), a.agentSkillsCommand("list"), a.agentSkillsCommand("skills"))
}

// agentSkillsCommand lists skills that can be run as agents, under either of the names the reference
// CLI has had for it.
func (a *app) agentSkillsCommand(name string) *cobra.Command {
	var repo string
	var jq filter
	c := &cobra.Command{Use: name, Short: "List skills that can be run as agents"}
	c.Flags().StringVarP(&repo, "repo", "r", "", "only skills of this `owner/repo` or GitHub URL")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		repo = strings.TrimSuffix(strings.TrimPrefix(repo, "https://github.com/"), ".git")
		skills, err := cl.Skills(cmd.Context(), repo)
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"Name", "Spec", "Description", "Environments"}}, empty: "No skills found: this server keeps no list of them yet. Name one by its repository: agent run-cloud --skill owner/repo:name."}
		for _, s := range skills {
			l.items = append(l.items, s)
			for _, v := range s.Variants {
				var envs []string
				for _, e := range v.Environments {
					envs = append(envs, fmt.Sprintf("%s (%s)", e.Name, e.Uid))
				}
				l.table.Rows = append(l.table.Rows, []string{s.Name, v.Id, v.Description, strings.Join(envs, ", ")})
			}
		}
		return a.printListFiltered(l, jq)
	})
}
