package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) modelCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "model", Short: "List the models a run may use"}, a.modelListCommand())
}

func (a *app) modelListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List models, the default first",
		Long: "A model marked scripted answers from a file of turns: it costs nothing and thinks nothing."}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		models, err := cl.Models(cmd.Context())
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"ID", "Name", "Provider", "Notes"}}, empty: "No models."}
		for _, m := range models.Models {
			var notes []string
			if m.Id == models.DefaultModelId {
				notes = append(notes, "default")
			}
			if m.Scripted {
				notes = append(notes, "scripted")
			}
			if m.DisableReason != "" {
				notes = append(notes, "unavailable: "+string(m.DisableReason))
			}
			l.items = append(l.items, m)
			l.table.Rows = append(l.table.Rows, []string{m.Id, m.DisplayName, string(m.Provider), strings.Join(notes, ", ")})
		}
		return a.printListFiltered(l, jq)
	})
}
