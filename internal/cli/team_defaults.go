package cli

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
)

func (a *app) printDefaults(d api.TeamDefaults) error {
	if a.settings.format.machine() {
		return a.printObject(d)
	}
	runs := ""
	if d.MaxConcurrentRuns > 0 {
		runs = strconv.Itoa(d.MaxConcurrentRuns)
	}
	return a.printFields([]field{{"Model", d.ModelId}, {"Environment", d.EnvironmentId}, {"Host", d.WorkerHost}, {"Runs at once", runs}})
}

func (a *app) teamDefaultsCommand() *cobra.Command {
	c := &cobra.Command{Use: "defaults", Short: "Show what your team's runs get when neither they nor their agent say"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		team, err := ownTeam(cmd.Context(), cl)
		if err != nil {
			return err
		}
		d, err := cl.TeamDefaults(cmd.Context(), team)
		if err != nil {
			return err
		}
		return a.printDefaults(d)
	})
}

// teamSettable are the team's defaults, each with a flag that sets it and one that removes it.
var teamSettable = []struct {
	flag, short, remove, usage string
	member                     func(*api.UpdateTeamDefaultsRequest) **string
}{
	{"model", "", "remove-model", "`model` of its runs, see 'model list'", func(r *api.UpdateTeamDefaultsRequest) **string { return &r.ModelId }},
	{"environment", "e", "remove-environment", "environment `id` of its runs", func(r *api.UpdateTeamDefaultsRequest) **string { return &r.EnvironmentId }},
	{"host", "", "remove-host", "worker `host` of its runs", func(r *api.UpdateTeamDefaultsRequest) **string { return &r.WorkerHost }},
}

func (a *app) teamSetDefaultsCommand() *cobra.Command {
	c := &cobra.Command{Use: "set-defaults", Short: "Change what your team's runs default to; for admins",
		Long: "What is not named stays as it is. Runs that exist keep what they were made with.",
		Example: `  cadre team set-defaults --host build-1 --remove-model
  cadre team set-defaults --max-runs 8`}
	for _, s := range teamSettable {
		c.Flags().StringP(s.flag, s.short, "", s.usage)
		c.Flags().Bool(s.remove, false, "leave it to the server again")
		c.MarkFlagsMutuallyExclusive(s.flag, s.remove)
	}
	c.Flags().Int("max-runs", 0, "how many of its runs may work at once; more than the server's own `number` is for operators")
	c.Flags().Bool("remove-max-runs", false, "leave it to the server again")
	c.MarkFlagsMutuallyExclusive("max-runs", "remove-max-runs")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		var req api.UpdateTeamDefaultsRequest
		for _, s := range teamSettable {
			if text, err := cmd.Flags().GetString(s.flag); err == nil && cmd.Flags().Changed(s.flag) {
				*s.member(&req) = &text
			}
			if gone, err := cmd.Flags().GetBool(s.remove); err == nil && gone {
				*s.member(&req) = new(string)
			}
		}
		if n, err := cmd.Flags().GetInt("max-runs"); err == nil && cmd.Flags().Changed("max-runs") {
			req.MaxConcurrentRuns = &n
		}
		if gone, err := cmd.Flags().GetBool("remove-max-runs"); err == nil && gone {
			req.MaxConcurrentRuns = new(int)
		}
		if req == (api.UpdateTeamDefaultsRequest{}) {
			return usagef("say what to change: see 'cadre team set-defaults --help'")
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		team, err := ownTeam(cmd.Context(), cl)
		if err != nil {
			return err
		}
		d, err := cl.UpdateTeamDefaults(cmd.Context(), team, req)
		if err != nil {
			return err
		}
		return a.printDefaults(d)
	})
}
