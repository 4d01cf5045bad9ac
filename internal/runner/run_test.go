package runner_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner"
	"github.com/cadrehq/cadre/internal/runner/gittest"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/link"
)

const token = "run-token-0123456789abcdef"

func TestMain(m *testing.M) {
	if os.Getenv("RUNNER_TEST_CHILD") != "" {
		child()
		return
	}
	if os.Getenv("RUNNER_TEST_REAL") != "" {
		realChild()
		return
	}
	goleak.VerifyTestMain(m)
}

// agent is a harness made of functions.
type agent struct {
	start func(harness.Session) error
	turn  func(ctx context.Context, s harness.Session) (harness.Outcome, error)

	mu      sync.Mutex
	session harness.Session
	closed  int
}

func (*agent) Name() api.HarnessType { return "oz" }

func (a *agent) Start(_ context.Context, s harness.Session) (harness.Agent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.session = s
	if a.start != nil {
		if err := a.start(s); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *agent) Turn(ctx context.Context) (harness.Outcome, error) { return a.turn(ctx, a.session) }

func (a *agent) Close(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed++
	return nil
}

var succeeded = harness.Outcome{State: api.RunStateSUCCEEDED}

func say(ctx context.Context, s harness.Session, text string) error {
	_, err := s.Sink.Append(ctx, api.MakeEntry(time.Now(), api.AgentMessage{Text: text}))
	return err
}

// shell runs a command as the agent would.
func shell(ctx context.Context, s harness.Session, text string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", text)
	cmd.Dir, cmd.Env = s.Dir, s.Env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func config(t testing.TB, s *server, h harness.Harness) runner.Config {
	t.Helper()
	return runner.Config{
		ServerURL: s.http.URL, Token: token, Dir: filepath.Join(t.TempDir(), "x"), Harnesses: []harness.Harness{h},
		Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "ANTHROPIC_API_KEY=model-key", "CADRE_BOOTSTRAP_API_KEY=admin-key"},
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)), Managed: true, Backend: "direct", Grace: 2 * time.Second,
		Retry: link.Backoff{First: time.Millisecond, Most: 20 * time.Millisecond},
	}
}

// run carries an execution out and checks that it left nothing running.
func run(t testing.TB, cfg runner.Config) runner.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	result, err := runner.Run(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestEmptyRun(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := &agent{turn: func(ctx context.Context, s harness.Session) (harness.Outcome, error) {
		return succeeded, say(ctx, s, "done")
	}}
	result := run(t, config(t, s, a))
	if result.State != api.RunStateSUCCEEDED || result.Over || result.Stopped {
		t.Errorf("result %+v", result)
	}
	if diff := cmp.Diff([]api.RunState{api.RunStateINPROGRESS, api.RunStateSUCCEEDED}, s.states()); diff != "" {
		t.Error(diff)
	}
	if len(s.ended) != 1 || s.ended[0].SnapshotBlobId != "" {
		t.Errorf("ended %+v", s.ended)
	}
	var names []string
	for _, p := range of[api.Phase](s) {
		names = append(names, p.Name+" "+string(p.State))
	}
	if diff := cmp.Diff([]string{"workspace completed", "harness oz completed"}, names); diff != "" {
		t.Error(diff)
	}
	if a.closed == 0 {
		t.Error("the agent was not closed")
	}
}

func TestCloneSetupAndEnvironment(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	url := git.Repo("app", map[string]string{"main.go": "package main\n"})
	s := newServer(t)
	s.assignment.ParentRunId = "parent"
	s.assignment.Environment = api.CloudEnvironmentConfig{
		DockerImage: "ubuntu:24.04", SourceRepos: []api.SourceRepo{{Owner: "o", Repo: "app", Url: url}},
		SetupCommands: []string{"cd app && echo set up > setup.txt && pwd"},
	}
	s.blobs["att"] = []byte("attached")
	s.assignment.Attachments = []api.RunnerAttachment{
		{Id: "a1", FileName: "../../etc/passwd", DownloadUrl: s.http.URL + "/blob/att"},
		{Id: "a2", FileName: "passwd", DownloadUrl: "/blob/att"},
	}
	var env string
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		var err error
		env, err = shell(ctx, h, "env; cat setup.txt; git status --porcelain; test -x $OZ_CLI && echo cli ok; which oz")
		if err != nil {
			t.Errorf("%v: %s", err, env)
		}
		for _, f := range h.Attachments.All() {
			if b, err := os.ReadFile(f.Path); err != nil || string(b) != "attached" || !strings.HasPrefix(f.Path, h.Workdir+"/.cadre/") {
				t.Errorf("attachment %+v: %q %v", f, b, err)
			}
		}
		if filepath.Base(h.Dir) != "app" || filepath.Dir(h.Dir) != h.Workdir {
			t.Errorf("works in %s", h.Dir)
		}
		return succeeded, say(ctx, h, "the token is "+token)
	}}
	cfg := config(t, s, a)
	run(t, cfg)
	for _, want := range []string{
		"OZ_RUN_ID=" + s.assignment.RunId, "CADRE_PARENT_RUN_ID=parent", "OZ_HARNESS=oz", "WARP_API_KEY=" + token, "CADRE_API_KEY=" + token,
		"CADRE_SERVER_URL=" + s.http.URL, "CADRE_EXECUTION_ID=" + s.assignment.ExecutionId, "GIT_TERMINAL_PROMPT=0", "set up", "?? setup.txt", "cli ok", "/bin/oz",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("no %q in the agent's environment:\n%s", want, env)
		}
	}
	for _, secret := range []string{"model-key", "admin-key"} {
		if strings.Contains(env, secret) {
			t.Errorf("the agent sees %s", secret)
		}
	}
	if text := s.dump(); strings.Contains(text, token) || !strings.Contains(text, "[redacted]") {
		t.Errorf("the token was not redacted:\n%s", text)
	}
	if !slices.ContainsFunc(of[api.Notice](s), func(n api.Notice) bool {
		return strings.Contains(n.Text, "ubuntu:24.04") && strings.Contains(n.Text, "not used")
	}) {
		t.Error("nothing says that the image was not used")
	}
	phases := of[api.Phase](s)
	i := slices.IndexFunc(phases, func(p api.Phase) bool { return p.Name == "setup 1 of 1" && p.State == api.PhaseCompleted })
	if i < 0 || !strings.Contains(phases[i].Output, "/workspace/app") || phases[i].Command == "" {
		t.Errorf("phases %+v", phases)
	}
}

func TestFailingStepsNameThemselves(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	url := git.Repo("app", map[string]string{"f": "x"})
	for name, c := range map[string]struct {
		env   api.CloudEnvironmentConfig
		start error
		code  api.PlatformErrorCode
		state api.RunState
		words []string
	}{
		"clone":     {env: api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Repo: "none", Url: git.URL() + "/none.git"}}}, words: []string{"clone none", "git clone", "Check"}},
		"setup":     {env: api.CloudEnvironmentConfig{SetupCommands: []string{"true", "echo wrong >&2; exit 3"}}, words: []string{"setup 2 of 2", "exit status 3"}},
		"collision": {env: api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Repo: "app", Url: url}, {Repo: "app", Url: git.URL() + "/other.git"}}}, words: []string{"two repositories"}},
		"ref":       {env: api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Repo: "app", Url: url, CheckoutRef: "nope"}}}, words: []string{`no branch, tag or commit "nope"`}},
		"scheme":    {env: api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Repo: "app", Url: "ext::sh -c id"}}}, words: []string{"cannot be cloned"}},
		"option":    {env: api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Repo: "app", Url: url, CheckoutRef: "--orphan"}}}, words: []string{"not a branch"}},
		"mcp":       {start: api.Fail(api.PlatformErrorCodeEnvironmentSetupFailed, "MCP server x did not start"), words: []string{"harness oz", "MCP server x"}},
		"agent":     {start: errors.New("no such program"), code: api.PlatformErrorCodeAgentProcessFailed, state: api.RunStateERROR, words: []string{"no such program"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.assignment.Environment = c.env
			a := &agent{start: func(harness.Session) error { return c.start }, turn: func(context.Context, harness.Session) (harness.Outcome, error) {
				t.Error("the agent was started")
				return succeeded, nil
			}}
			result := run(t, config(t, s, a))
			if c.code == "" {
				c.code, c.state = api.PlatformErrorCodeEnvironmentSetupFailed, api.RunStateFAILED
			}
			if len(s.reports) != 1 || s.reports[0].State != c.state || s.reports[0].ErrorCode != c.code || result.State != c.state {
				t.Fatalf("reports %+v", s.reports)
			}
			for _, word := range c.words {
				if !strings.Contains(s.reports[0].Message, word) {
					t.Errorf("%q is not in %q", word, s.reports[0].Message)
				}
			}
			phases := of[api.Phase](s)
			if last := phases[len(phases)-1]; last.State != api.PhaseFailed || last.Output == "" {
				t.Errorf("last phase %+v", last)
			}
			if len(s.ended) != 1 {
				t.Errorf("ended %+v", s.ended)
			}
		})
	}
}

func TestCheckoutOfBranchTagAndCommit(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	url := git.Repo("app", map[string]string{"f": "one"})
	dir := t.TempDir()
	gittest.Git(t, dir, "clone", "-q", url, ".")
	first := gittest.Git(t, dir, "rev-parse", "HEAD")
	gittest.Git(t, dir, "push", "-q", "origin", "HEAD:refs/heads/side", "HEAD:refs/tags/v1", "HEAD:refs/pull/7/head")
	git.Commit(url, "second", map[string]string{"f": "two"})
	for _, ref := range []string{"side", "v1", first, "refs/pull/7/head"} {
		s := newServer(t)
		s.assignment.Environment.SourceRepos = []api.SourceRepo{{Repo: "app", Url: url, CheckoutRef: ref}}
		run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
			out, err := shell(ctx, h, "cat f")
			if err != nil || out != "one" {
				t.Errorf("%s: %q %v", ref, out, err)
			}
			return succeeded, nil
		}}))
	}
}

// Every entry arrives once and in order, however often the link breaks, before or after the server
// stored a batch.
func TestServerAwayLosesNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.away = 3
	const n = 60
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		var all sync.WaitGroup
		for i := range n {
			if i%10 == 0 {
				s.change(func() { s.away += 2 })
			}
			if i%3 == 0 {
				if err := say(ctx, h, string(rune('0'+i))); err != nil {
					return harness.Outcome{}, err
				}
				continue
			}
			all.Go(func() { _ = say(ctx, h, "side") })
		}
		all.Wait()
		return succeeded, nil
	}}
	run(t, config(t, s, a))
	var order []string
	side := 0
	for _, m := range of[api.AgentMessage](s) {
		if m.Text == "side" {
			side++
		} else {
			order = append(order, m.Text)
		}
	}
	if len(order) != n/3 || side != n-n/3 || !slices.IsSorted(order) {
		t.Errorf("%d in order %v, %d beside", len(order), order, side)
	}
}

func TestSupersededKillsEverything(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		if out, err := shell(ctx, h, escape(pidFile)); err != nil {
			t.Errorf("%v %s", err, out)
		}
		s.change(func() { s.over = true })
		err := say(ctx, h, "too late")
		return harness.Outcome{}, err
	}}
	cfg := config(t, s, a)
	result := run(t, cfg)
	if !result.Over || result.State != "" {
		t.Errorf("result %+v", result)
	}
	gone(t, pidFile)
	if len(s.ended) != 0 {
		t.Errorf("a superseded execution was ended: %+v", s.ended)
	}
}

// escape starts a process that leaves its group, its session and its parent, and ignores SIGTERM.
func escape(pidFile string) string {
	return `setsid bash -c 'trap "" TERM; (trap "" TERM; echo $BASHPID >` + pidFile + `; while :; do sleep 1; done) & disown' </dev/null >/dev/null 2>&1
	while ! test -s ` + pidFile + `; do sleep 0.01; done`
}

func gone(t testing.TB, pidFile string) {
	t.Helper()
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(b)) + "/stat")
	if err == nil && !strings.Contains(string(stat), ") Z ") {
		t.Errorf("process %s is still there: %s", b, stat)
	}
}

func TestCancelKillsKeepsAndEnds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		mustWrite(t, filepath.Join(h.Workdir, "half"), "done")
		if out, err := shell(ctx, h, escape(pidFile)); err != nil {
			t.Errorf("%v %s", err, out)
		}
		s.send(api.Command{Kind: api.CommandKindCancel})
		<-ctx.Done()
		return harness.Outcome{}, context.Cause(ctx)
	}}
	result := run(t, config(t, s, a))
	if !result.Over {
		t.Errorf("result %+v", result)
	}
	gone(t, pidFile)
	if len(s.ended) != 1 || s.ended[0].Reason != "cancelled" || s.ended[0].SnapshotBlobId == "" {
		t.Errorf("ended %+v", s.ended)
	}
}

func TestFollowUpInIdleWindow(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.assignment.IdleSeconds = 20
	idle := 300 * time.Millisecond
	turns := 0
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		turns++
		c, ok := h.Inbox.Take(nil)
		if ok != (turns > 1) {
			t.Errorf("turn %d: command %+v", turns, c)
		}
		return succeeded, say(ctx, h, "turn "+c.Text)
	}}
	cfg := config(t, s, a)
	cfg.IdleOnComplete = &idle
	s.endWaits = true // a message comes just as the sandbox closes
	go func() {
		s.await("the first turn", func() bool { return len(s.statesLocked()) == 2 })
		s.send(api.Command{Kind: api.CommandKindFollowUp, Text: "more"})
	}()
	run(t, cfg)
	if diff := cmp.Diff([]string{"turn ", "turn more", "turn late"}, texts(s)); diff != "" {
		t.Error(diff)
	}
	want := []api.RunState{"INPROGRESS", "SUCCEEDED", "INPROGRESS", "SUCCEEDED", "INPROGRESS", "SUCCEEDED"}
	if diff := cmp.Diff(want, s.states()); diff != "" {
		t.Error(diff)
	}
}

func texts(s *server) []string {
	var all []string
	for _, m := range of[api.AgentMessage](s) {
		all = append(all, m.Text)
	}
	return all
}

// A new execution made for a message must not report the old outcome before it saw the message.
func TestWaitingCommandsAreKnownAtOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.assignment.Commands = []api.Command{{Id: 7, Kind: api.CommandKindFollowUp, Text: "go on", CreatedAt: time.Now()}}
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		c, _ := h.Inbox.Take(nil)
		return succeeded, say(ctx, h, c.Text)
	}}
	run(t, config(t, s, a))
	if diff := cmp.Diff([]string{"go on"}, texts(s)); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotComesBackInTheNextExecution(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	s := newServer(t)
	s.assignment.Environment = api.CloudEnvironmentConfig{
		SourceRepos: []api.SourceRepo{{Repo: "app", Url: git.Repo("app", map[string]string{"f": "one\n"})}},
	}
	run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		out, err := shell(ctx, h, "git checkout -qb fix && echo two >f && git commit -qam fixed && echo three >f && echo new >g && echo side >../notes")
		if err != nil {
			t.Errorf("%v %s", err, out)
		}
		return succeeded, nil
	}}))
	if len(s.ended) != 1 || s.ended[0].SnapshotBlobId == "" || len(s.snapshots) != 1 {
		t.Fatalf("ended %+v, snapshots %v", s.ended, s.snapshots)
	}
	s.assignment.SnapshotUrl = s.http.URL + "/blob/" + s.ended[0].SnapshotBlobId
	s.assignment.ExecutionId, s.assignment.Execution, s.assignment.NextIndex = rand.Text(), 2, int64(len(s.entries))
	run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		out, err := shell(ctx, h, "git branch --show-current; git log -1 --format=%s; git status --porcelain; cat f g ../notes")
		if want := "fix\nfixed\n M f\n?? g\nthree\nnew\nside\n"; err != nil || out != want {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
		return succeeded, nil
	}}))
	// A damaged snapshot is told, and the run goes on without it.
	s.blobs["bad"] = []byte("garbage")
	s.assignment.SnapshotUrl = s.http.URL + "/blob/bad"
	s.assignment.ExecutionId, s.assignment.NextIndex = rand.Text(), int64(len(s.entries))
	result := run(t, config(t, s, &agent{turn: func(context.Context, harness.Session) (harness.Outcome, error) { return succeeded, nil }}))
	if result.State != api.RunStateSUCCEEDED || !slices.ContainsFunc(of[api.Notice](s), func(n api.Notice) bool {
		return n.Level == api.NoticeWarning && strings.Contains(n.Text, "could be restored")
	}) {
		t.Errorf("result %+v, notices %+v", result, of[api.Notice](s))
	}
}

// A run is taken up again after its origin is gone: its small repository is in the snapshot, whole. One
// whose snapshot cannot stand in for the clone fails as it would have.
func TestOriginGoneMeanwhile(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	s := newServer(t)
	s.assignment.Environment = api.CloudEnvironmentConfig{
		SourceRepos:   []api.SourceRepo{{Repo: "app", Url: git.Repo("app", map[string]string{"f": "one\n"})}, {Repo: "lib", Url: git.Repo("lib", map[string]string{"l": "lib\n"})}},
		SetupCommands: []string{"cat app/f lib/l"},
	}
	run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		out, err := shell(ctx, h, "cd app && git checkout -qb fix && echo two >f && git commit -qam fixed && echo three >f")
		if err != nil {
			t.Errorf("%v %s", err, out)
		}
		return succeeded, nil
	}}))
	git.Close()
	s.assignment.SnapshotUrl = s.http.URL + "/blob/" + s.ended[0].SnapshotBlobId
	s.assignment.ExecutionId, s.assignment.Execution, s.assignment.NextIndex = rand.Text(), 2, int64(len(s.entries))
	result := run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		out, err := shell(ctx, h, "cat lib/l; cd app; git log --format=%s; git status --porcelain; cat f; git fsck --no-dangling")
		if want := "lib\nfixed\nfirst\n M f\nthree\n"; err != nil || out != want {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
		return succeeded, nil
	}}))
	if told := fmt.Sprint(of[api.Notice](s)); result.State != api.RunStateSUCCEEDED || !strings.Contains(told, "The origin of app cannot be reached") {
		t.Errorf("%+v, told %s", result, told)
	}
	s.blobs["bad"] = []byte("garbage")
	s.assignment.SnapshotUrl = s.http.URL + "/blob/bad"
	s.assignment.ExecutionId, s.assignment.NextIndex = rand.Text(), int64(len(s.entries))
	ends := len(s.ended)
	result = run(t, config(t, s, &agent{turn: func(context.Context, harness.Session) (harness.Outcome, error) { return succeeded, nil }}))
	if result.State != api.RunStateFAILED || !strings.Contains(result.Message, "git clone of") || s.ended[ends].SnapshotBlobId != "" {
		t.Errorf("%+v, ended %+v", result, s.ended[ends])
	}
}

func TestCheckpointWhileWorking(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		mustWrite(t, filepath.Join(h.Workdir, "f"), "x")
		_, _ = h.Sink.Append(ctx, api.MakeEntry(time.Now(), api.ActionResult{ActionID: "a", Category: api.ActionCategoryCommand}))
		s.await("a checkpoint", func() bool { return len(s.snapshots) == 1 })
		_, _ = h.Sink.Append(ctx, api.MakeEntry(time.Now(), api.ActionResult{ActionID: "b", Category: api.ActionCategoryCommand}))
		s.await("the news that nothing changed", func() bool { return s.keptSeq > s.snapshots[0].seq })
		return succeeded, nil
	}}
	cfg := config(t, s, a)
	cfg.CheckpointEvery = time.Millisecond
	run(t, cfg)
	if len(s.snapshots) != 1 || len(s.blobs) != 1 {
		t.Errorf("an unchanged workspace was stored again: %v", s.snapshots)
	}
}

func TestStopLeavesInGoodOrder(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, stop := context.WithCancel(t.Context())
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		mustWrite(t, filepath.Join(h.Workdir, "f"), "x")
		stop()
		<-ctx.Done()
		return harness.Outcome{}, context.Cause(ctx)
	}}
	result, err := runner.Run(ctx, config(t, s, a))
	if err != nil || !result.Stopped {
		t.Errorf("%+v %v", result, err)
	}
	if len(s.ended) != 1 || s.ended[0].Reason != "graceful_shutdown" || s.ended[0].SnapshotBlobId == "" {
		t.Errorf("ended %+v", s.ended)
	}
	if diff := cmp.Diff([]api.RunState{api.RunStateINPROGRESS}, s.states()); diff != "" {
		t.Error(diff)
	}
}

func TestFailedSetupIsTriedAgainByAMessage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.assignment.IdleOnFailSeconds = 20
	s.assignment.Environment.SetupCommands = []string{"exit 1"}
	go func() {
		s.await("the failure", func() bool { return len(s.statesLocked()) == 1 })
		s.change(func() { s.assignment.Environment.SetupCommands = []string{"true"} })
		s.send(api.Command{Kind: api.CommandKindFollowUp, Text: "again"})
	}()
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		c, _ := h.Inbox.Take(nil)
		return succeeded, say(ctx, h, c.Text)
	}}
	run(t, config(t, s, a))
	if diff := cmp.Diff([]api.RunState{api.RunStateFAILED, api.RunStateINPROGRESS, api.RunStateSUCCEEDED}, s.states()); diff != "" {
		t.Error(diff)
	}
}

func TestTurnErrorsEndTheRun(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.assignment.Limits.MaxRunSeconds = 1
	run(t, config(t, s, &agent{turn: func(ctx context.Context, _ harness.Session) (harness.Outcome, error) {
		<-ctx.Done()
		return harness.Outcome{}, context.Cause(ctx)
	}}))
	s2 := newServer(t)
	run(t, config(t, s2, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		return succeeded, say(ctx, h, strings.Repeat("x", 300<<10))
	}}))
	if got := s.reports[len(s.reports)-1]; got.State != api.RunStateERROR || got.ErrorCode != api.PlatformErrorCodeInfrastructureTimeout {
		t.Errorf("too long: %+v", got)
	}
	if got := s2.reports[len(s2.reports)-1]; got.ErrorCode != api.PlatformErrorCodeInvalidRequest {
		t.Errorf("too large: %+v", got)
	}
}

// The time a run may work is that of all its turns together.
func TestTurnsShareTheTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.assignment.Limits.MaxRunSeconds, s.assignment.IdleSeconds = 60, 60
	var left []time.Duration
	run(t, config(t, s, &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		end, _ := ctx.Deadline()
		left = append(left, time.Until(end))
		if len(left) == 1 {
			s.send(api.Command{Kind: api.CommandKindFollowUp, Text: "more"})
			return succeeded, say(ctx, h, "worked")
		}
		h.Inbox.Take(nil)
		return succeeded, errors.New("enough")
	}}))
	if len(left) != 2 || left[1] >= left[0] {
		t.Errorf("time left: %v", left)
	}
}

func TestLocalRun(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	dir := t.TempDir()
	mustWrite(t, filepath.Join(dir, "mine"), "x")
	var delta string
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		h.Sink.Delta(api.Delta{Key: "k", Kind: api.DeltaKindText, Text: "tok " + token[:10]})
		h.Sink.Delta(api.Delta{Key: "k", Kind: api.DeltaKindText, Text: token[10:] + " end"})
		out, err := shell(ctx, h, "cat mine; echo new >made")
		if err != nil || out != "x" {
			t.Errorf("%v %s", err, out)
		}
		s.await("heartbeat and deltas", func() bool {
			var b strings.Builder
			for _, d := range s.deltas {
				b.WriteString(d.Text)
			}
			delta = b.String()
			return s.beats > 0 && strings.HasSuffix(delta, "end")
		})
		return succeeded, nil
	}}
	cfg := config(t, s, a)
	cfg.Local, cfg.Managed, cfg.Dir, cfg.Workdir = true, false, "", dir
	var entries []string
	cfg.OnEntry = func(e api.NewEntry) { entries = append(entries, string(e.Type)) }
	run(t, cfg)
	if delta != "tok [redacted] end" {
		t.Errorf("delta %q", delta)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "made")); err != nil || string(b) != "new\n" {
		t.Errorf("the working directory was not kept: %v", err)
	}
	if len(s.blobs) != 0 || !slices.Contains(entries, "phase") {
		t.Errorf("blobs %d, entries %v", len(s.blobs), entries)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "cadre-run-*")); len(left) > 0 {
		t.Logf("directories of other local runs: %v", left)
	}
}

func TestBlobIsRedactedAcrossItsPieces(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	text := strings.Repeat("a", 1<<20-5) + token + strings.Repeat("b", 100)
	a := &agent{turn: func(ctx context.Context, h harness.Session) (harness.Outcome, error) {
		s.change(func() { s.away = 2 })
		if _, err := h.Sink.PutBlob(ctx, api.BlobKindOutput, "out", strings.NewReader(text)); err != nil {
			t.Error(err)
		}
		_, err := h.Sink.PutBlob(ctx, api.BlobKindOutput, "big", io.LimitReader(zero{}, 65<<20))
		var f *api.Failure
		if !errors.As(err, &f) || f.Code != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("too large a blob: %v", err)
		}
		return succeeded, nil
	}}
	run(t, config(t, s, a))
	if len(s.blobs) != 1 || string(s.blobs["blob-1"]) != strings.Replace(text, token, "[redacted]", 1) {
		t.Errorf("%d blobs, %d bytes", len(s.blobs), len(s.blobs["blob-1"]))
	}
}

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }
