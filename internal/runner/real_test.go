package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/runner"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz"
	"github.com/cadrehq/cadre/internal/runner/link"
	control "github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// realChild is the program a real worker starts: the runner with the built-in agent.
func realChild() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg := runner.Config{Token: os.Getenv("CADRE_API_KEY"), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		ServerURL: os.Args[slices.Index(os.Args, "--server-root-url")+1], Harnesses: []harness.Harness{oz.New(oz.Config{})}}
	cfg.InSandbox(os.Environ())
	if _, err := runner.Run(ctx, cfg); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// plane is a real control plane: server, database, gateway.
type plane struct {
	t      *testing.T
	cfg    control.Config
	client *client.Client
	stop   func()
}

func newPlane(t *testing.T) *plane {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	p := &plane{t: t, cfg: control.Config{Listen: addr, DataDir: t.TempDir(), StopGrace: time.Second,
		BootstrapKey: "wk-1." + strings.Repeat("c4a5", 16), Log: slog.New(slog.DiscardHandler)}}
	p.start()
	t.Cleanup(func() { p.stop() })
	if p.client, err = client.New("http://"+addr, p.cfg.BootstrapKey, client.Options{}); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *plane) start() {
	p.t.Helper()
	srv, err := control.New(p.t.Context(), p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	p.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("server: %v", err)
		}
		p.stop = func() {}
	}
}

// work runs a worker whose runners are this test program.
func (p *plane) work() {
	p.t.Helper()
	log := slog.New(slog.DiscardHandler)
	backend, err := direct.New(direct.Config{Root: p.t.TempDir(), Program: os.Args[0], HostEnv: os.Environ(), Log: log, Host: "local",
		Env: map[string]string{"RUNNER_TEST_REAL": "1"}})
	if err != nil {
		p.t.Fatal(err)
	}
	cfg := worker.Config{WorkerID: "local", ServerRootURL: p.client.Root(), APIKey: p.cfg.BootstrapKey, Backend: backend, Log: log}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(ctx, cfg) }()
	p.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			p.t.Errorf("worker: %v", err)
		}
	})
}

func (p *plane) entries(id string) []api.Entry {
	p.t.Helper()
	list, err := p.client.Entries(p.t.Context(), id, 0, 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	return list.Entries
}

// await polls, across processes, until ok.
func (p *plane) await(what, id string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			var all strings.Builder
			for _, e := range p.entries(id) {
				fmt.Fprintf(&all, "%d %s %s\n", e.Seq, e.Type, e.Data)
			}
			p.t.Fatalf("waited in vain for %s:\n%s", what, &all)
		}
	}
}

// A runner killed between two checkpoints: the next one restores the last, and the agent learns what
// is missing, in the conversation and before it goes on.
func TestKilledRunnerTellsTheNext(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.work()
	dir := t.TempDir()
	kept, killed := filepath.Join(dir, "kept"), filepath.Join(dir, "killed")
	var turns []any
	for _, command := range []string{
		"echo one >one.txt",
		"until [ -e " + kept + " ]; do sleep 0.02; done; echo two >two.txt",
		"[ -e " + killed + " ] || { touch " + killed + "; kill -9 $PPID; sleep 60; }",
		"ls",
	} {
		turns = append(turns, map[string]any{"tool_calls": []any{map[string]any{"name": "bash", "input": map[string]any{"command": command}}}})
	}
	script, _ := json.Marshal(map[string]any{"turns": append(turns, map[string]any{"text": "done"})})
	zero := int32(0)
	created, err := p.client.CreateRun(t.Context(), api.RunAgentRequest{Prompt: "Go.\n```scripted\n" + string(script) + "\n```",
		Config: api.AmbientAgentConfig{ModelId: "scripted", IdleTimeoutMinutes: &zero}})
	if err != nil {
		t.Fatal(err)
	}
	id := created.RunId
	p.await("the first checkpoint", id, func() bool { return p.snapshots(id) > 0 })
	mustWrite(t, kept, "")
	p.await("the end", id, func() bool {
		r, err := p.client.GetRun(t.Context(), id)
		return err == nil && r.State.Ended()
	})
	var told *api.Notice
	var outputs []string
	for _, e := range p.entries(id) {
		data, err := e.Decode()
		if err != nil {
			t.Fatal(err)
		}
		switch d := data.(type) {
		case api.Notice:
			if d.Agent && told != nil {
				t.Errorf("told again: %q", d.Text)
			}
			if d.Agent {
				told = &d
			}
		case api.ActionResult:
			outputs = append(outputs, d.Output)
			if len(outputs) == 3 && told == nil {
				t.Error("the agent went on before it was told")
			}
		}
	}
	if told == nil || told.Level != api.NoticeWarning || !strings.Contains(told.Text, "was lost") ||
		!strings.Contains(told.Text, "bash `until [") || strings.Contains(told.Text, "echo one") {
		t.Fatalf("the agent was told %+v", told)
	}
	if len(outputs) != 4 || strings.TrimSpace(outputs[3]) != "one.txt" {
		t.Errorf("outputs %q: the workspace is not what was told (%s)", outputs, told.Text)
	}
}

func (p *plane) snapshots(id string) int {
	rsp, err := p.client.API().ListHandoffAttachments(p.t.Context(), id)
	if err != nil {
		return 0
	}
	list, err := client.Read[api.HandoffAttachmentsResponse](rsp, nil)
	if err != nil {
		return 0
	}
	return len(list.Attachments)
}

// A server that restarts in the middle of everything costs a run nothing: what was put before, while
// and after it was away is stored once and in order.
func TestServerRestartsMeanwhile(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	local, err := p.client.CreateLocalRun(t.Context(), api.LocalRunRequest{Prompt: "go", Source: api.LocalRunRequestSourceCLI,
		Config: api.AmbientAgentConfig{ModelId: "scripted"}})
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{turn: func(ctx context.Context, s harness.Session) (harness.Outcome, error) {
		for i := range 4 {
			if err := say(ctx, s, fmt.Sprint("before ", i)); err != nil {
				return harness.Outcome{}, err
			}
		}
		p.stop()
		away := make(chan error, 1)
		go func() { away <- say(ctx, s, "while it was away") }()
		p.start()
		if err := <-away; err != nil {
			return harness.Outcome{}, err
		}
		return succeeded, say(ctx, s, "after")
	}}
	cfg := runner.Config{ServerURL: p.client.Root(), Token: local.RunToken, Local: true, Workdir: t.TempDir(), Harnesses: []harness.Harness{a},
		Log: slog.New(slog.DiscardHandler), Retry: link.Backoff{First: time.Millisecond, Most: 20 * time.Millisecond}}
	if result := run(t, cfg); result.State != api.RunStateSUCCEEDED {
		t.Errorf("result %+v", result)
	}
	var said []string
	for i, e := range p.entries(local.RunId) {
		if e.Seq != int64(i)+1 {
			t.Errorf("entry %d has seq %d", i+1, e.Seq)
		}
		if d, err := e.Decode(); err == nil {
			if m, ok := d.(api.AgentMessage); ok {
				said = append(said, m.Text)
			}
		}
	}
	if want := []string{"before 0", "before 1", "before 2", "before 3", "while it was away", "after"}; !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
	r, err := p.client.GetRun(t.Context(), local.RunId)
	if err != nil || r.State != api.RunStateSUCCEEDED || r.IsSandboxRunning {
		t.Errorf("run %+v, %v", r.State, err)
	}
}
