package runner_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/runner"
	"github.com/cadrehq/cadre/internal/runner/harness"
)

// child is a runner in a process of its own, told what to do as a worker would tell it, with an
// agent that runs one script and says what that wrote.
func child() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg := runner.Config{
		ServerURL: os.Getenv("CADRE_SERVER_URL"), Token: os.Getenv("CADRE_API_KEY"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Harnesses: []harness.Harness{&agent{turn: func(ctx context.Context, s harness.Session) (harness.Outcome, error) {
			out, err := shell(ctx, s, os.Getenv("RUNNER_TEST_CHILD"))
			if ctx.Err() != nil {
				return harness.Outcome{}, context.Cause(ctx)
			}
			return succeeded, say(ctx, s, fmt.Sprint(out, err))
		}}},
	}
	cfg.InSandbox(os.Environ())
	cfg.OnEntry = func(e api.NewEntry) { cfg.Log.Info("entry", "type", e.Type) }
	if _, err := runner.Run(ctx, cfg); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func startChild(t *testing.T, s *server, dir, script string, env ...string) (*exec.Cmd, <-chan error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "RUNNER_TEST_CHILD=" + script, "CADRE_SERVER_URL=" + s.http.URL, "CADRE_API_KEY=" + token,
		api.EnvSandboxDir + "=" + dir, api.EnvWorkerManaged + "=1", api.EnvWorkerBackend + "=direct",
		api.EnvSandboxGrace + "=3s", api.EnvExecutionID + "=" + s.assignment.ExecutionId,
	}, env...)
	// Into a pipe that nobody reads, as after the end of a worker.
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = read.Close()
	defer func() { _ = write.Close() }()
	cmd.Stdout, cmd.Stderr = write, write
	wait, err := proc.Confinement{Write: []string{dir, "/tmp"}}.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- wait() }()
	return cmd, ended
}

// A runner that is terminated ends even what scrubbed its environment and left its session, keeps
// the workspace and says so, within its grace.
func TestTerminatedProcess(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	script := strings.Replace(escape(pidFile), "setsid bash", "env -i PATH=$PATH setsid bash", 1) + "; echo kept >f; touch " + pidFile + ".ready; sleep 60"
	cmd, ended := startChild(t, s, filepath.Join(t.TempDir(), "x"), script, "HOME="+t.TempDir())
	deadline := time.Now().Add(15 * time.Second)
	for {
		if _, err := os.Stat(pidFile + ".ready"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the agent's script did not start")
		}
		time.Sleep(5 * time.Millisecond)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatalf("the runner did not leave: %v", <-ended)
	}
	gone(t, pidFile)
	if len(s.ended) != 1 || s.ended[0].Reason != "graceful_shutdown" || s.ended[0].SnapshotBlobId == "" {
		t.Errorf("ended %+v", s.ended)
	}
}
