package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) rulesCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "rules", Short: "Say what every agent of a team, or of yours, keeps to",
		Long: `The team's rules go to every run made in it, your own to the runs you start. They come before the rules files of
repositories, which win.`,
		Example: "  cadre rules set --team -f rules.md\n  echo \"Answer in German.\" | cadre rules set --personal\n  cadre rules show"},
		a.rulesShowCommand(), a.rulesSetCommand())
}

func (a *app) rulesShowCommand() *cobra.Command {
	var team, personal bool
	var jq filter
	c := &cobra.Command{Use: "show", Short: "Show the rules your runs get", Example: "  cadre rules show\n  cadre rules show --team --jq '.[0].text' > rules.md"}
	c.Flags().BoolVar(&team, "team", false, "only the team's")
	c.Flags().BoolVar(&personal, "personal", false, "only your own")
	c.MarkFlagsMutuallyExclusive("team", "personal")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		all, err := cl.Rules(cmd.Context())
		if err != nil {
			return err
		}
		shown := []api.Rules{}
		for _, r := range all {
			if own := r.Scope.Type == api.ScopeTypeUser; !(team && own || personal && !own) {
				shown = append(shown, r)
			}
		}
		if jq.code != nil || a.settings.format.machine() {
			return a.printListFiltered(listOf(shown, "", nil, func(api.Rules) []string { return nil }), jq)
		}
		return a.printRules(shown)
	})
}

func (a *app) printRules(all []api.Rules) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.Stdout, "No rules.")
		return err
	}
	for i, r := range all {
		head := "The team's rules"
		if r.Scope.Type == api.ScopeTypeUser {
			head = "Your own rules"
		}
		if i > 0 {
			head = "\n" + head
		}
		if _, err := fmt.Fprintf(a.Stdout, "%s:\n%s\n", head, strings.TrimRight(term.Clean(r.Text), "\n")); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) rulesSetCommand() *cobra.Command {
	var scope scopeFlags
	var clear bool
	file := "-"
	c := &cobra.Command{Use: "set", Short: "Replace the rules of the team or your own",
		Long:    "Reads the text from a file or standard input, at most 48 KiB. It counts for the executions that come.",
		Example: "  cadre rules set --team -f rules.md\n  echo \"Answer in German.\" | cadre rules set --personal\n  cadre rules set --personal --clear"}
	c.Flags().StringVarP(&file, "file", "f", file, "read the text from `path`; - is standard input")
	c.Flags().BoolVar(&clear, "clear", false, "take the rules away")
	scope.register(c)
	c.MarkFlagsMutuallyExclusive("file", "clear")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		req := api.RulesRequest{Team: scope.value()}
		if !clear {
			var err error
			if req.Text, err = a.readText(file); err != nil {
				return err
			}
			if strings.TrimSpace(req.Text) == "" {
				return usagef("the text is empty; --clear takes rules away")
			}
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		r, err := cl.PutRules(cmd.Context(), req)
		if err != nil {
			return err
		}
		if clear {
			return a.said(r, "Rules cleared")
		}
		return a.said(r, "Rules set")
	})
}
