package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
)

func TestMCPSpecs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mcp.json")
	if err := os.WriteFile(file, []byte(`{"mcpServers":{"gh":{"url":"https://h/mcp","headers":{"A":"b"}}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	const uuid = "01a1f92f-460c-7135-b8a5-ce56f58f43c1"
	for spec, want := range map[string]map[string]api.MCPServerConfig{
		uuid:                                     {uuid: {WarpId: uuid}},
		"linear":                                 {"linear": {WarpId: "linear"}},
		file:                                     {"gh": {Url: "https://h/mcp", Headers: map[string]string{"A": "b"}}},
		`{"a":{"command":"x","args":["1"]}}`:     {"a": {Command: "x", Args: []string{"1"}}},
		`"a":{"command":"x"}`:                    {"a": {Command: "x"}},
		`{"mcp_servers":{"a":{"url":"http:/"}}}`: {"a": {Url: "http:/"}},
	} {
		got, err := parseMCP(spec)
		if err != nil {
			t.Errorf("%s: %v", spec, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", spec, diff)
		}
	}
	got, err := parseMCP(`{"command":"x"}`)
	if err != nil || len(got) != 1 {
		t.Errorf("one server without a name: %v, %v", got, err)
	}
	for _, spec := range []string{"", "{", "{}", `{"a":{}}`, `{"a":{"command":"x","url":"y"}}`, `{"a":{"command":["x"]}}`, `{"a":{"command":" "}}`, `{"a":[]}`} {
		if got, err := parseMCP(spec); err == nil {
			t.Errorf("%s: %v, want an error", spec, got)
		}
	}
}

func TestMergeMCP(t *testing.T) {
	file := map[string]json.RawMessage{"a": json.RawMessage(`{"url":"http://file"}`), "b": json.RawMessage(`{"url":"http://b"}`)}
	got, err := mergeMCP(file, []string{`{"a":{"url":"http://flag"}}`})
	want := map[string]api.MCPServerConfig{"a": {Url: "http://flag"}, "b": {Url: "http://b"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := mergeMCP(nil, []string{`{"a":{"url":"x"}}`, `{"a":{"url":"y"}}`}); err == nil {
		t.Error("two flags with one name were taken")
	}
}

func TestAgentFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const inJSON = `{"name":"n","model_id":"m","host":"h","computer_use_enabled":false,"permissions":{"default":"ask","deny":["bash(git push *)"]},"mcp_servers":{"a":{"url":"http://a"}}}`
	const inYAML = "name: n\nmodel_id: m\nhost: h\ncomputer_use_enabled: false\npermissions: {default: ask, deny: ['bash(git push *)']}\nmcp_servers: {a: {url: 'http://a'}}\n"
	off := false
	want := api.AmbientAgentConfig{Name: "flag", ModelId: "m", WorkerHost: "h", ComputerUseEnabled: &off,
		Permissions: api.PermissionProfile{Default: "ask", Deny: []string{"bash(git push *)"}},
		McpServers:  map[string]api.MCPServerConfig{"a": {Url: "http://a"}}}
	for _, path := range []string{write("a.json", inJSON), write("a.yaml", inYAML), write("a.yml", inYAML), write("plain", inJSON), write("plain2", inYAML)} {
		f := agentFlags{file: path, name: "flag"}
		got, err := f.resolve()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", path, err, diff)
		}
	}
	for _, path := range []string{write("b.json", `{"system_prompt":"x"}`), write("b.yaml", "system_prompt: x"), write("c.json", `{} {}`), filepath.Join(dir, "none")} {
		f := agentFlags{file: path}
		if _, err := f.resolve(); err == nil {
			t.Errorf("%s was taken", path)
		}
	}
}

func TestOtherHarnessesHaveModelsOfTheirOwn(t *testing.T) {
	f := agentFlags{harness: "claude-code", model: "opus"}
	got, err := f.resolve()
	if err != nil || got.ModelId != "" || got.Harness.Type != "claude" || got.Harness.ModelId != "opus" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWorkerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := &app{Program: Program{Getenv: func(n string) string { return map[string]string{"FROM_US": "us"}[n] }, Environ: func() []string { return nil }}}
	a.settings.apiKey, a.settings.server = "k", "http://h"
	write("worker_id: w\nmax_concurrent_tasks: 3\nidle_on_complete: 45m\nbackend:\n  direct:\n    workspace_root: /tmp/x\n    environment: [{name: A, value: b}, {name: FROM_US}]\n")
	cfg, err := a.workerConfig(workerFlags{configFile: path, maxTasks: 5})
	if err != nil || cfg.WorkerID != "w" || cfg.MaxConcurrent != 5 || cfg.IdleOnComplete.Minutes() != 45 || cfg.Backend.Name() != "direct" {
		t.Errorf("%+v, %v", cfg, err)
	}
	env, err := workerEnv([]environment{{Name: "A"}, {Name: "FROM_US"}}, []string{"A=flag"}, a.Getenv)
	if diff := cmp.Diff(map[string]string{"A": "flag", "FROM_US": "us"}, env); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for _, text := range []string{"log_level: info", "backend: {docker: {volumes: []}}", "backend: {direct: {}, command: {}}", "idle_on_complete: soon", "backend: {direct: {nope: 1}}", "backend: {direct: {environment: [{value: x}]}}"} {
		write(text)
		if _, err := a.workerConfig(workerFlags{configFile: path}); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	for _, name := range []string{"docker", "kubernetes", "command", "moon"} {
		if _, err := a.workerConfig(workerFlags{backend: name}); err == nil {
			t.Errorf("backend %s was taken", name)
		}
	}
}
