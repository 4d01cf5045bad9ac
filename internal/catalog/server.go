package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const maxServerName = 64

// Server is a shared MCP server. Where its values hold {{NAME}}, only the name is known here: the value
// is put in inside the sandbox.
type Server = Definition[api.SharedMcpServerConfig]

// Servers keeps the MCP servers of teams and people.
type Servers struct {
	*NamedShelf[api.SharedMcpServerConfig]
}

var serverKind = kind[api.SharedMcpServerConfig]{
	noun: "MCP server", newUID: newServerUID, check: checkServer,
	name: func(c api.SharedMcpServerConfig) string { return c.Name },
}

var (
	// serverName is what a command line may give without quotes (contract cli section 14).
	serverName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
)

func checkServer(c api.SharedMcpServerConfig) error {
	if len(c.Name) > maxServerName || !serverName.MatchString(c.Name) {
		return api.Invalid("config.name", "must be 1 to %d letters, digits, '-' and '_'", maxServerName)
	}
	if c.Command == "" && c.Url == "" {
		return api.Invalid("config", "needs exactly one of command and url")
	}
	return firstError(checkDescription(c.Description), checkMCPServer("config", wireServer(c)), checkServerURL(c))
}

// checkServerURL refuses an address and headers that everybody who sees the server should not see, or that
// no request can have.
func checkServerURL(c api.SharedMcpServerConfig) error {
	if u, err := url.Parse(c.Url); err == nil && u.User != nil {
		return api.Invalid("config.url", "must hold no user and password: everybody who sees the server would see them")
	}
	for name := range c.Headers {
		if !headerName.MatchString(name) {
			return api.Invalid("config.headers", "%.80q is no name of a header", name)
		}
	}
	return nil
}

// wireServer is a shared server as a run's config has one.
func wireServer(c api.SharedMcpServerConfig) api.MCPServerConfig {
	return api.MCPServerConfig{Command: c.Command, Args: c.Args, Env: c.Env, Url: c.Url, Headers: c.Headers}
}

// Pin replaces names of shared servers in a config by their uids, and refuses those that what owner has
// cannot use.
func (s *Servers) Pin(ctx context.Context, actor identity.Actor, owner identity.Owner, servers map[string]api.MCPServerConfig) (map[string]api.MCPServerConfig, error) {
	var pinned map[string]api.MCPServerConfig
	for name, m := range servers {
		if m.WarpId == "" {
			continue
		}
		d, err := s.Find(ctx, actor, owner, "config.mcp_servers."+name+".warp_id", m.WarpId)
		if err != nil {
			return nil, err
		}
		if pinned == nil { // the caller's map is not ours to change
			pinned = make(map[string]api.MCPServerConfig, len(servers))
			maps.Copy(pinned, servers)
		}
		pinned[name] = api.MCPServerConfig{WarpId: d.UID}
	}
	if pinned == nil {
		return servers, nil
	}
	return pinned, nil
}

// Resolve puts the definitions of shared servers where a config refers to them. One that was deleted
// stays a reference: whoever starts the servers says that it is missing.
func (s *Servers) Resolve(ctx context.Context, servers map[string]api.MCPServerConfig) (map[string]api.MCPServerConfig, error) {
	out := make(map[string]api.MCPServerConfig, len(servers))
	for name, m := range servers {
		out[name] = m
		if m.WarpId == "" {
			continue
		}
		d, err := s.Lookup(ctx, m.WarpId)
		if errors.Is(err, api.NotFound(s.kind.noun, m.WarpId)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find MCP server: %w", err)
		}
		out[name] = wireServer(d.Config)
	}
	return out, nil
}
