package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) runTimelineCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "timeline RUN_ID", Short: "Show when a run changed state and how long each start-up phase took", Args: oneRun}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		events, err := cl.Timeline(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"Time", "After", "Kind", "What", "Took", "Message"}}, empty: "Nothing happened yet."}
		for _, e := range events {
			took := ""
			if e.DurationMs > 0 {
				took = (time.Duration(e.DurationMs) * time.Millisecond).String()
			}
			what := e.Name
			if e.Error {
				what += " (failed)"
			}
			l.items = append(l.items, e)
			l.table.Rows = append(l.table.Rows, []string{e.At.UTC().Format("2006-01-02T15:04:05.000Z"),
				"+" + e.At.Sub(events[0].At).Round(time.Millisecond).String(), string(e.Kind), what, took, e.Message})
		}
		return a.printListFiltered(l, jq)
	})
}

func (a *app) runUsageCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "usage RUN_ID", Short: "Show every model call of a run with its tokens and price", Args: oneRun}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		calls, err := cl.Usage(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"Time", "Provider", "Model", "In", "Out", "Cache read", "Cache write", "Cost", "Took", "Status"}}, empty: "No model calls."}
		for _, u := range calls {
			price := "unknown"
			if u.Priced {
				price = fmt.Sprintf("$%.6f", u.CostUsd)
			}
			l.items = append(l.items, u)
			l.table.Rows = append(l.table.Rows, []string{u.At.UTC().Format(time.RFC3339), u.Provider, u.ModelId,
				count(u.InputTokens), count(u.OutputTokens), count(u.CacheReadTokens), count(u.CacheWriteTokens),
				price, (time.Duration(u.DurationMs) * time.Millisecond).String(), strconv.Itoa(u.Status)})
		}
		return a.printListFiltered(l, jq)
	})
}

func count(n int64) string { return strconv.FormatInt(n, 10) }
