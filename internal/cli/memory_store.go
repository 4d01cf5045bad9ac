package cli

import (
	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) memoryStoreCommand() *cobra.Command {
	c := &cobra.Command{Use: "memory-store", Aliases: []string{"memory-stores"}, Short: "Where agents remember things",
		Long: `A store holds short texts that outlive runs. Each agent has one of its own unless it was created without;
others belong to your team or to you, and are attached to agents with instructions (see docs/memory.md).`}
	return a.newGroup(c, a.memoryStoreListCommand(), a.memoryStoreGetCommand(), a.memoryStoreCreateCommand(),
		a.memoryStoreUpdateCommand(), a.memoryStoreAgentsCommand())
}

func storeRow(s api.MemoryStore) []string {
	return []string{s.Uid, string(s.OwnerType), s.OwnerUid, s.Description, instant(s.UpdatedAt)}
}

func (a *app) printStore(s api.MemoryStore) error {
	if a.settings.format.machine() {
		return a.printObject(s)
	}
	return a.printFields([]field{{"UID", s.Uid}, {"Owner", string(s.OwnerType) + " " + s.OwnerUid}, {"Description", s.Description},
		{"Created", instant(s.CreatedAt)}, {"Updated", instant(s.UpdatedAt)}})
}

func (a *app) memoryStoreListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List memory stores, oldest first"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		stores, err := cl.MemoryStores(cmd.Context())
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"UID", "Owner type", "Owner", "Description", "Updated"}}, empty: "No memory stores found."}
		for _, s := range stores {
			l.items = append(l.items, s)
			l.table.Rows = append(l.table.Rows, storeRow(s))
		}
		return a.printListFiltered(l, jq)
	})
}

func (a *app) memoryStoreGetCommand() *cobra.Command {
	c := &cobra.Command{Use: "get STORE", Aliases: []string{"get-store"}, Short: "Show one memory store", Args: arguments(1, 1)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := cl.MemoryStore(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return a.printStore(s)
	})
}

func (a *app) memoryStoreCreateCommand() *cobra.Command {
	var scope scopeFlags
	var description string
	c := &cobra.Command{Use: "create", Short: "Create a memory store of your team, or your own",
		Example: `  cadre memory-store create --description "How we release."`}
	c.Flags().StringVarP(&description, "description", "d", "", "`text` about what it holds")
	scope.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		req := api.CreateMemoryStoreRequest{OwnerType: api.MemoryOwnerTypeTeam, Description: description}
		if scope.personal {
			req.OwnerType = api.MemoryOwnerTypeUser
		}
		s, err := cl.CreateMemoryStore(cmd.Context(), req)
		if err != nil {
			return err
		}
		return a.printStore(s)
	})
}

func (a *app) memoryStoreUpdateCommand() *cobra.Command {
	var description string
	c := &cobra.Command{Use: "update STORE", Aliases: []string{"update-store", "edit-store"}, Short: "Describe a memory store", Args: arguments(1, 1)}
	c.Flags().StringVarP(&description, "description", "d", "", "`text` about what it holds (required)")
	_ = c.MarkFlagRequired("description") // fails for an unknown flag only
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := cl.DescribeMemoryStore(cmd.Context(), args[0], description)
		if err != nil {
			return err
		}
		return a.printStore(s)
	})
}

func (a *app) memoryStoreAgentsCommand() *cobra.Command {
	c := &cobra.Command{Use: "list-store-agents STORE", Aliases: []string{"store-agents"}, Short: "List the agents that use a memory store", Args: arguments(1, 1)}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		agents, err := cl.MemoryStoreAgents(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"UID", "Name", "Access", "Instructions"}}, empty: "No agents use this memory store."}
		for _, g := range agents {
			l.items = append(l.items, g)
			l.table.Rows = append(l.table.Rows, []string{g.Uid, g.Name, string(g.Access), g.Instructions})
		}
		return a.printList(l)
	})
}
