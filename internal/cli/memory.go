package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) memoryCommand() *cobra.Command {
	c := &cobra.Command{Use: "memory", Short: "What agents remember: see and correct it",
		Example: `  cadre memory list STORE --query "release thursday"
  cadre memory create STORE --content "Releases are cut on Thursdays." --reason "asked by the team"`}
	return a.newGroup(c, a.memoryListCommand(), a.memoryCreateCommand(), a.memoryUpdateCommand(), a.memoryDeleteCommand(),
		a.memoryVersionsCommand())
}

func (a *app) memoryListCommand() *cobra.Command {
	var p api.ListMemoriesParams
	c := &cobra.Command{Use: "list STORE", Short: "List the memories of a store, latest change first", Args: arguments(1, 1)}
	c.Flags().StringVarP(&p.Q, "query", "q", "", "only memories with any of these `words`, those with most first")
	c.Flags().BoolVar(&p.IncludeTombstones, "include-deleted", false, "also those that were deleted")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		memories, err := cl.Memories(cmd.Context(), args[0], p)
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"UID", "Content", "Source", "Updated", "Deleted"}}, empty: "No memories found."}
		for _, m := range memories {
			l.items = append(l.items, m)
			l.table.Rows = append(l.table.Rows, []string{m.Uid, term.Shorten(term.CleanLine(m.Content), 100),
				strings.TrimSpace(m.Source + " " + firstNonEmpty(m.SourceRunId, m.SourceId)), instant(m.UpdatedAt), instant(m.TombstonedAt)})
		}
		return a.printList(l)
	})
}

// writing is what commands that write a memory are given.
type writing struct{ content, reason, version string }

func (w *writing) register(c *cobra.Command) {
	c.Flags().StringVarP(&w.content, "content", "c", "", "`text` to remember (required)")
	c.Flags().StringVarP(&w.reason, "reason", "r", "", "`why` it is worth remembering (required)")
	c.Flags().StringVar(&w.version, "version", "", "`name` of the version (default its number)")
	for _, name := range []string{"content", "reason"} {
		_ = c.MarkFlagRequired(name) // fails for an unknown flag only
	}
}

func (a *app) printWritten(w api.MemoryWritten, err error) error {
	if err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(w)
	}
	return a.printFields([]field{{"Memory ID", w.MemoryId}, {"Version ID", w.VersionId}})
}

func (a *app) memoryCreateCommand() *cobra.Command {
	var w writing
	c := &cobra.Command{Use: "create STORE", Aliases: []string{"add"}, Short: "Remember something", Args: arguments(1, 1)}
	w.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return a.printWritten(cl.CreateMemory(cmd.Context(), args[0], api.CreateMemoryRequest{
			Content: w.content, Reason: w.reason, Version: w.version, Source: api.CreateMemoryRequestSourceMANUAL,
		}))
	})
}

// storeFlag names the store of a memory.
func storeFlag(c *cobra.Command, store *string) {
	c.Flags().StringVarP(store, "store", "s", "", "`uid` of the store it is in (required)")
	_ = c.MarkFlagRequired("store") // fails for an unknown flag only
}

func (a *app) memoryUpdateCommand() *cobra.Command {
	var w writing
	var store string
	c := &cobra.Command{Use: "update MEMORY", Aliases: []string{"edit"}, Short: "Correct a memory; what it said stays as a version", Args: arguments(1, 1)}
	w.register(c)
	storeFlag(c, &store)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		return a.printWritten(cl.UpdateMemory(cmd.Context(), store, args[0], api.UpdateMemoryRequest{Content: w.content, Reason: w.reason, Version: w.version}))
	})
}

func (a *app) memoryDeleteCommand() *cobra.Command {
	var store string
	c := &cobra.Command{Use: "delete MEMORY", Aliases: []string{"remove"}, Short: "Forget a memory; its versions can still be listed", Args: arguments(1, 1)}
	storeFlag(c, &store)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if err := cl.DeleteMemory(cmd.Context(), store, args[0]); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"memory_uid": args[0]})
		}
		_, err = fmt.Fprintf(a.Stdout, "Memory %s deleted\n", term.CleanLine(args[0]))
		return err
	})
}

func (a *app) memoryVersionsCommand() *cobra.Command {
	var store string
	c := &cobra.Command{Use: "versions MEMORY", Short: "List what a memory has said, latest first", Args: arguments(1, 1)}
	storeFlag(c, &store)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		versions, err := cl.MemoryVersions(cmd.Context(), store, args[0])
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"UID", "Version", "Content", "Reason", "Author", "Run", "Created"}}, empty: "No versions found."}
		for _, v := range versions {
			l.items = append(l.items, v)
			l.table.Rows = append(l.table.Rows, []string{v.Uid, v.Version, term.Shorten(term.CleanLine(v.Content), 100), v.Reason, who(v.Author), v.RunId, instant(v.CreatedAt)})
		}
		return a.printList(l)
	})
}
