package demo

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// clone clones the served showcase with the real git.
func clone(t *testing.T) string {
	t.Helper()
	repo, err := ServeRepository(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := repo.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(repo.dir); !os.IsNotExist(err) {
			t.Errorf("the repository was left behind: %v", err)
		}
	})
	dir := filepath.Join(t.TempDir(), "clone")
	run(t, ".", true, "git", "clone", "--quiet", repo.URL, dir)
	return dir
}

func run(t *testing.T, dir string, ok bool, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
	out, err := cmd.CombinedOutput()
	if (err == nil) != ok {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestScriptFixesTheShowcase carries the script's tool calls out by hand: the test must fail first,
// and pass after the edits.
func TestScriptFixesTheShowcase(t *testing.T) {
	dir := clone(t)
	var turns []struct {
		ToolCalls []struct {
			Name  string         `yaml:"name"`
			Input map[string]any `yaml:"input"`
		} `yaml:"tool_calls"`
	}
	if err := yaml.Unmarshal([]byte(script), &turns); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, turn := range turns {
		for _, call := range turn.ToolCalls {
			switch call.Name {
			case "bash":
				out := run(t, dir, commands > 0, "bash", "-c", call.Input["command"].(string))
				if commands == 0 && !strings.Contains(out, "FAIL: TestNewest/two_digits") {
					t.Errorf("the test does not fail as told:\n%s", out)
				}
				commands++
			case "edit_file":
				path := filepath.Join(dir, call.Input["path"].(string))
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				old := call.Input["old_text"].(string)
				if n := strings.Count(string(b), old); n != 1 {
					t.Fatalf("old_text occurs %d times: %q", n, old)
				}
				b = []byte(strings.Replace(string(b), old, call.Input["new_text"].(string), 1))
				if err := os.WriteFile(path, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if commands != 3 {
		t.Errorf("%d commands", commands)
	}
	patch, err := os.ReadFile(filepath.Join(dir, "order-by-number.patch"))
	if err != nil || !strings.Contains(string(patch), "diff --git a/releases.go") {
		t.Errorf("patch: %v\n%s", err, patch)
	}
}

func TestLoopback(t *testing.T) {
	for root, want := range map[string]bool{
		"http://127.0.0.1:1": true, "http://localhost:1": true, "http://[::1]:1": true, "http://0.0.0.0:1": true,
		"http://10.0.0.1": false, "https://cadre.example.com": false, "://": false,
	} {
		if OnThisMachine(root) != want {
			t.Errorf("OnThisMachine(%q) = %v", root, !want)
		}
	}
}
