package catalog

import (
	"net/url"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// Bounds on MCP servers: how many, bytes of one word of a definition, and words of one definition.
const (
	maxMCP      = 32
	maxMCPText  = 8192
	maxMCPWords = 512
)

// CheckMCP refuses MCP servers that no sandbox could start or reach, naming the one that is wrong.
func CheckMCP(field string, servers map[string]api.MCPServerConfig) error {
	if len(servers) > maxMCP {
		return api.Invalid(field, "may be at most %d", maxMCP)
	}
	for name, m := range servers {
		if name == "" {
			return api.Invalid(field, "a server needs a name")
		}
		if err := CheckWord(field, name, 128); err != nil {
			return err
		}
		if err := checkMCPServer(field+"."+name, m); err != nil {
			return err
		}
	}
	return nil
}

func checkMCPServer(field string, m api.MCPServerConfig) error {
	ways := 0
	for _, way := range []string{m.WarpId, m.Command, m.Url} {
		if way != "" {
			ways++
		}
		if err := CheckText(field, way, maxMCPText); err != nil {
			return err
		}
	}
	switch {
	case ways != 1:
		return api.Invalid(field, "needs exactly one of warp_id, command and url")
	case m.Command == "" && (len(m.Args) > 0 || len(m.Env) > 0):
		return api.Invalid(field, "args and env go with command only")
	case m.Url == "" && len(m.Headers) > 0:
		return api.Invalid(field, "headers go with url only")
	}
	if m.Url != "" {
		if u, err := url.Parse(m.Url); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return api.Invalid(field+".url", "must be an http or https URL")
		}
	}
	return checkMCPWords(field, m)
}

func checkMCPWords(field string, m api.MCPServerConfig) error {
	words := slices.Clone(m.Args)
	for k, v := range m.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			return api.Invalid(field+".env", "%.80q is not a variable name", k)
		}
		words = append(words, k, v)
	}
	for k, v := range m.Headers {
		if k == "" || strings.ContainsAny(k+v, "\r\n") {
			return api.Invalid(field+".headers", "%.80q is not a header", k)
		}
		words = append(words, k, v)
	}
	if len(words) > maxMCPWords {
		return api.Invalid(field, "has too many arguments, variables or headers")
	}
	for _, w := range words {
		if err := CheckText(field, w, maxMCPText); err != nil {
			return err
		}
	}
	return nil
}
