package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// cookieName is the variable that marks every process of an execution.
const cookieName = api.EnvExecutionID

// hidden are variables of our own surroundings that an agent's processes must not inherit: keys for
// the control plane and for models. Names are complete, or end in * for a prefix.
var hidden = []string{
	"CADRE_*", "WARP_API_KEY", "WARP_WORKLOAD_TOKEN", "OZ_API_KEY",
	"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY",
}

// environment is what every process of the agent gets.
func (r *execution) environment() ([]string, error) {
	env := map[string]string{}
	for _, entry := range r.cfg.Environ {
		name, value, ok := strings.Cut(entry, "=")
		if ok && name != "" && !isHidden(name) {
			env[name] = value
		}
	}
	a := r.assignment
	cli, err := r.cliPath()
	if err != nil {
		return nil, err
	}
	harness := string(a.Config.Harness.Type)
	if harness == "" {
		harness = defaultHarness
	}
	for name, value := range map[string]string{
		"RUN_ID": a.RunId, "PARENT_RUN_ID": a.ParentRunId, "CLI": cli, "HARNESS": harness, declarationsFile: r.declarationsPath(),
	} {
		if value == "" {
			continue
		}
		for _, prefix := range []string{"OZ_", "WARP_", "CADRE_"} {
			env[prefix+name] = value
		}
	}
	for _, name := range []string{"CADRE_API_KEY", "WARP_API_KEY"} {
		env[name] = r.cfg.Token
	}
	for _, name := range []string{"CADRE_SERVER_URL", "WARP_SERVER_ROOT_URL"} {
		env[name] = r.client.Root()
	}
	env[cookieName] = a.ExecutionId
	if root := value(r.cfg.Environ, api.EnvWorkerRoot); root != "" {
		env[api.EnvWorkerRoot] = root // by which the next worker finds what this one leaves
	}
	env["PATH"] = withDir(filepath.Dir(cli), env["PATH"])
	env["GIT_TERMINAL_PROMPT"], env["GH_PROMPT_DISABLED"] = "0", "1"
	if !r.cfg.Local {
		env["TMPDIR"] = r.at.tmp
		if env["GIT_CONFIG_GLOBAL"], err = r.gitConfig(); err != nil {
			return nil, err
		}
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list, nil
}

func isHidden(name string) bool {
	for _, h := range hidden {
		prefix, any := strings.CutSuffix(h, "*")
		if name == h || (any && strings.HasPrefix(name, prefix)) {
			return true
		}
	}
	return false
}

// cliPath is where the agent finds this program under the name that makes it speak the reference
// CLI's language: a link in a directory of its own, put on the PATH's end.
func (r *execution) cliPath() (string, error) {
	dir := filepath.Join(r.at.scratch, "bin")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the CLI's directory: %w", err)
	}
	for _, name := range []string{"cadre", "oz"} {
		path := filepath.Join(dir, name)
		if err := os.Symlink(r.cfg.Executable, path); err != nil && !os.IsExist(err) {
			return "", fmt.Errorf("link the CLI: %w", err)
		}
	}
	return filepath.Join(dir, "oz"), nil
}

func withDir(dir, path string) string {
	if path == "" {
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return path + string(os.PathListSeparator) + dir
}

// gitConfig writes the execution's own global git configuration. The agent may change it; the host's
// is left alone and unseen. Nothing is synced to the disk: what outlives the sandbox is its snapshot.
func (r *execution) gitConfig() (string, error) {
	path := filepath.Join(r.at.scratch, "gitconfig")
	const text = `[user]
	name = Cadre Agent
	email = agent@cadre.invalid
[init]
	defaultBranch = main
[core]
	fsync = none
[advice]
	detachedHead = false
[safe]
	directory = *
`
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the git configuration: %w", err)
	}
	return path, nil
}

// value looks a variable up in a list of "NAME=value".
func value(env []string, name string) string {
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}
