package direct_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/worker/backend"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

const (
	runID    = "11111111-2222-3333-4444-555555555555"
	runToken = "secret-run-token-value"
)

// The test binary plays the runner, and for one test a whole worker, when told to by its arguments.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "play" {
		play(os.Args[2], os.Args[3:])
		return
	}
	goleak.VerifyTestMain(m)
}

func play(part string, args []string) {
	switch part {
	case "script":
		cmd := exec.Command("bash", "-c", args[0])
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			os.Exit(cmd.ProcessState.ExitCode())
		}
	case "polite": // leaves at once when asked to
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		touch(args[0])
		<-term
		touch(args[0] + ".left")
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		if err := exec.Command("bash", "-c", args[1]).Run(); err != nil {
			fmt.Println(err)
		}
		_ = os.WriteFile(args[0]+".runner", []byte(os.Getenv("CADRE_SANDBOX_GUARD")+" "+strconv.Itoa(os.Getpid())), 0o600)
		touch(args[0] + ".ready")
		select {}
	case "worker":
		if err := work(args[0], args[1], args[2], args[3]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		select {}
	}
}

// work is a worker that starts one deaf runner with an escaping process, and notes its end.
func work(root, guard, pidFile, escape string) error {
	b, err := direct.New(direct.Config{
		Root: root, Program: os.Args[0], HostEnv: os.Environ(), NoConfinement: true, NoCgroups: guard != api.GuardCgroup, OwnProcess: true, Log: quiet(),
	})
	if err == nil {
		err = b.Open(context.Background())
	}
	if err != nil {
		return err
	}
	s, err := b.Start(context.Background(), task("deaf", pidFile, escape))
	if err == nil {
		go func() {
			s.Wait()
			touch(pidFile + ".over")
		}()
	}
	return err
}

func touch(path string) { _ = os.WriteFile(path, []byte("x"), 0o600) }

// escape starts a process that leaves its group, its session and its parent, and ignores SIGTERM.
func escape(pidFile string) string {
	return `setsid bash -c 'trap "" TERM; (trap "" TERM; echo $BASHPID >` + pidFile + `; while :; do sleep 1; done) & disown' </dev/null >/dev/null 2>&1
	while ! test -s ` + pidFile + `; do sleep 0.01; done`
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func task(part string, args ...string) backend.Task {
	return backend.Task{
		TaskAssignment: api.TaskAssignment{TaskID: runID, ExecutionID: rand.Text()},
		Args:           append([]string{"play", part}, args...),
		Env:            map[string]string{"CADRE_API_KEY": runToken, "TASK_ID": runID},
	}
}

func open(t *testing.T, cfg direct.Config) *direct.Backend {
	t.Helper()
	if cfg.Root == "" {
		cfg.Root = t.TempDir()
	}
	cfg.Program, cfg.Log = os.Args[0], quiet()
	// Only TestConfinement asks for it: it takes away the temporary directories that the other
	// tests' roots and marks lie in.
	cfg.NoConfinement = len(cfg.Hide) == 0
	if cfg.HostEnv == nil {
		cfg.HostEnv = append(os.Environ(), "WORKER_SECRET=do-not-leak")
	}
	b, err := direct.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

func start(t *testing.T, b *direct.Backend, task backend.Task) backend.Sandbox {
	t.Helper()
	s, err := b.Start(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(0); s.Wait() })
	return s
}

// until waits for something another process does.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func exists(path string) func() bool {
	return func() bool { _, err := os.Stat(path); return err == nil }
}

func running(pidFile string) bool {
	b, err := os.ReadFile(pidFile)
	if err != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(b)) + "/stat")
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestDirectoryAndEnvironment(t *testing.T) {
	t.Parallel()
	root, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	b := open(t, direct.Config{Root: root, Env: map[string]string{"EXTRA": "1"}, Host: "h"})
	job := task("script", "{ pwd; stat -c %a .; env; } >"+out)
	s := start(t, b, job)
	if exit := s.Wait(); exit.Code != 0 || exit.Err != nil {
		t.Fatalf("exit %+v", exit)
	}
	raw, _ := os.ReadFile(out)
	text := string(raw)
	dir := filepath.Join(root, runID, job.ExecutionID)
	for _, want := range []string{dir + "\n700\n", "TASK_ID=" + runID, "HOME=" + os.Getenv("HOME"), "EXTRA=1", "CADRE_SANDBOX_DIR=" + dir, "CADRE_WORKER_HOST=h", "CADRE_EXECUTION_ID=" + job.ExecutionID} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "do-not-leak") {
		t.Error("the worker's environment leaks into tasks")
	}
	if _, err := os.Stat(filepath.Join(root, runID)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the workspace was not removed: %v", err)
	}
}

func TestExitStatusAndOutput(t *testing.T) {
	t.Parallel()
	b := open(t, direct.Config{KeepWorkspaces: true})
	exit := start(t, b, task("script", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo key $CADRE_API_KEY; exit 7")).Wait()
	if exit.Code != 7 || !strings.HasSuffix(exit.Output, "key [redacted]") || len(exit.Output) > 2100 {
		t.Errorf("exit %d, output of %d: %.50q", exit.Code, len(exit.Output), exit.Output)
	}
	if exit := start(t, b, task("script", "kill -9 $PPID; sleep 5")).Wait(); exit.Code != 137 {
		t.Errorf("killed: %+v", exit)
	}
	missing, err := direct.New(direct.Config{Root: t.TempDir(), Program: "/no/such/program", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := missing.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = missing.Close(t.Context()) }()
	if _, err := missing.Start(t.Context(), task("script", "")); backend.ReasonOf(err) != backend.ReasonAgent {
		t.Errorf("missing program: %v", err)
	}
}

func TestHostileIDs(t *testing.T) {
	t.Parallel()
	b := open(t, direct.Config{})
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "../../etc", "a\x00b", strings.Repeat("x", 300)} {
		bad := task("script", "true")
		bad.TaskID = id
		if _, err := b.Start(t.Context(), bad); backend.ReasonOf(err) != backend.ReasonWorkspace {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestStopGivesGraceThenKillsTheTree(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "mark")
	s := start(t, open(t, direct.Config{}), task("polite", mark))
	until(t, "the polite runner", exists(mark))
	s.Stop(time.Minute)
	if exit := s.Wait(); exit.Code != 0 || !exists(mark+".left")() {
		t.Errorf("polite: %+v", exit)
	}
	pid := filepath.Join(t.TempDir(), "pid")
	deaf := start(t, open(t, direct.Config{}), task("deaf", pid, escape(pid)))
	until(t, "the deaf runner", exists(pid+".ready"))
	if !running(pid) {
		t.Fatal("the escaped process did not start")
	}
	deaf.Stop(100 * time.Millisecond)
	if exit := deaf.Wait(); exit.Code != 137 {
		t.Errorf("deaf: %+v", exit)
	}
	if running(pid) {
		t.Error("an escaped process survived")
	}
}

func TestKilledRunnerTakesItsTreeWithIt(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	s := start(t, open(t, direct.Config{}), task("script", escape(pid)+"; kill -9 $PPID"))
	if exit := s.Wait(); exit.Code != 137 {
		t.Errorf("exit %+v", exit)
	}
	if running(pid) {
		t.Error("an escaped process survived")
	}
}

func TestHooks(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	b := open(t, direct.Config{
		SetupCommand:    `echo "export FROM_SETUP='a b'" >>$OZ_ENVIRONMENT_FILE; echo "setup $OZ_RUN_ID $WORKER_SECRET $(pwd)" >>` + out,
		TeardownCommand: `echo "teardown $OZ_WORKER_BACKEND $(test -d $OZ_WORKSPACE_ROOT && echo there)" >>` + out,
	})
	start(t, b, task("script", `echo "task $FROM_SETUP $WORKER_SECRET." >>`+out)).Wait()
	raw, _ := os.ReadFile(out)
	got := strings.Split(strings.TrimSpace(string(raw)), "\n")
	if len(got) != 3 || !strings.HasPrefix(got[0], "setup "+runID+" do-not-leak /") || got[1] != "task a b ." || got[2] != "teardown direct there" {
		t.Errorf("hooks: %q", got)
	}
	failing := open(t, direct.Config{SetupCommand: "echo no disk; exit 2"})
	_, err := failing.Start(t.Context(), task("script", "true"))
	if backend.ReasonOf(err) != backend.ReasonSetupCommand || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("failing set-up: %v", err)
	}
	garbage := open(t, direct.Config{SetupCommand: "echo 'not an assignment' >>$OZ_ENVIRONMENT_FILE"})
	if _, err := garbage.Start(t.Context(), task("script", "true")); backend.ReasonOf(err) != backend.ReasonSetupCommand {
		t.Errorf("garbage in the environment file: %v", err)
	}
}

func TestRootBelongsToOneWorker(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	open(t, direct.Config{Root: root})
	second, err := direct.New(direct.Config{Root: root, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "in use by another worker") {
		t.Errorf("a second worker got the root: %v", err)
	}
}

// A task writes its own directory and reads the system; it reads neither credentials nor other tasks
// nor what is hidden, writes nowhere else, and signals nobody outside. Where the kernel lacks
// Landlock the runner is not told that it is confined.
func TestConfinement(t *testing.T) {
	t.Parallel()
	// Outside /tmp, which stays writable, wherever this repository lies.
	base, err := os.MkdirTemp("/var/tmp", "confine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	home, data, out := filepath.Join(base, "home"), filepath.Join(base, "data"), filepath.Join(t.TempDir(), "out")
	for _, dir := range []string{filepath.Join(home, ".ssh"), filepath.Join(home, "src"), data} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{filepath.Join(home, ".ssh", "id"), filepath.Join(home, "src", "f"), filepath.Join(data, "db")} {
		touch(path)
	}
	b := open(t, direct.Config{Root: filepath.Join(data, "workspaces"), Hide: []string{data}, HostEnv: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}})
	job := task("script", `try() { if eval "$2" >/dev/null 2>&1; then echo "$1 yes"; else echo "$1 no"; fi; }
		{ echo "told $CADRE_SANDBOX_CONFINED"
		try own 'echo x >f && mkdir d && mv f d/g && cat d/g'
		try tmp 'mktemp'
		try cache 'echo x >$HOME/.cache/f'
		try gopath 'mkdir -p $GOPATH/pkg && echo x >$GOPATH/pkg/f'
		try system 'cat /etc/passwd && ls /usr/bin'
		try source 'cat $HOME/src/f'
		try ssh 'cat $HOME/.ssh/id'
		try data 'cat `+data+`/db'
		try others 'ls `+data+`/workspaces'
		try outside 'echo x >$HOME/src/new'
		try etc 'echo x >/etc/cadre-test'
		try signal 'kill -0 `+fmt.Sprint(os.Getpid())+`'
		try environ 'cat /proc/`+fmt.Sprint(os.Getpid())+`/environ | grep -q PATH='
		try device 'mknod disk b 7 0'
		try null 'echo x >/dev/null'
		try parent 'kill -0 $PPID'
		try child 'sleep 5 & kill $!'; } >`+out)
	if exit := start(t, b, job).Wait(); exit.Code != 0 {
		t.Fatalf("exit %+v", exit)
	}
	raw, _ := os.ReadFile(out)
	got := string(raw)
	allowed := []string{"own", "tmp", "cache", "gopath", "system", "source", "null", "parent", "child"}
	denied := []string{"ssh", "data", "others", "outside", "etc", "environ", "device"}
	level := proc.Confinable()
	if level.Signals {
		denied = append(denied, "signal")
	}
	if !level.Files {
		allowed, denied = append(allowed, denied...), nil
	}
	if told := strings.Contains(got, "told files"); told != level.Files {
		t.Errorf("confinable %v, the runner was told:\n%s", level, got)
	}
	for _, what := range allowed {
		if !strings.Contains(got, what+" yes") {
			t.Errorf("%s was refused:\n%s", what, got)
		}
	}
	for _, what := range denied {
		if !strings.Contains(got, what+" no") {
			t.Errorf("%s was allowed:\n%s", what, got)
		}
	}
}
