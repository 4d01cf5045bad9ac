package cli

import "github.com/spf13/cobra"

func (a *app) agentCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "agent", Short: "Run agents, here or on a worker",
		Example: `  cadre agent run --prompt "fix the failing test"
  cadre agent run-cloud --prompt "fix the failing test" --environment ENV_ID --follow`},
		a.agentRunCommand(), a.agentCloudCommand(), a.agentSkillsCommand("list"), a.agentSkillsCommand("skills"))
}
