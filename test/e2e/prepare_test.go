package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/gittest"
)

// environment makes one with repositories and set-up commands.
func (w *world) environment(c api.CloudEnvironmentConfig) string {
	w.t.Helper()
	if c.Name == "" {
		c.Name = "env"
	}
	env, err := w.CreateEnvironment(w.ctx, api.EnvironmentRequest{Config: c})
	if err != nil {
		w.t.Fatal(err)
	}
	return env.Uid
}

func in(environment string) func(*api.RunAgentRequest) {
	return func(r *api.RunAgentRequest) { r.Config.EnvironmentId = environment }
}

// shareBuildCache lets agents use what this machine has compiled: the standard library anew would
// take most of the time. They may write caches where those really are; a link further down would lead
// out of bounds.
func (w *world) shareBuildCache() {
	w.t.Helper()
	cache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		w.t.Fatal(err)
	}
	real := strings.TrimSpace(string(cache))
	if filepath.Base(real) != "go-build" {
		return
	}
	if err := os.MkdirAll(w.home, 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(real), filepath.Join(w.home, ".cache")); err != nil {
		w.t.Fatal(err)
	}
}

// TestRealRepository clones over git's smart HTTP, sees a real test fail, fixes it, sees it pass,
// commits and pushes.
func TestRealRepository(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	repo := git.Repo("adder", map[string]string{
		"go.mod":      "module example.test/adder\n\ngo 1.21\n",
		"add.go":      "package adder\n\n// Add adds.\nfunc Add(a, b int) int { return a - b }\n",
		"add_test.go": "package adder\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {\n\tif Add(2, 2) != 4 {\n\t\tt.Fatal(\"wrong sum\")\n\t}\n}\n",
		"AGENTS.md":   "Run the tests.\n",
	})
	w := newWorld(t)
	w.shareBuildCache()
	w.work()
	env := w.environment(api.CloudEnvironmentConfig{
		DockerImage:   "debian:13",
		SourceRepos:   []api.SourceRepo{{Owner: "x", Repo: "adder", Url: repo}},
		SetupCommands: []string{"echo preparing && touch prepared", "cd adder && go vet ./..."},
	})
	id := w.start(script(
		say("Reproduce.", bash("go test ./...")),
		say("Fix.", call("edit_file", map[string]any{"path": "add.go", "old_text": "a - b", "new_text": "a + b"})),
		say("Check.", bash("go test ./... && ls ../prepared")),
		say("Commit.", bash("git switch -qc fix && git -c user.name=A -c user.email=a@b.invalid commit -qam 'add: add' && git push -q origin fix && git log --oneline -1")),
		say("Done."),
	), in(env))
	w.finish(id)
	r := w.results(id)
	if len(r) != 4 {
		t.Fatalf("%d results:\n%s", len(r), w.dump(id))
	}
	contains(t, "the failing test", r[0].Output, "wrong sum", "FAIL")
	contains(t, "the passing test", r[2].Output, "ok  \texample.test/adder", "../prepared")
	contains(t, "the commit", r[3].Output, "add: add")
	contains(t, "the pushed branch", gittest.Git(t, t.TempDir(), "ls-remote", repo), "refs/heads/fix")

	notices := ""
	for _, n := range of[api.Notice](w, id) {
		notices += n.Text + "\n"
	}
	contains(t, "the notices", notices, "debian:13 is not used")
	done := map[string]bool{}
	for _, p := range of[api.Phase](w, id) {
		if p.State == api.PhaseCompleted {
			done[p.Name] = true
		}
	}
	for _, name := range []string{"workspace", "clone adder", "setup 1 of 2", "setup 2 of 2"} {
		if !done[name] {
			t.Errorf("no phase %q was completed: %v", name, done)
		}
	}
	timeline, err := w.Timeline(w.ctx, id)
	if err != nil || len(timeline) < 8 {
		t.Errorf("timeline: %d events, %v", len(timeline), err)
	}
}

// TestFailingPhases: what goes wrong before the agent begins names the step, shows its output and
// says what to do, and is the user's to fix.
func TestFailingPhases(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.work()
	git := gittest.New(t)
	repo := git.Repo("good", map[string]string{"a": "b"})
	for name, c := range map[string]struct {
		env   api.CloudEnvironmentConfig
		phase string
		shows string
	}{
		"clone": {api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Owner: "x", Repo: "gone", Url: git.URL() + "/gone.git"}}},
			"clone gone", "not found"},
		"ref": {api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Owner: "x", Repo: "good", Url: repo, CheckoutRef: "no-such-branch"}}},
			"clone good", "no-such-branch"},
		"setup": {api.CloudEnvironmentConfig{SetupCommands: []string{"true", "echo compiling; echo 'missing: libfoo' >&2; exit 3"}},
			"setup 2 of 2", "missing: libfoo"},
	} {
		t.Run(name, func(t *testing.T) {
			c.env.Name = name
			id := w.start(script(say("Never said.")), in(w.environment(c.env)))
			run := w.reach(id, api.RunStateFAILED)
			contains(t, "the run's message", run.StatusMessage.Message, c.phase)
			if run.StatusMessage.ErrorCode != api.PlatformErrorCodeEnvironmentSetupFailed {
				t.Errorf("code %s", run.StatusMessage.ErrorCode)
			}
			var failed api.Phase
			for _, p := range of[api.Phase](w, id) {
				if p.State == api.PhaseFailed {
					failed = p
				}
			}
			if failed.Name != c.phase || failed.Advice == "" {
				t.Errorf("failed phase: %+v", failed)
			}
			contains(t, "its output", failed.Output, c.shows)
			if said := w.said(id); said != "" {
				t.Errorf("the agent said %q", said)
			}
		})
	}
}

// TestHostNobodyServes: a run for such a host waits, saying so, until a worker of it arrives.
func TestHostNobodyServes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.start(script(say("Here at last.")), func(r *api.RunAgentRequest) { r.Config.WorkerHost = "far-away" })
	w.until("the run to say what it waits for", func() bool {
		run := w.get(id)
		return run.Waiting.Code == api.WaitingCodeNoWorker && strings.Contains(run.Waiting.Message, `"far-away"`) && !run.Waiting.Since.IsZero()
	})
	w.work(named("far-away"))
	w.finish(id)
}
