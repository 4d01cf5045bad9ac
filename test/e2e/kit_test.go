package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend/direct"
)

// patience bounds waits for what must happen; nothing is measured by it.
const patience = time.Minute

// program is cadre, made once by TestMain.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cadre-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "cadre")
	cmd := exec.Command("go", "build", "-o", program, "../../cmd/cadre")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// world is one server, with its first admin's client.
type world struct {
	*client.Client
	t    *testing.T
	ctx  context.Context
	url  string
	key  string
	cfg  server.Config
	log  *logs
	home string // of the agents

	stop func()
}

// logs keeps what was logged, to be shown when a test fails.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newWorld starts a server.
func newWorld(t *testing.T, change ...func(*server.Config)) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	w := &world{t: t, ctx: ctx, log: &logs{}, home: t.TempDir()}
	w.cfg = server.Config{
		Listen: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data"), StopGrace: 2 * time.Second,
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
	for _, f := range change {
		f(&w.cfg)
	}
	srv, err := server.New(ctx, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(running) }()
	w.url, w.key = srv.URL(), srv.BootstrapKey()
	w.Client = w.as(w.key)
	w.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("log:\n%s", tail(w.log.String(), 8000))
		}
	})
	return w
}

// as is a client with another credential.
func (w *world) as(key string) *client.Client {
	w.t.Helper()
	transport := &http.Transport{}
	w.t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(w.url, key, client.Options{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// work starts a worker of the default host. The returned function ends it as a signal does.
func (w *world) work(change ...func(*worker.Config, *direct.Config)) (stop func()) {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(w.log, nil))
	connected := make(chan struct{})
	cfg := worker.Config{
		WorkerID: "local", ServerRootURL: w.url, APIKey: w.key, Grace: 2 * time.Second, Log: log,
		ReconnectFirst: 100 * time.Millisecond, ReconnectMost: 500 * time.Millisecond,
		OnConnect: sync.OnceFunc(func() { close(connected) }),
	}
	back := direct.Config{
		Root: filepath.Join(w.t.TempDir(), "work"), Program: program, Host: "local", Log: log,
		HostEnv: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + w.home, "TMPDIR=" + os.TempDir()},
	}
	for _, f := range change {
		f(&cfg, &back)
	}
	var err error
	if cfg.Backend, err = direct.New(back); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := worker.Run(ctx, cfg); err != nil && !errors.Is(err, context.Canceled) {
			w.t.Errorf("worker: %v", err)
		}
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	select {
	case <-connected:
	case <-time.After(patience):
		w.t.Fatal("the worker did not connect")
	}
	return stop
}

// turn is one answer of the scripted model.
type turn map[string]any

func say(text string, calls ...map[string]any) turn {
	return turn{"text": text, "tool_calls": calls}
}

func call(tool string, input map[string]any) map[string]any {
	return map[string]any{"name": tool, "input": input}
}

func bash(command string) map[string]any { return call("bash", map[string]any{"command": command}) }

// script is a prompt that makes the model take the turns.
func script(turns ...turn) string {
	text, err := json.Marshal(map[string]any{"turns": turns})
	if err != nil {
		panic(err)
	}
	return "Do it.\n```scripted\n" + string(text) + "\n```"
}

// minutes is an idle time.
func minutes(n int32) *int32 { return &n }

// start makes a run on the scripted model whose sandbox ends with its work, unless changed.
func (w *world) start(prompt string, change ...func(*api.RunAgentRequest)) string {
	w.t.Helper()
	req := api.RunAgentRequest{Prompt: prompt, Config: api.AmbientAgentConfig{ModelId: "scripted", IdleTimeoutMinutes: minutes(0)}}
	for _, f := range change {
		f(&req)
	}
	rsp, err := w.CreateRun(w.ctx, req)
	if err != nil {
		w.t.Fatal(err)
	}
	return rsp.RunId
}

func (w *world) get(id string) api.RunItem {
	w.t.Helper()
	run, err := w.GetRun(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return run
}

// until waits for something that no signal tells of.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// reach waits until a run is in a state.
func (w *world) reach(id string, state api.RunState) (run api.RunItem) {
	w.t.Helper()
	defer func() {
		if run.State != state {
			w.t.Logf("run %s is %s: %s\n%s", id, run.State, run.StatusMessage.Message, w.dump(id))
		}
	}()
	w.until(fmt.Sprintf("run %s to be %s", id, state), func() bool {
		run = w.get(id)
		return run.State == state || run.State.Ended()
	})
	if run.State != state {
		w.t.Fatalf("the run became %s (%s), not %s", run.State, run.StatusMessage.Message, state)
	}
	return run
}

// finish waits until a run has succeeded and its sandbox is gone.
func (w *world) finish(id string) api.RunItem {
	w.t.Helper()
	w.reach(id, api.RunStateSUCCEEDED)
	w.until("the end of the sandbox", func() bool { return !w.get(id).IsSandboxRunning })
	return w.get(id)
}

func (w *world) entries(id string) (all []api.Entry) {
	w.t.Helper()
	for after := int64(0); ; {
		page, err := w.Entries(w.ctx, id, after, 1000)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(page.Entries) == 0 {
			return all
		}
		all, after = append(all, page.Entries...), page.NextAfter
	}
}

func (w *world) dump(id string) string {
	var b strings.Builder
	for _, e := range w.entries(id) {
		fmt.Fprintf(&b, "%3d %s %s\n", e.Seq, e.Type, e.Data[:min(len(e.Data), 400)])
	}
	return b.String()
}

// of returns the entries of one kind.
func of[T api.EntryData](w *world, id string) (all []T) {
	w.t.Helper()
	for _, e := range w.entries(id) {
		data, err := e.Decode()
		if err != nil {
			w.t.Fatal(err)
		}
		if d, ok := data.(T); ok {
			all = append(all, d)
		}
	}
	return all
}

// results is what the tools answered, in order.
func (w *world) results(id string) []api.ActionResult {
	w.t.Helper()
	return of[api.ActionResult](w, id)
}

// said is all the agent said.
func (w *world) said(id string) string {
	w.t.Helper()
	var b strings.Builder
	for _, m := range of[api.AgentMessage](w, id) {
		b.WriteString(m.Text + "\n")
	}
	return b.String()
}

// asked waits for an open request.
func (w *world) asked(id string) (open api.RunRequest) {
	w.t.Helper()
	w.reach(id, api.RunStateBLOCKED)
	list, err := w.Requests(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range list {
		if r.Answer.AnsweredAt.IsZero() {
			return r
		}
	}
	w.t.Fatalf("the run is BLOCKED and nothing is open: %+v", list)
	return open
}

func (w *world) answer(id, request string, a api.AnswerRequest) {
	w.t.Helper()
	if _, err := w.Answer(w.ctx, id, request, a); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) tell(id, message string) {
	w.t.Helper()
	if _, err := w.FollowUp(w.ctx, id, api.RunFollowupRequest{Message: message}); err != nil {
		w.t.Fatal(err)
	}
}

// contains fails the test unless a text holds every part.
func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, tail(text, 4000))
		}
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// codeOf is the code of a refusal.
func codeOf(err error) api.PlatformErrorCode {
	var f *api.Failure
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}
