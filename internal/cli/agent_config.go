package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/cadrehq/cadre/api"
)

// agentFile is an agent config file. Its keys are snake_case; an unknown one is an error.
type agentFile struct {
	Name               string                     `json:"name" yaml:"name"`
	EnvironmentID      string                     `json:"environment_id" yaml:"environment_id"`
	RunnerID           string                     `json:"runner_id" yaml:"runner_id"`
	ModelID            string                     `json:"model_id" yaml:"model_id"`
	BasePrompt         string                     `json:"base_prompt" yaml:"base_prompt"`
	MCPServers         map[string]json.RawMessage `json:"mcp_servers" yaml:"-"`
	MCPServersYAML     map[string]any             `json:"-" yaml:"mcp_servers"`
	Host               string                     `json:"host" yaml:"host"`
	ComputerUseEnabled *bool                      `json:"computer_use_enabled" yaml:"computer_use_enabled"`
	Permissions        api.PermissionProfile      `json:"permissions" yaml:"permissions"`
}

// readAgentFile reads an agent config file: by its ending JSON or YAML, else whichever it is.
func readAgentFile(path string) (agentFile, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return agentFile{}, fmt.Errorf("agent config file: %w", err)
	}
	var f agentFile
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		f, err = agentFileJSON(b)
	case ".yml", ".yaml":
		f, err = agentFileYAML(b)
	default:
		if f, err = agentFileJSON(b); err != nil {
			f, err = agentFileYAML(b)
		}
	}
	if err != nil {
		return agentFile{}, fmt.Errorf("agent config file %s: %w", path, err)
	}
	return f, nil
}

func agentFileJSON(b []byte) (agentFile, error) {
	var f agentFile
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return f, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return f, errors.New("more than one JSON value")
	}
	return f, nil
}

func agentFileYAML(b []byte) (agentFile, error) {
	var f agentFile
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil && !errors.Is(err, io.EOF) {
		return f, err
	}
	if f.MCPServersYAML != nil {
		f.MCPServers = map[string]json.RawMessage{}
		for name, server := range f.MCPServersYAML {
			raw, err := json.Marshal(server)
			if err != nil {
				return f, fmt.Errorf("mcp_servers.%s: %w", name, err)
			}
			f.MCPServers[name] = raw
		}
	}
	return f, nil
}

// agentFlags are what agent run and agent run-cloud have in common.
type agentFlags struct {
	prompt, savedPrompt            string
	skill, name, model, file       string
	environment, conversation      string
	harness                        string
	mcp, promptArguments           []string
	computerUse, noComputerUse     bool
	noSnapshot                     bool
	snapshotUpload, snapshotScript duration
}

func (f *agentFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVarP(&f.prompt, "prompt", "p", "", "what the agent shall do; - reads standard input. A leading /plan or /orchestrate sets the mode")
	f.registerSavedPrompt(fs)
	fs.StringVar(&f.skill, "skill", "", "skill `spec` to run: name, repo:name, owner/repo:name or a path of a SKILL.md")
	fs.StringVarP(&f.name, "name", "n", "", "config `name` of the run (default: the skill's)")
	fs.StringVar(&f.model, "model", "", "model `id`, see 'model list'")
	fs.StringVarP(&f.file, "file", "f", "", "agent config `file`, JSON or YAML; flags win over it")
	fromEnv(fs, "file", "CADRE_AGENT_CONFIG_FILE", "WARP_AGENT_CONFIG_FILE")
	fs.StringVarP(&f.environment, "environment", "e", "", "environment `id`")
	fs.StringVar(&f.conversation, "conversation", "", "continue the conversation with this `id`")
	fs.StringVar(&f.harness, "harness", "", "`program` that is the agent (default oz)")
	fs.StringArrayVar(&f.mcp, "mcp", nil, "MCP server `spec`: JSON, a file of it, or a UUID (repeatable)")
	fs.BoolVar(&f.computerUse, "computer-use", false, "let the agent use a desktop")
	fs.BoolVar(&f.noComputerUse, "no-computer-use", false, "do not")
	fs.BoolVar(&f.noSnapshot, "no-snapshot", false, "do not keep the workspace when the sandbox ends")
	fs.Var(&f.snapshotUpload, "snapshot-upload-timeout", "bound for storing the workspace, e.g. 2m")
	fs.Var(&f.snapshotScript, "snapshot-script-timeout", "bound for a snapshot's declaration script")
	c.MarkFlagsMutuallyExclusive("prompt", "saved-prompt")
	c.MarkFlagsMutuallyExclusive("computer-use", "no-computer-use")
}

func (f *agentFlags) registerSavedPrompt(fs *pflag.FlagSet) {
	fs.StringVar(&f.savedPrompt, "saved-prompt", "", "saved `prompt` to start from, by uid or name, see 'prompt list'")
	fs.StringArrayVar(&f.promptArguments, "prompt-argument", nil, "`name=value` for an argument of the saved prompt (repeatable)")
}

// arguments are those for the saved prompt.
func (f *agentFlags) arguments() (map[string]string, error) {
	if f.savedPrompt == "" && len(f.promptArguments) > 0 {
		return nil, usagef("--prompt-argument goes with --saved-prompt")
	}
	return pairs("prompt-argument", "=", f.promptArguments)
}

// harnessNames maps accepted spellings to the wire's.
var harnessNames = map[string]api.HarnessType{
	"oz": "oz", "claude": "claude", "claude-code": "claude", "opencode": "opencode", "open-code": "opencode",
	"gemini": "gemini", "codex": "codex", "acp": "acp", "command": "command",
}

// resolve makes the run's config of flags over file.
func (f *agentFlags) resolve() (api.AmbientAgentConfig, error) {
	var cfg api.AmbientAgentConfig
	var file agentFile
	if f.file != "" {
		var err error
		if file, err = readAgentFile(f.file); err != nil {
			return cfg, err
		}
	}
	cfg.Name = firstNonEmpty(f.name, file.Name)
	cfg.EnvironmentId = firstNonEmpty(f.environment, file.EnvironmentID)
	cfg.ModelId = firstNonEmpty(f.model, file.ModelID)
	cfg.RunnerId, cfg.BasePrompt, cfg.WorkerHost = file.RunnerID, file.BasePrompt, file.Host
	cfg.ComputerUseEnabled, cfg.Permissions = file.ComputerUseEnabled, file.Permissions
	if f.computerUse || f.noComputerUse {
		cfg.ComputerUseEnabled = &f.computerUse
	}
	if f.harness != "" {
		kind, ok := harnessNames[f.harness]
		if !ok {
			return cfg, usagef("--harness %q: want oz, claude, codex, gemini or opencode", f.harness)
		}
		cfg.Harness.Type = kind
		if kind != "oz" { // another harness has models of its own
			cfg.Harness.ModelId, cfg.ModelId = cfg.ModelId, ""
		}
	}
	var err error
	cfg.McpServers, err = mergeMCP(file.MCPServers, f.mcp)
	return cfg, err
}

// readPrompt takes the mode off the prompt; "-" reads standard input.
func (a *app) readPrompt(s string) (string, api.RunMode, error) {
	if s == "-" {
		var err error
		if s, err = a.message([]string{"-"}); err != nil {
			return "", "", err
		}
	}
	text, mode := splitMode(s)
	return text, mode, nil
}
