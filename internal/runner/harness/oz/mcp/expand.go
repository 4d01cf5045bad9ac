package mcp

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cadrehq/cadre/api"
)

var placeholder = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}|\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts values of the environment where {{NAME}} or ${NAME} stand. A name without a value is
// an error: the server would start with a wrong configuration.
func expand(c api.MCPServerConfig, env []string) (api.MCPServerConfig, error) {
	values := map[string]string{}
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		values[k] = v
	}
	var missing string
	one := func(s string) string {
		return placeholder.ReplaceAllStringFunc(s, func(m string) string {
			sub := placeholder.FindStringSubmatch(m)
			name := sub[1] + sub[2]
			if values[name] == "" && missing == "" {
				missing = name
			}
			return values[name]
		})
	}
	out := api.MCPServerConfig{Command: one(c.Command), Url: one(c.Url), WarpId: c.WarpId}
	for _, a := range c.Args {
		out.Args = append(out.Args, one(a))
	}
	out.Env, out.Headers = eachValue(c.Env, one), eachValue(c.Headers, one)
	if missing != "" {
		return api.MCPServerConfig{}, fmt.Errorf("its configuration needs %s, which is missing or empty in the environment", missing)
	}
	return out, nil
}

func eachValue(m map[string]string, f func(string) string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = f(v)
	}
	return out
}

func pairs(m map[string]string) []string {
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	return out
}

// lookPath finds a command in the PATH of the sandbox, which may differ from the runner's.
func lookPath(name string, env []string) (string, error) {
	if strings.ContainsRune(name, filepath.Separator) {
		return name, nil
	}
	path := ""
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = v
		}
	}
	for _, dir := range filepath.SplitList(path) {
		full := filepath.Join(dir, name)
		if fi, err := os.Stat(full); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return full, nil
		}
	}
	return "", os.ErrNotExist
}
