package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/worker"
	"github.com/cadrehq/cadre/internal/worker/backend"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the far side of the worker's connection.
type server struct {
	t     *testing.T
	http  *httptest.Server
	conns chan *conn
	deny  int // connections to refuse
	mu    sync.Mutex
	asked []*http.Request
}

type conn struct {
	t      *testing.T
	ws     *websocket.Conn
	frames chan api.WorkerEnvelope
	end    chan error
}

func newServer(t *testing.T) *server {
	s := &server{t: t, conns: make(chan *conn, 16)}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.http.Close)
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	deny := s.deny > 0
	s.deny--
	s.mu.Unlock()
	if deny {
		http.Error(w, "not yet", http.StatusServiceUnavailable)
		return
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	c := &conn{t: s.t, ws: ws, frames: make(chan api.WorkerEnvelope, 64), end: make(chan error, 1)}
	s.conns <- c
	for {
		_, b, err := ws.Read(context.Background())
		if err != nil {
			c.end <- err
			_ = ws.CloseNow()
			return
		}
		var e api.WorkerEnvelope
		if err := json.Unmarshal(b, &e); err != nil {
			s.t.Errorf("frame %q: %v", b, err)
		}
		c.frames <- e
	}
}

func (s *server) accept() *conn { return receive(s.t, s.conns, "a connection") }

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(15 * time.Second):
		t.Fatalf("waited in vain for %s", what)
	}
	panic("unreachable")
}

func (c *conn) send(kind api.WorkerMessageType, data any) {
	c.t.Helper()
	raw, _ := json.Marshal(data)
	b, _ := json.Marshal(api.WorkerEnvelope{Type: kind, Data: raw})
	if err := c.ws.Write(context.Background(), websocket.MessageText, b); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next frame of a kind; heartbeats are passed over unless asked for.
func next[T any](c *conn, kind api.WorkerMessageType) T {
	c.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; {
		if time.Now().After(deadline) {
			c.t.Fatalf("waited in vain for %s among heartbeats", kind)
		}
		e := receive(c.t, c.frames, string(kind))
		if e.Type == api.WorkerHeartbeat && kind != api.WorkerHeartbeat {
			continue
		}
		if e.Type != kind {
			c.t.Fatalf("got %s %s, want %s", e.Type, e.Data, kind)
		}
		var v T
		if err := json.Unmarshal(e.Data, &v); err != nil {
			c.t.Fatal(err)
		}
		return v
	}
}

// fake is a backend whose sandboxes end when told to.
type fake struct {
	started chan *box
	fail    error
	opened  bool
	closed  bool
}

type box struct {
	task    backend.Task
	stopped chan time.Duration
	exit    chan backend.Exit
	once    sync.Once
	end     backend.Exit
}

func (*fake) Name() string                  { return "fake" }
func (f *fake) Open(context.Context) error  { f.opened = true; return nil }
func (f *fake) Close(context.Context) error { f.closed = true; return nil }
func (b *box) Wait() backend.Exit           { b.once.Do(func() { b.end = <-b.exit }); return b.end }
func (b *box) Stop(grace time.Duration)     { b.stopped <- grace }
func (f *fake) Start(_ context.Context, t backend.Task) (backend.Sandbox, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	b := &box{task: t, stopped: make(chan time.Duration, 4), exit: make(chan backend.Exit, 1)}
	f.started <- b
	return b, nil
}

type rig struct {
	*server
	backend *fake
	stop    context.CancelFunc
	done    chan error
}

func launch(t *testing.T, change func(*worker.Config)) *rig {
	t.Helper()
	r := &rig{server: newServer(t), backend: &fake{started: make(chan *box, 16)}, done: make(chan error, 1)}
	cfg := worker.Config{
		WorkerID: "host-1", ServerRootURL: r.http.URL, APIKey: "wk-1.key", Backend: r.backend, Version: "v9",
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Heartbeat: 10 * time.Millisecond, ReconnectFirst: 5 * time.Millisecond, ReconnectMost: 20 * time.Millisecond,
	}
	if change != nil {
		change(&cfg)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.done <- worker.Run(ctx, cfg) }()
	return r
}

func (r *rig) finish() {
	r.t.Helper()
	r.stop()
	if err := receive(r.t, r.done, "the worker's end"); err != nil {
		r.t.Errorf("worker: %v", err)
	}
	if !r.backend.closed {
		r.t.Error("the backend was not closed")
	}
}

func assignment(n int) api.TaskAssignment {
	id := fmt.Sprintf("run-%d", n)
	return api.TaskAssignment{
		TaskID: id, ExecutionID: fmt.Sprintf("execution-%d", n), EnvVars: map[string]string{"WARP_API_KEY": "token"},
		Task: &api.WorkerTask{ID: id, CreatedAt: time.Now(), UpdatedAt: time.Now(), Owner: api.TaskOwner{Type: "TEAM", ID: 1}},
	}
}

func TestClaimRunReport(t *testing.T) {
	t.Parallel()
	r := launch(t, nil)
	c := r.accept()
	if got := r.asked[0]; got.Header.Get("Authorization") != "Bearer wk-1.key" || got.URL.Query().Get("worker_id") != "host-1" || got.URL.Path != api.WorkerPath {
		t.Errorf("dialled %s with %v", got.URL, got.Header)
	}
	if diff := cmp.Diff(api.Hello{Version: "v9", Backend: "fake"}, next[api.Hello](c, api.WorkerHello)); diff != "" {
		t.Error(diff)
	}
	c.send("a_kind_from_the_future", map[string]int{"x": 1})
	c.send(api.WorkerAssignment, assignment(1))
	if diff := cmp.Diff(api.TaskReport{TaskID: "run-1", ExecutionID: "execution-1", WorkerID: "host-1"}, next[api.TaskReport](c, api.WorkerClaimed)); diff != "" {
		t.Error(diff)
	}
	b := receive(t, r.backend.started, "the sandbox")
	if b.task.Env["WARP_API_KEY"] != "token" || b.task.Env["TASK_ID"] != "run-1" || b.task.Env["CADRE_WORKER_MANAGED"] != "1" {
		t.Errorf("environment %v", b.task.Env)
	}
	for !slices.Contains(next[api.Heartbeat](c, api.WorkerHeartbeat).Running, "execution-1") {
	}
	c.send(api.WorkerAssignment, assignment(1)) // an echo: claimed again, not started again
	next[api.TaskReport](c, api.WorkerClaimed)
	b.exit <- backend.Exit{}
	if diff := cmp.Diff(api.TaskReport{TaskID: "run-1", ExecutionID: "execution-1", Message: "Task completed successfully"}, next[api.TaskReport](c, api.WorkerCompleted)); diff != "" {
		t.Error(diff)
	}
	for len(next[api.Heartbeat](c, api.WorkerHeartbeat).Running) > 0 {
	}
	if len(r.backend.started) > 0 {
		t.Error("an echo was started again")
	}
	r.finish()
	if err := receive(t, c.end, "the close"); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("closed with %v", err)
	}
}

func TestEndsAreReported(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		exit backend.Exit
		fail error
		want api.TaskReport
	}{
		"status":  {exit: backend.Exit{Code: 7, Output: "last words"}, want: api.TaskReport{Message: "Failed to execute task: the agent's process ended with status 7\nlast words", FailureReason: "agent_invocation", ExitCode: 7}},
		"killed":  {exit: backend.Exit{Code: 137}, want: api.TaskReport{Message: "Failed to execute task: the agent's process ended with status 137", FailureReason: "agent_invocation", ExitCode: 137}},
		"asked":   {exit: backend.Exit{Code: 143}, want: api.TaskReport{Message: "Task interrupted: the worker was shut down.", FailureReason: "graceful_shutdown", ExitCode: 143}},
		"setup":   {fail: backend.Fail(backend.ReasonSetupCommand, "exit 2"), want: api.TaskReport{Message: "Failed to execute task: exit 2", FailureReason: "setup_command"}},
		"unnamed": {fail: errors.New("odd"), want: api.TaskReport{Message: "Failed to execute task: odd", FailureReason: "unknown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := launch(t, nil)
			r.backend.fail = tc.fail
			c := r.accept()
			next[api.Hello](c, api.WorkerHello)
			c.send(api.WorkerAssignment, assignment(1))
			next[api.TaskReport](c, api.WorkerClaimed)
			if tc.fail == nil {
				receive(t, r.backend.started, "the sandbox").exit <- tc.exit
			}
			tc.want.TaskID, tc.want.ExecutionID = "run-1", "execution-1"
			if diff := cmp.Diff(tc.want, next[api.TaskReport](c, api.WorkerFailed)); diff != "" {
				t.Error(diff)
			}
			r.finish()
		})
	}
}

func TestAtCapacityRejects(t *testing.T) {
	t.Parallel()
	r := launch(t, func(c *worker.Config) { c.MaxConcurrent = 1 })
	c := r.accept()
	if h := next[api.Hello](c, api.WorkerHello); h.Capacity != 1 {
		t.Errorf("hello %+v", h)
	}
	c.send(api.WorkerAssignment, assignment(1))
	next[api.TaskReport](c, api.WorkerClaimed)
	c.send(api.WorkerAssignment, assignment(2))
	if got := next[api.TaskReport](c, api.WorkerRejected); got.TaskID != "run-2" || got.Reason != "worker at maximum concurrency" {
		t.Errorf("rejected %+v", got)
	}
	receive(t, r.backend.started, "the sandbox").exit <- backend.Exit{}
	next[api.TaskReport](c, api.WorkerCompleted)
	for len(next[api.Heartbeat](c, api.WorkerHeartbeat).Running) > 0 {
	}
	c.send(api.WorkerAssignment, assignment(3))
	next[api.TaskReport](c, api.WorkerClaimed)
	receive(t, r.backend.started, "the sandbox").exit <- backend.Exit{}
	next[api.TaskReport](c, api.WorkerCompleted)
	r.finish()
}

func TestBadAssignmentsDoNotHarm(t *testing.T) {
	t.Parallel()
	r := launch(t, nil)
	c := r.accept()
	next[api.Hello](c, api.WorkerHello)
	c.send(api.WorkerAssignment, map[string]any{"task_id": "x", "task": nil})
	if got := next[api.TaskReport](c, api.WorkerRejected); got.TaskID != "x" {
		t.Errorf("rejected %+v", got)
	}
	c.send(api.WorkerAssignment, "not an object")
	c.send(api.WorkerCancellation, api.TaskCancellation{TaskID: "unknown"})
	bad := assignment(1)
	raw := json.RawMessage(`{"model_id": 5}`)
	bad.Task.AgentConfigSnapshot = &raw
	c.send(api.WorkerAssignment, bad)
	next[api.TaskReport](c, api.WorkerClaimed)
	if got := next[api.TaskReport](c, api.WorkerFailed); !strings.Contains(got.Message, "agent config") {
		t.Errorf("failed %+v", got)
	}
	r.finish()
}

func TestCancellation(t *testing.T) {
	t.Parallel()
	r := launch(t, func(c *worker.Config) { c.Grace = 3 * time.Second })
	c := r.accept()
	next[api.Hello](c, api.WorkerHello)
	c.send(api.WorkerAssignment, assignment(1))
	next[api.TaskReport](c, api.WorkerClaimed)
	b := receive(t, r.backend.started, "the sandbox")
	c.send(api.WorkerCancellation, api.TaskCancellation{TaskID: "run-1"})
	if grace := receive(t, b.stopped, "the stop"); grace != 3*time.Second {
		t.Errorf("grace %s", grace)
	}
	b.exit <- backend.Exit{Code: 137}
	want := api.TaskReport{TaskID: "run-1", ExecutionID: "execution-1", Message: "Task cancelled by user request.", TaskState: "CANCELLED"}
	if diff := cmp.Diff(want, next[api.TaskReport](c, api.WorkerCompleted)); diff != "" {
		t.Error(diff)
	}
	r.finish()
}

// What happened while the server was away is told on the next connection, whose hello names what
// still runs.
func TestReconnects(t *testing.T) {
	t.Parallel()
	r := launch(t, nil)
	c := r.accept()
	next[api.Hello](c, api.WorkerHello)
	for n := 1; n <= 2; n++ {
		c.send(api.WorkerAssignment, assignment(n))
		next[api.TaskReport](c, api.WorkerClaimed)
	}
	one, two := receive(t, r.backend.started, "sandbox"), receive(t, r.backend.started, "sandbox")
	if one.task.TaskID != "run-1" {
		one, two = two, one
	}
	r.mu.Lock()
	r.deny = 3
	r.mu.Unlock()
	_ = c.ws.CloseNow()
	receive(t, c.end, "the connection's end")
	one.exit <- backend.Exit{}
	c = r.accept()
	hello := next[api.Hello](c, api.WorkerHello)
	if !slices.Contains(hello.Running, "execution-2") {
		t.Errorf("hello %+v", hello)
	}
	// Claims come again: no ping told the worker that the server had read them.
	next[api.TaskReport](c, api.WorkerClaimed)
	next[api.TaskReport](c, api.WorkerClaimed)
	if got := next[api.TaskReport](c, api.WorkerCompleted); got.TaskID != "run-1" {
		t.Errorf("completed %+v", got)
	}
	two.exit <- backend.Exit{}
	next[api.TaskReport](c, api.WorkerCompleted)
	r.finish()
}

func TestShutdownStopsAndTells(t *testing.T) {
	t.Parallel()
	r := launch(t, nil)
	c := r.accept()
	next[api.Hello](c, api.WorkerHello)
	c.send(api.WorkerAssignment, assignment(1))
	next[api.TaskReport](c, api.WorkerClaimed)
	b := receive(t, r.backend.started, "the sandbox")
	r.stop()
	receive(t, b.stopped, "the stop")
	c.send(api.WorkerAssignment, assignment(2))
	if got := next[api.TaskReport](c, api.WorkerRejected); got.TaskID != "run-2" {
		t.Errorf("a stopping worker took %+v", got)
	}
	b.exit <- backend.Exit{Code: 143}
	if got := next[api.TaskReport](c, api.WorkerFailed); got.FailureReason != "graceful_shutdown" {
		t.Errorf("failed %+v", got)
	}
	r.finish()
}

func TestOneShot(t *testing.T) {
	t.Parallel()
	r := launch(t, func(c *worker.Config) { c.OneShot = true })
	c := r.accept()
	next[api.Hello](c, api.WorkerHello)
	c.send(api.WorkerAssignment, assignment(1))
	next[api.TaskReport](c, api.WorkerClaimed)
	receive(t, r.backend.started, "the sandbox").exit <- backend.Exit{}
	next[api.TaskReport](c, api.WorkerCompleted)
	if err := receive(t, r.done, "the worker's end"); err != nil {
		t.Error(err)
	}
	r.stop()
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := worker.Config{WorkerID: "w", ServerRootURL: "http://127.0.0.1:1", APIKey: "k", Backend: &fake{}, Log: slog.Default()}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for word, spoil := range map[string]func(*worker.Config){
		"worker id":  func(c *worker.Config) { c.WorkerID = " " },
		"reserved":   func(c *worker.Config) { c.WorkerID = "Warp-1" },
		"API key":    func(c *worker.Config) { c.APIKey = "" },
		"backend":    func(c *worker.Config) { c.Backend = nil },
		"server URL": func(c *worker.Config) { c.ServerRootURL = "ftp://x" },
		"negative":   func(c *worker.Config) { c.MaxConcurrent = -1 },
	} {
		c := good
		spoil(&c)
		if err := worker.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v", word, err)
		}
	}
}
