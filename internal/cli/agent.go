package cli

import "github.com/spf13/cobra"

func (a *app) agentCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "agent", Short: "Run agents, here or on a worker, and manage their identities",
		Example: `  cadre agent run --prompt "fix the failing test"
  cadre agent run-cloud --prompt "fix the failing test" --environment ENV_ID --follow
  cadre agent create --name reviewer --prompt "be strict about tests"`},
		a.agentRunCommand(), a.agentCloudCommand(), a.agentListCommand(), a.agentGetCommand(), a.agentCreateCommand(),
		a.agentUpdateCommand(), a.agentDeleteCommand(), a.agentSkillsCommand())
}
