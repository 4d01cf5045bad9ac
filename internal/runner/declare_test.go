package runner_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner"
	"github.com/cadrehq/cadre/internal/runner/gittest"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// What a run declares, by a script and by the file that the agent is told of, is kept beside the
// workspace and comes back where it was.
func TestDeclaredFilesComeBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	outside := t.TempDir()
	file, side, repo := filepath.Join(outside, "deep", "state.db"), filepath.Join(outside, "by script"), filepath.Join(outside, "tools")
	script := filepath.Join(t.TempDir(), "declare")
	mustWrite(t, script, fmt.Sprintf("#!/bin/sh\necho '{\"version\":1,\"kind\":\"file\",\"path\":%q}'\necho nonsense\n", side))
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	first := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		out, err := shell(ctx, h, fmt.Sprintf(`set -e; mkdir -p %[1]q; echo state >%[2]q; chmod 640 %[2]q; echo side >%[3]q
			git init -q %[4]q; cd %[4]q; echo one >f; git add f; git commit -qm one; echo two >f
			printf '{"version":1,"kind":"file","path":"%%s"}\n{"version":1,"kind":"repo","path":"%%s"}\n{"version":1,"kind":"file","path":"%%s/f"}\n{"version":2}\n' %[2]q %[4]q %[4]q >$OZ_SNAPSHOT_DECLARATIONS_FILE`,
			filepath.Dir(file), file, side, repo))
		if err != nil {
			t.Errorf("%v %s", err, out)
		}
		return succeeded, nil
	}}
	cfg := config(t, s, first)
	cfg.Environ = append(cfg.Environ, "OZ_SNAPSHOT_DECLARATIONS_SCRIPT="+script)
	run(t, cfg)
	if len(s.ended) != 1 || s.ended[0].SnapshotBlobId == "" {
		t.Fatalf("ended %+v", s.ended)
	}
	told := fmt.Sprint(of[api.Notice](s))
	for _, want := range []string{"what the script declares: line 2: not a JSON object", "snapshot-declarations.jsonl: line 4: version 2, want 1"} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not told: %s", want, told)
		}
	}
	if err := os.RemoveAll(outside); err != nil {
		t.Fatal(err)
	}
	s.assignment.SnapshotUrl = s.http.URL + "/blob/" + s.ended[0].SnapshotBlobId
	s.assignment.ExecutionId, s.assignment.Execution, s.assignment.NextIndex = rand.Text(), 2, int64(len(s.entries))
	run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		out, err := shell(ctx, h, fmt.Sprintf("stat -c %%a %[1]q; cat %[1]q %[2]q; cd %[3]q; git log --format=%%s; git status --porcelain; cat f", file, side, repo))
		if want := "640\nstate\nside\none\n M f\ntwo\n"; err != nil || out != want {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
		return succeeded, nil
	}}))
}

// A script that does not end is stopped, told, and does not keep the workspace from being kept.
func TestDeclarationScriptThatHangs(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	script := filepath.Join(t.TempDir(), "declare")
	mustWrite(t, script, "#!/bin/sh\nexec sleep 600\n")
	if err := os.Chmod(script, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		_, err := shell(ctx, h, "echo x >kept")
		return succeeded, err
	}})
	cfg.Environ = append(cfg.Environ, "CADRE_SNAPSHOT_DECLARATIONS_SCRIPT="+script)
	cfg.SnapshotScriptTimeout = 50 * time.Millisecond
	if result := run(t, cfg); result.State != api.RunStateSUCCEEDED || len(s.snapshots) != 1 {
		t.Errorf("result %+v, snapshots %v", result, s.snapshots)
	}
	if told := fmt.Sprint(of[api.Notice](s)); !strings.Contains(told, "stopped after 50ms") {
		t.Errorf("told %s", told)
	}
}

// A pipe where declarations are looked for is told, and waited for by nobody.
func TestDeclarationsThatAreAPipe(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	pipe := filepath.Join(t.TempDir(), "declarations")
	cfg := config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		_, err := shell(ctx, h, "echo x >kept; mkfifo $OZ_SNAPSHOT_DECLARATIONS_FILE")
		return succeeded, err
	}})
	cfg.Environ = append(cfg.Environ, "OZ_SNAPSHOT_DECLARATIONS_FILE="+pipe)
	stuck := time.AfterFunc(20*time.Second, func() {
		t.Error("the run waits for somebody to write into the pipe")
		if f, err := os.OpenFile(pipe, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
	})
	defer stuck.Stop()
	if result := run(t, cfg); result.State != api.RunStateSUCCEEDED || len(s.snapshots) != 1 {
		t.Errorf("result %+v, snapshots %v", result, s.snapshots)
	}
	if told := fmt.Sprint(of[api.Notice](s)); !strings.Contains(told, "not a regular file") {
		t.Errorf("told %s", told)
	}
}

// A run begins from the commit or branch asked for, whatever the environment says, and without its
// remotes when these are to go.
func TestHeads(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	url := git.Repo("app", map[string]string{"f": "one"})
	dir := t.TempDir()
	gittest.Git(t, dir, "clone", "-q", url, ".")
	first := gittest.Git(t, dir, "rev-parse", "HEAD")
	gittest.Git(t, dir, "push", "-q", "origin", "HEAD:refs/heads/side")
	git.Commit(url, "second", map[string]string{"f": "two"})
	head := func(owner, kind, value string) runner.Head {
		h, err := runner.ParseHead(fmt.Sprintf(`{"code_forge":"GITHUB","repo_owner":%q,"repo_name":"app","head":{"type":%q,"value":%q}}`, owner, kind, value))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	for _, c := range []struct {
		head runner.Head
		want string
	}{
		{head("acme", "COMMIT_SHA", first), "one" + first + "|"},
		{head("ACME", "BRANCH", "side"), "oneside|"},
		{head("other", "BRANCH", "side"), ""},
	} {
		s := newServer(t)
		s.assignment.Environment.SourceRepos = []api.SourceRepo{{Owner: "acme", Repo: "app", Url: url, CheckoutRef: "main"}}
		got := ""
		cfg := config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (out harness.Outcome, err error) {
			got, err = shell(ctx, h, "printf %s $(cat f)$(git symbolic-ref --short -q HEAD || git rev-parse HEAD)'|'$(git remote; git branch -r)")
			return succeeded, err
		}})
		cfg.Heads, cfg.RemoveOrigins = []runner.Head{c.head}, true
		result := run(t, cfg)
		if got != c.want {
			t.Errorf("%+v: began from %q, want %q", c.head, got, c.want)
		}
		if c.want == "" && (result.State != api.RunStateFAILED || !strings.Contains(result.Message, "other/app")) {
			t.Errorf("a repository that is not there: %+v", result)
		}
	}
}

func TestParseHead(t *testing.T) {
	t.Parallel()
	sha := strings.Repeat("0123456789", 4)
	for text, wrong := range map[string]string{
		`{`:  "JSON",
		`[]`: "JSON",
		`{}`: "code_forge",
		`{"code_forge":"SVN","repo_owner":"o","repo_name":"r","head":{"type":"BRANCH","value":"b"}}`:                              "code_forge",
		`{"code_forge":"GITHUB","repo_name":"r","head":{"type":"BRANCH","value":"b"}}`:                                            "repo_owner",
		`{"code_forge":"GITHUB","repo_owner":"o","head":{"type":"BRANCH","value":"b"}}`:                                           "repo_name",
		`{"code_forge":"GITHUB","repo_owner":"o","repo_name":"r","head":{"type":"TAG","value":"b"}}`:                              "head.type",
		`{"code_forge":"GITHUB","repo_owner":"o","repo_name":"r","head":{"type":"BRANCH","value":"--upload-pack=x"}}`:             "head.value",
		`{"code_forge":"GITHUB","repo_owner":"o","repo_name":"r","head":{"type":"COMMIT_SHA","value":"HEAD"}}`:                    "head.value",
		`{"code_forge":"GITHUB","repo_owner":"o","repo_name":"r","head":{"type":"COMMIT_SHA","value":"` + sha[:38] + `AB"}}`:      "head.value",
		`{"code_forge":"GITLAB","repo_owner":"o","repo_name":"r.git","head":{"type":"COMMIT_SHA","value":"` + sha + `"},"new":1}`: "",
	} {
		h, err := runner.ParseHead(text)
		if (err == nil) != (wrong == "") || err != nil && !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %+v, %v, want %q named", text, h, err, wrong)
		}
		if err == nil && (h.Commit != sha || h.Repo != "r") {
			t.Errorf("%s: %+v", text, h)
		}
	}
}

// Where the initial turn is skipped the sandbox is made ready and waits; the agent works once a message
// came. A run that had begun goes on at once.
func TestSkippedInitialTurn(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		c, _ := h.Inbox.Take(nil)
		return succeeded, say(ctx, h, "turn "+c.Text)
	}}
	cfg := config(t, s, a)
	idle := 300 * time.Millisecond
	cfg.SkipInitialTurn, cfg.IdleOnComplete = true, &idle
	go func() {
		s.await("the sandbox to be ready", func() bool { return len(s.statesLocked()) == 2 })
		s.send(api.Command{Kind: api.CommandKindFollowUp, Text: "begin"})
	}()
	run(t, cfg)
	if diff := cmp.Diff([]string{"turn begin"}, texts(s)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]api.RunState{"INPROGRESS", "SUCCEEDED", "INPROGRESS", "SUCCEEDED"}, s.states()); diff != "" {
		t.Error(diff)
	}
	begun := newServer(t)
	begun.record(slices.Concat([]api.EntryData{api.UserMessage{Text: "do it"}}, did("a", "bash", api.ActionCategoryCommand, `{}`, false), lostIt)...)
	cfg = config(t, begun, a)
	cfg.SkipInitialTurn, cfg.IdleOnComplete = true, new(time.Duration)
	run(t, cfg)
	if diff := cmp.Diff([]string{"turn "}, texts(begun)); diff != "" {
		t.Errorf("a run that had begun: %s", diff)
	}
}
