package direct

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/proc"
	"github.com/cadrehq/cadre/internal/worker/backend"
)

// outputLimit bounds how much of a runner's own output is kept, and tailLimit how much of that goes
// into the message of a failure. The agent's output is in the session, not here.
const (
	outputLimit = 1 << 20
	tailLimit   = 2 << 10
)

// sandbox is one task: a directory and a process.
type sandbox struct {
	backend *Backend
	task    backend.Task
	dir     string
	began   uint64            // before any of its processes
	env     map[string]string // what the hooks and the task add
	hold    *hold
	cmd     *exec.Cmd
	wait    func() error
	output  *tail

	mu     sync.Mutex
	ended  bool // the runner's process was collected: its pid means nothing any more
	killer *time.Timer

	done chan struct{}
	exit backend.Exit
}

// Wait implements backend.Sandbox.
func (s *sandbox) Wait() backend.Exit {
	<-s.done
	return s.exit
}

func (s *sandbox) makeDir() error {
	if err := os.MkdirAll(filepath.Dir(s.dir), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	return nil
}

// launch starts the runner.
func (s *sandbox) launch(context.Context) error {
	read, write, err := os.Pipe()
	if err != nil {
		return backend.Fail(backend.ReasonAgent, "make a pipe: %w", err)
	}
	defer func() { _ = write.Close() }()
	cmd := exec.Command(s.backend.cfg.Program, s.task.Args...)
	cmd.Dir, cmd.Env = s.dir, s.environment()
	cmd.Stdout, cmd.Stderr = write, write
	proc.Session(cmd)
	// SIGTERM, so that a runner whose worker was killed still keeps its workspace. One that does not
	// leave is ended by the next worker.
	proc.DieWithParent(cmd, syscall.SIGTERM)
	wait, err := s.hold.start(cmd, s.start)
	if err != nil {
		_ = read.Close()
		return backend.Fail(backend.ReasonAgent, "start the runner: %w", err)
	}
	s.cmd, s.wait = cmd, wait
	s.output = newTail(read, filepath.Join(s.dir, "runner.log"))
	if err := s.limits().Apply(cmd.Process.Pid); err != nil {
		s.backend.cfg.Log.Warn("limits not set", "run_id", s.task.TaskID, "error", err)
	}
	return nil
}

// start starts the runner, confined unless that is switched off.
func (s *sandbox) start(cmd *exec.Cmd) (wait func() error, err error) {
	if !s.backend.cfg.NoConfinement {
		return s.confinement().Start(cmd)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd.Wait, nil
}

func (s *sandbox) limits() proc.Limits {
	l := s.backend.cfg.Limits
	if shape := s.task.InstanceShape; shape != nil && shape.MemoryGB > 0 {
		bytes := uint64(shape.MemoryGB) << 30
		if l.DataBytes == 0 || bytes < l.DataBytes {
			l.DataBytes = bytes
		}
	}
	return l
}

// inherited is what a task gets of the host's environment. Everything else may hold secrets of the
// worker.
var inherited = []string{"HOME", "PATH", "TMPDIR"}

func (s *sandbox) environment() []string {
	cfg := s.backend.cfg
	env := map[string]string{}
	for _, entry := range cfg.HostEnv {
		if name, value, ok := strings.Cut(entry, "="); ok && slices.Contains(inherited, name) {
			env[name] = value
		}
	}
	add := func(more map[string]string) {
		for name, value := range more {
			if name != "" && !strings.ContainsAny(name, "=\x00") && !strings.Contains(value, "\x00") {
				env[name] = value
			}
		}
	}
	add(map[string]string{
		"GIT_CONFIG_GLOBAL": filepath.Join(s.dir, ".gitconfig"),
		"CLAUDE_CONFIG_DIR": filepath.Join(s.dir, ".claude"),
		"CODEX_HOME":        filepath.Join(s.dir, ".codex"),
	})
	if !cfg.NoConfinement {
		add(s.backend.redirects())
	}
	add(s.task.Env)
	add(s.env)
	add(cfg.Env)
	// Last, so that nothing can take them away: by these the processes are found again.
	add(map[string]string{
		api.EnvExecutionID: s.task.ExecutionID, api.EnvWorkerRoot: cfg.Root,
		api.EnvWorkerBackend: s.backend.Name(), api.EnvWorkerHost: cfg.Host, api.EnvSandboxDir: s.dir,
		api.EnvSandboxGuard: s.backend.guard.kind(),
	})
	if cfg.TargetDir != "" {
		add(map[string]string{api.EnvSandboxWorkdir: cfg.TargetDir})
	}
	if level := proc.Confinable(); level.Files && !cfg.NoConfinement {
		add(map[string]string{api.EnvSandboxConfined: level.String()})
	}
	list := make([]string, 0, len(env))
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// supervise waits for the runner's end, ends what it left, and clears up.
func (s *sandbox) supervise() {
	err := s.wait()
	s.mu.Lock()
	s.ended = true
	if s.killer != nil {
		s.killer.Stop()
	}
	s.mu.Unlock()
	s.release()
	s.output.close()
	s.exit = s.result(err)
	s.tearDown()
	s.remove()
	close(s.done)
}

func (s *sandbox) result(err error) backend.Exit {
	exit := backend.Exit{}
	if err == nil {
		return exit
	}
	var status *exec.ExitError
	if !errors.As(err, &status) {
		exit.Err = backend.Fail(backend.ReasonAgent, "wait for the runner: %w", err)
		return exit
	}
	exit.Code = status.ExitCode()
	if w, ok := status.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		exit.Code = 128 + int(w.Signal())
	}
	exit.Output = s.hideSecrets(s.output.text())
	return exit
}

// hideSecrets takes the run's key out of what is sent to the server. The runner does not print it;
// what it starts might.
func (s *sandbox) hideSecrets(text string) string {
	for _, name := range []string{"CADRE_API_KEY", "WARP_API_KEY"} {
		if v := s.task.Env[name]; len(v) > 8 {
			text = strings.ReplaceAll(text, v, "[redacted]")
		}
	}
	return text
}

// Stop implements backend.Sandbox.
func (s *sandbox) Stop(grace time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if s.killer != nil {
		s.killer.Stop()
	}
	s.killer = time.AfterFunc(grace, s.kill)
}

// kill ends the runner, and all it started where one act does that; elsewhere that follows once
// supervise has seen the runner's end.
func (s *sandbox) kill() {
	if s.hold.kill(context.Background()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		_ = s.cmd.Process.Kill()
	}
}

// release ends every process of the task, whose runner was collected or never started.
func (s *sandbox) release() {
	left := proc.Tree{Cookies: []proc.Cookie{{Name: api.EnvExecutionID, Value: s.task.ExecutionID}}, Since: s.began, Spare: []int{os.Getpid()}}
	if err := s.hold.release(context.Background(), left); err != nil {
		s.backend.cfg.Log.Error("processes left", "run_id", s.task.TaskID, "execution_id", s.task.ExecutionID, "error", err)
	}
}

// remove removes the directory, and the run's when it was the last.
func (s *sandbox) remove() {
	if s.backend.cfg.KeepWorkspaces {
		return
	}
	if err := removeAll(s.dir); err != nil {
		s.backend.cfg.Log.Warn("workspace not removed", "run_id", s.task.TaskID, "error", err)
	}
	_ = os.Remove(filepath.Dir(s.dir)) // refused while another execution's is there
}

// tail copies a runner's output to a file, up to a bound, and keeps its end in memory.
type tail struct {
	from *os.File
	done chan struct{}
	end  []byte
}

func newTail(from *os.File, path string) *tail {
	t := &tail{from: from, done: make(chan struct{})}
	go t.run(path)
	return t
}

func (t *tail) run(path string) {
	defer close(t.done)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|syscall.O_NOFOLLOW, 0o600)
	if err == nil {
		defer func() { _ = f.Close() }()
	}
	left := outputLimit
	buf := make([]byte, 8<<10)
	for {
		n, err := t.from.Read(buf)
		if n > 0 && left > 0 && f != nil {
			m := min(n, left)
			left -= m
			_, _ = f.Write(buf[:m])
		}
		if t.end = append(t.end, buf[:n]...); len(t.end) > 2*tailLimit {
			t.end = append(t.end[:0], t.end[len(t.end)-tailLimit:]...)
		}
		if err != nil {
			return
		}
	}
}

// close ends the copying, whoever still holds the other end.
func (t *tail) close() {
	_ = t.from.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	<-t.done
	_ = t.from.Close()
}

// text is the end of the output; after close only.
func (t *tail) text() string {
	end := t.end
	if len(end) > tailLimit {
		end = end[len(end)-tailLimit:]
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(end), "\uFFFD"))
}
