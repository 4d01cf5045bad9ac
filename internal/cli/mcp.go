package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
)

// isBare says whether a value is an identifier rather than JSON.
func isBare(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}

// mcpWrappers are the keys other programs' config files put their servers under.
var mcpWrappers = []string{"mcpServers", "mcp_servers", "servers"}

// mergeMCP joins the servers of a config file and of --mcp; the flag wins over the file, two flags
// with one name are an error.
func mergeMCP(file map[string]json.RawMessage, specs []string) (map[string]api.MCPServerConfig, error) {
	out := map[string]api.MCPServerConfig{}
	for name, raw := range file {
		s, err := mcpServer(raw)
		if err != nil {
			return nil, fmt.Errorf("mcp_servers.%s: %w", name, err)
		}
		out[name] = s
	}
	given := map[string]bool{}
	for _, spec := range specs {
		servers, err := parseMCP(spec)
		if err != nil {
			return nil, fmt.Errorf("--mcp: %w", err)
		}
		for name, s := range servers {
			if given[name] {
				return nil, fmt.Errorf("--mcp: two servers are named %q", name)
			}
			given[name], out[name] = true, s
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// parseMCP reads one --mcp value: a UUID, a file, a bare name, or JSON whose outer braces may be
// left out.
func parseMCP(spec string) (map[string]api.MCPServerConfig, error) {
	spec = strings.TrimSpace(spec)
	if uuid.Validate(spec) == nil && len(spec) == 36 {
		return map[string]api.MCPServerConfig{spec: {WarpId: spec}}, nil
	}
	text := []byte(spec)
	if b, err := os.ReadFile(spec); err == nil {
		text = b
	} else if isBare(spec) {
		return map[string]api.MCPServerConfig{spec: {WarpId: spec}}, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		wrapped := append(append([]byte("{"), text...), '}')
		if json.Unmarshal(wrapped, &members) != nil {
			return nil, fmt.Errorf("%w (want a UUID, a file or JSON)", err)
		}
		text = wrapped
	}
	for _, wrapper := range mcpWrappers {
		if inner, ok := members[wrapper]; ok && len(members) == 1 {
			if err := json.Unmarshal(inner, &members); err != nil {
				return nil, fmt.Errorf("%s: %w", wrapper, err)
			}
			delete(members, wrapper)
			break
		}
	}
	if single(members) {
		s, err := mcpServer(text)
		return map[string]api.MCPServerConfig{rand.Text(): s}, err
	}
	out := map[string]api.MCPServerConfig{}
	for name, raw := range members {
		s, err := mcpServer(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = s
	}
	if len(out) == 0 {
		return nil, errors.New("no server in it")
	}
	return out, nil
}

// single says whether the members are those of one server rather than servers by name.
func single(members map[string]json.RawMessage) bool {
	for _, key := range []string{"command", "url"} {
		if raw, ok := members[key]; ok && len(raw) > 0 && raw[0] == '"' {
			return true
		}
	}
	return false
}

// mcpServer reads and checks one server.
func mcpServer(raw json.RawMessage) (api.MCPServerConfig, error) {
	var s api.MCPServerConfig
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	n := 0
	for _, v := range []string{s.WarpId, s.Command, s.Url} {
		if strings.TrimSpace(v) != "" {
			n++
		}
	}
	if n != 1 {
		return s, errors.New("want exactly one of command, url and warp_id")
	}
	return s, nil
}
