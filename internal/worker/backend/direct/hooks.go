package direct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/worker/backend"
)

// maxEnvFile bounds what a set-up hook may write.
const maxEnvFile = 1 << 20

// setUp runs the operator's set-up command, which may add variables to the task's environment.
func (s *sandbox) setUp(ctx context.Context) error {
	if s.backend.cfg.SetupCommand == "" {
		return nil
	}
	path := filepath.Join(s.dir, ".env-setup")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return &backend.Error{Reason: backend.ReasonWorkspace, Err: err}
	}
	if err := s.hook(ctx, s.backend.cfg.SetupCommand, "OZ_ENVIRONMENT_FILE="+path); err != nil {
		return &backend.Error{Reason: backend.ReasonSetupCommand, Err: fmt.Errorf("set-up command: %w", err)}
	}
	env, err := readEnvFile(path)
	if err != nil {
		return &backend.Error{Reason: backend.ReasonSetupCommand, Err: fmt.Errorf("environment file of the set-up command: %w", err)}
	}
	s.env = env
	return nil
}

// tearDown runs the operator's tear-down command. Its failure is logged: the task has ended.
func (s *sandbox) tearDown() {
	if s.backend.cfg.TeardownCommand == "" {
		return
	}
	if err := s.hook(context.Background(), s.backend.cfg.TeardownCommand); err != nil {
		s.backend.cfg.Log.Error("tear-down command failed", "run_id", s.task.TaskID, "error", err)
	}
}

// hook runs a command of the operator with the worker's own environment and the task's.
func (s *sandbox) hook(ctx context.Context, command string, more ...string) error {
	cfg := s.backend.cfg
	ctx, cancel := context.WithTimeout(ctx, cfg.HookTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir = s.dir
	cmd.Env = append([]string(nil), cfg.HostEnv...)
	for name, value := range s.task.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "OZ_WORKSPACE_ROOT="+s.dir, "OZ_WORKER_BACKEND="+s.backend.Name(), "OZ_RUN_ID="+s.task.TaskID,
		api.EnvExecutionID+"="+s.task.ExecutionID, api.EnvWorkerRoot+"="+cfg.Root)
	cmd.Env = append(cmd.Env, more...)
	var out lastBytes
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	proc.Group(cmd)
	cmd.Cancel = func() error { return proc.SignalGroup(cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if err == nil || (errors.Is(err, exec.ErrWaitDelay) && cmd.ProcessState.Success()) {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if text := s.hideSecrets(strings.TrimSpace(string(out))); text != "" {
		return fmt.Errorf("%w: %s", err, text)
	}
	return err
}

// lastBytes keeps the end of what is written.
type lastBytes []byte

func (l *lastBytes) Write(p []byte) (int, error) {
	*l = append(*l, p...)
	if over := len(*l) - tailLimit; over > 0 {
		*l = append((*l)[:0], (*l)[over:]...)
	}
	return len(p), nil
}

// readEnvFile reads NAME=value lines. Blank lines and those that begin with # are passed over; a
// value in matching quotes loses them; "export " before a name is allowed.
func readEnvFile(path string) (map[string]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxEnvFile {
		return nil, fmt.Errorf("larger than %d bytes", maxEnvFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	env := map[string]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxEnvFile)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || strings.ContainsAny(name, " \t\"'") {
			return nil, fmt.Errorf("line %d is not NAME=value", n)
		}
		if len(value) > 1 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		env[name] = value
	}
	return env, lines.Err()
}
