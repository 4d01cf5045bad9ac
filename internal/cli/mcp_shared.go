package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

func (a *app) mcpCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "mcp", Short: "Share MCP servers, and try them",
		Long: `A shared MCP server has a name by which runs, schedules and agents use it: --mcp NAME. {{NAME}} in a value is put in
inside the sandbox, from its environment, where secrets are. Everything else is shown to whoever may use the server.`,
		Example: `  cadre mcp create tickets --url https://mcp.example.com/ --header "Authorization: Bearer {{TICKETS_TOKEN}}"
  cadre mcp create files -- npx -y @modelcontextprotocol/server-filesystem .
  cadre mcp check files
  cadre agent run-cloud --mcp tickets --environment ENV_ID --prompt "close what is done"`},
		a.mcpListCommand(), a.mcpCreateCommand(), a.mcpUpdateCommand(), a.mcpDeleteCommand(), a.mcpCheckCommand())
}

// mcpInfo is the CLI's JSON shape of a shared MCP server.
type mcpInfo struct {
	UUID        string            `json:"uuid"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Command     string            `json:"command,omitempty"`
	Args        []string          `json:"args,omitempty"`
	Env         map[string]string `json:"env,omitempty"`
	URL         string            `json:"url,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Scope       string            `json:"scope"`
	LastUpdated time.Time         `json:"last_updated"`
}

func newMCPInfo(s api.SharedMcpServer) mcpInfo {
	c := s.Config
	return mcpInfo{s.Uid, c.Name, c.Description, c.Command, c.Args, c.Env, c.Url, c.Headers, string(s.Scope.Type), s.LastUpdated.UTC()}
}

func (a *app) mcpListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List shared MCP servers, latest change first", Example: "  cadre mcp list --jq '.[].name'"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		servers, err := cl.MCPServers(cmd.Context())
		if err != nil {
			return err
		}
		infos := make([]mcpInfo, 0, len(servers))
		for _, s := range servers {
			infos = append(infos, newMCPInfo(s))
		}
		return a.printListFiltered(listOf(infos, "No shared MCP servers found.", []string{"UUID", "Name", "Description", "Reached by", "Scope", "Last updated"}, func(s mcpInfo) []string {
			at := strings.Join(append([]string{firstNonEmpty(s.URL, s.Command)}, s.Args...), " ")
			return []string{s.UUID, s.Name, s.Description, at, s.Scope, s.LastUpdated.Format(time.RFC3339)}
		}), jq)
	})
}

func findMCP(ctx context.Context, cl *client.Client, ref string) (api.SharedMcpServer, error) {
	all, err := cl.MCPServers(ctx)
	if err != nil {
		return api.SharedMcpServer{}, err
	}
	return findShared("shared MCP server", all, ref, func(s api.SharedMcpServer) definition { return definition{s.Uid, s.Config.Name} })
}

// mcpFlags are what creating and updating have in common.
type mcpFlags struct {
	description, url string
	headers, env     []string
}

func (f *mcpFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.url, "url", "", "`address` of a server that is reached by HTTP")
	fs.StringArrayVar(&f.headers, "header", nil, "`name: value` sent to the address (repeatable)")
	fs.StringArrayVar(&f.env, "env", nil, "`NAME=value` for the command's environment (repeatable)")
	fs.StringVarP(&f.description, "description", "d", "", "`text` of at most 240 characters")
}

// apply puts what was given into a definition; command is what stood after "--". A server that gets an address loses
// its command, and the other way round.
func (f *mcpFlags) apply(fs *pflag.FlagSet, command []string, to *api.SharedMcpServerConfig) error {
	headers, err := pairs("header", ":", f.headers)
	if err != nil {
		return err
	}
	env, err := pairs("env", "=", f.env)
	if err != nil {
		return err
	}
	switch {
	case f.url != "" && len(command) > 0:
		return usagef("give --url or a command after --, not both")
	case f.url != "":
		to.Url, to.Command, to.Args, to.Env = f.url, "", nil, nil
	case len(command) > 0:
		to.Command, to.Args, to.Url, to.Headers = command[0], command[1:], "", nil
	}
	if fs.Changed("header") {
		to.Headers = headers
	}
	if fs.Changed("env") {
		to.Env = env
	}
	if fs.Changed("description") {
		to.Description = f.description
	}
	return nil
}

func (a *app) mcpCreateCommand() *cobra.Command {
	var f mcpFlags
	var scope scopeFlags
	c := &cobra.Command{Use: "create NAME (--url URL | -- COMMAND [ARG...])", Short: "Share an MCP server", Args: arguments(1, -1),
		Example: `  cadre mcp create tickets --url https://mcp.example.com/ --header "Authorization: Bearer {{TICKETS_TOKEN}}"
  cadre mcp create files --personal -- npx -y @modelcontextprotocol/server-filesystem .`}
	f.register(c.Flags())
	scope.register(c)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		req := api.SharedMcpServerRequest{Config: api.SharedMcpServerConfig{Name: args[0]}, Team: scope.value()}
		if f.url == "" && len(args) == 1 {
			return usagef("say how the server is reached: --url URL, or its command after --")
		}
		if err := f.apply(cmd.Flags(), args[1:], &req.Config); err != nil {
			return err
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := cl.CreateMCPServer(cmd.Context(), req)
		if err != nil {
			return err
		}
		return a.said(newMCPInfo(s), "MCP server '%s' created with UUID: %s", s.Config.Name, s.Uid)
	})
}

func (a *app) mcpUpdateCommand() *cobra.Command {
	var f mcpFlags
	var name string
	c := &cobra.Command{Use: "update NAME [-- COMMAND [ARG...]]", Short: "Change a shared MCP server, named by uuid or name", Args: arguments(1, -1),
		Long:    "Changes only what is named, for the executions that come. Headers and variables replace those there are.",
		Example: "  cadre mcp update tickets --url https://mcp2.example.com/\n  cadre mcp update files --name sources -- npx -y @modelcontextprotocol/server-filesystem src"}
	c.Flags().StringVarP(&name, "name", "n", "", "new `name`")
	f.register(c.Flags())
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := findMCP(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		s.Config.Name = firstNonEmpty(name, s.Config.Name)
		if err := f.apply(cmd.Flags(), args[1:], &s.Config); err != nil {
			return err
		}
		if s, err = cl.UpdateMCPServer(cmd.Context(), s.Uid, api.SharedMcpServerRequest{Config: s.Config}); err != nil {
			return err
		}
		return a.said(newMCPInfo(s), "MCP server '%s' updated", s.Config.Name)
	})
}

func (a *app) mcpDeleteCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{Use: "delete NAME", Short: "Delete a shared MCP server, named by uuid or name", Args: arguments(1, 1),
		Long: "Runs that use it go on without it, and their sessions say so.", Example: "  cadre mcp delete tickets --force"}
	forceFlag(c, &force)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := findMCP(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if ok, err := a.confirmed(force, fmt.Sprintf("Delete the MCP server '%s'?", s.Config.Name)); err != nil || !ok {
			return err
		}
		if err := cl.DeleteMCPServer(cmd.Context(), s.Uid); err != nil {
			return err
		}
		return a.said(map[string]any{"uuid": s.Uid, "deleted": true}, "MCP server '%s' deleted", s.Config.Name)
	})
}
