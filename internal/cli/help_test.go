package cli

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write golden files")

// invoke carries a command line out in this process, in a world of its own.
func invoke(t *testing.T, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := Program{
		Args: args, Version: "test", Stdin: strings.NewReader(env["stdin"]), Stdout: &out, Stderr: &errs,
		Getenv: func(name string) string { return env[name] }, Environ: func() []string { return nil },
	}
	code = p.Main(context.Background())
	return code, out.String(), errs.String()
}

// tree calls visit with every command that a user can find, groups included.
func tree(t *testing.T, visit func(c *cobra.Command)) {
	t.Helper()
	a := &app{Program: Program{Args: []string{"cadre"}}}
	root := a.root()
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		visit(c)
		for _, sub := range c.Commands() {
			if sub.Name() != "help" {
				walk(sub)
			}
		}
	}
	walk(root)
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./internal/cli -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestHelpOfEveryCommand(t *testing.T) {
	tree(t, func(c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath()), "--help")
		code, out, errs := invoke(t, nil, args...)
		if code != 0 || errs != "" {
			t.Errorf("%v: exit %d, %s", args, code, errs)
		}
		golden(t, "help/"+strings.ReplaceAll(c.CommandPath(), " ", "-")+".txt", out)
	})
}

func TestEveryCommandExplainsItself(t *testing.T) {
	tree(t, func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s has no short help", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short help ends in a full stop", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s has no help", c.CommandPath(), f.Name)
			}
		})
	})
}

func TestUsageErrorsExit2(t *testing.T) {
	for _, line := range []string{
		"cadre frob", "cadre run", "cadre run frob", "cadre run list --frob", "cadre run list --state frob", "cadre run list --created-after yesterday",
		"cadre run get", "cadre run get a b", "cadre whoami x", "cadre run list --jq [", "cadre --output-format xml version",
		"cadre environment create", "cadre agent run-cloud", "cadre agent run", "cadre agent run --prompt x --saved-prompt y",
		"cadre agent run-cloud --prompt x --profile p", "cadre agent run-cloud --prompt x --cwd .", "cadre agent run-cloud --prompt x --share team",
		"cadre agent run-cloud --prompt x --sandboxed", "cadre agent run --task-id t --prompt p", "cadre agent run --bedrock-inference-role r --prompt x",
		"cadre agent run --prompt x --share nobody", "cadre agent run --prompt x --skip-initial-turn",
		"cadre agent run --task-id t --skip-initial-turn", "cadre agent run --task-id t --repository-head-override-json {}", "cadre run approve --deny --always x",
		"cadre up --lease soon", "cadre server", "cadre config set nope x", "cadre config set output_format xml",
		"cadre completion tcsh", "cadre environment create -n x -r nope", "cadre environment create -n x -r https://u:p@h/a/b",
	} {
		code, _, errs := invoke(t, map[string]string{"CADRE_API_KEY": "k"}, strings.Fields(line)...)
		if code != exitUsage {
			t.Errorf("%q: exit %d, want 2: %s", line, code, errs)
		}
		if strings.Contains(errs, "u:p@") {
			t.Errorf("%q shows a password: %s", line, errs)
		}
	}
}

func TestWithoutAKeyTheErrorSaysWhatToDo(t *testing.T) {
	code, _, errs := invoke(t, nil, "cadre", "run", "list")
	want := "not logged in: no API key is set\n=> log in with 'cadre login', set CADRE_API_KEY, or start a server of your own with 'cadre up'\n"
	if code != exitFailure || errs != want {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestNobodyListensSaysWhatToDo(t *testing.T) {
	code, _, errs := invoke(t, map[string]string{"CADRE_API_KEY": "k", "CADRE_SERVER_URL": "http://127.0.0.1:1"}, "cadre", "run", "cancel", "x")
	if code != exitFailure || !strings.HasPrefix(errs, "no answer from http://127.0.0.1:1\n=> ") || !strings.Contains(errs, "cadre up") {
		t.Errorf("exit %d, %q", code, errs)
	}
}

func TestVersionFlags(t *testing.T) {
	for _, flag := range []string{"--version", "-V", "version"} {
		if code, out, _ := invoke(t, nil, "cadre", flag); code != 0 || out != "test\n" {
			t.Errorf("%s: exit %d, %q", flag, code, out)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		for _, name := range []string{"completion", "completions"} {
			if code, out, errs := invoke(t, nil, "cadre", name, shell); code != 0 || len(out) < 1000 {
				t.Errorf("%s %s: exit %d, %d bytes, %s", name, shell, code, len(out), errs)
			}
		}
	}
	if code, out, _ := invoke(t, map[string]string{"SHELL": "/usr/bin/fish"}, "cadre", "completion"); code != 0 || !strings.Contains(out, "fish completion") {
		t.Errorf("exit %d from $SHELL", code)
	}
}
