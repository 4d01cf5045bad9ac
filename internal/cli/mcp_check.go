package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/mcp"
)

// mcpTool is the CLI's JSON shape of what a server offers, by the name an agent calls it.
type mcpTool struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	ReadOnly    bool   `json:"read_only"`
}

func (a *app) mcpCheckCommand() *cobra.Command {
	var jq filter
	timeout := duration(20 * time.Second)
	c := &cobra.Command{Use: "check NAME", Short: "Start a shared MCP server here and list its tools", Args: arguments(1, 1),
		Long: `Starts the server on this machine, in the current directory, as a sandbox would, and lists what it offers an agent.
{{NAME}} is taken from this shell's environment. If the server does not start, its output is shown and the exit
status is 1.`,
		Example: "  cadre mcp check tickets\n  TICKETS_TOKEN=… cadre mcp check tickets --jq '.[].name'"}
	c.Flags().Var(&timeout, "timeout", "bound for its start")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := findMCP(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		g := s.Config
		servers, failed := mcp.Start(cmd.Context(), mcp.Config{Env: a.Environ(), Timeout: time.Duration(timeout), Log: a.log,
			Servers: map[string]api.MCPServerConfig{g.Name: {Command: g.Command, Args: g.Args, Env: g.Env, Url: g.Url, Headers: g.Headers}}})
		defer servers.Close()
		if len(failed) > 0 {
			f := failed[0] // there is one server
			if f.Output != "" {
				fmt.Fprintf(a.Stderr, "%s\n", term.Clean(f.Output))
			}
			return fmt.Errorf("MCP server %q did not start: %w", f.Server, f.Err)
		}
		var tools []mcpTool
		for _, t := range servers.Tools() {
			spec := t.Spec()
			tools = append(tools, mcpTool{spec.Name, spec.Description, spec.ReadOnly})
		}
		return a.printListFiltered(listOf(tools, "The server started and offers no tools.", []string{"Tool", "Description"}, func(t mcpTool) []string {
			first, _, _ := strings.Cut(strings.TrimSpace(t.Description), "\n")
			return []string{t.Name, first}
		}), jq)
	})
}
