package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/dispatch"
	"github.com/cadrehq/cadre/internal/event"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// These tests use the real store, the real run service and the real bus. Only the workers are
// scripted, and they speak the protocol's own messages.

// patience bounds waits for what must happen; nothing is measured by it.
const patience = 60 * time.Second

// many is how many runs a test of quantity takes: fewer where the race detector slows SQLite down
// tenfold. The world's tests take all of them with it.
func many(n int) int {
	if raceEnabled {
		return n / 10
	}
	return n
}

// plane is a control plane as far as dispatch is concerned.
type plane struct {
	runs    *run.Service
	history store.Runs
	config  dispatch.Config
}

func newPlane(t testing.TB, dsn string) *plane {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	bus, err := event.Open(t.Context(), event.Config{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	db := storetest.Open(t, store.Options{DSN: dsn, Logger: log, OnCommit: func(notices []run.Notice) {
		for _, n := range notices {
			if n.Queued {
				bus.Queued(n.Host)
			}
			if n.Cancelled {
				bus.Cancelled(n.RunID, n.ExecutionID)
			}
		}
	}})
	stored := store.NewRuns(db)
	runs, err := run.NewService(run.Config{
		Store: stored, History: stored, Log: store.NewSessions(db), Environments: store.NewEnvironments(db),
		Models: anyModel{}, Blobs: noBlobs{}, Uploads: store.NewUploads(db), Leases: store.NewDispatch(db),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &plane{runs: runs, history: stored, config: dispatch.Config{
		Store: store.NewDispatch(db), Runs: runs, Tokens: tokens{}, RootURL: "http://server.test", Logger: log,
		Peers: bus,
		// The scripted workers send no heartbeats, and a machine under load must not make them late.
		Lease: time.Hour, ClaimWait: time.Hour,
		Wakes: func(ctx context.Context) (<-chan dispatch.Wake, error) { return event.WakeAs[dispatch.Wake](ctx, bus) },
	}}
}

type anyModel struct{}

func (anyModel) Resolve(id string, _ api.HarnessType, _ ...api.SecretType) (string, error) {
	return "model" + id, nil
}

type noBlobs struct{}

func (noBlobs) Put(context.Context, blob.Meta, io.Reader, int64) (blob.Meta, error) {
	return blob.Meta{}, errors.New("no blobs")
}
func (noBlobs) Discard(string) {}

func (noBlobs) Open(_ context.Context, id string) (blob.Meta, io.ReadCloser, error) {
	return blob.Meta{}, nil, api.NotFound("blob", id)
}

func (noBlobs) Stat(context.Context, string) (blob.Meta, error) {
	return blob.Meta{}, errors.New("no blobs")
}

type tokens struct{}

func (tokens) Mint(_ run.Run, x run.Execution) (string, error) { return "token-" + x.ID, nil }

var person = identity.Actor{Kind: identity.KindUser, UID: "user-1", Name: "Ada", TeamUID: "team-1", Role: identity.RoleAdmin}

// create queues n runs for a host and returns their ids.
func (p *plane) create(t testing.TB, host string, n int) []string {
	t.Helper()
	ids := make([]string, n)
	next, all := int64(-1), sync.WaitGroup{}
	for range min(n, 64) {
		all.Go(func() {
			for i := int(atomic.AddInt64(&next, 1)); i < n; i = int(atomic.AddInt64(&next, 1)) {
				r, _, err := p.runs.Create(context.Background(), person, api.RunAgentRequest{
					Prompt: "do it", Config: api.AmbientAgentConfig{WorkerHost: host},
				}, api.RunSourceTypeAPI)
				if err != nil {
					t.Error(err)
					return
				}
				ids[i] = r.ID
			}
		})
	}
	all.Wait()
	return ids
}

// start runs one dispatcher of the plane until the test ends.
func (p *plane) start(t testing.TB, instance string) *dispatch.Dispatcher {
	t.Helper()
	cfg := p.config
	cfg.Instance = instance
	d, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return d
}

// until waits for a state that other goroutines bring about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not reached: %s", what)
		}
	}
}

func (p *plane) state(t testing.TB, id string) run.Run {
	t.Helper()
	r, err := p.history.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// worker is a scripted worker on a transport in memory: react answers each assignment.
type worker struct {
	down, up chan []byte
	cut      chan struct{}
}

func (w *worker) Send(ctx context.Context, frame []byte) error {
	select {
	case w.down <- frame:
		return nil
	case <-w.cut:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *worker) Receive(ctx context.Context) ([]byte, error) {
	select {
	case f := <-w.up:
		return f, nil
	case <-w.cut:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w *worker) Ping(context.Context) error { return nil }

func message(kind api.WorkerMessageType, data any) []byte {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	frame, err := json.Marshal(api.WorkerEnvelope{Type: kind, Data: body})
	if err != nil {
		panic(err)
	}
	return frame
}

// attach connects a worker of a host; react is called for each message of the server and returns
// what the worker says.
func attach(t testing.TB, d *dispatch.Dispatcher, host string, capacity int, react func(api.WorkerEnvelope) [][]byte) *worker {
	t.Helper()
	w := &worker{down: make(chan []byte, 1024), up: make(chan []byte, 4096), cut: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	w.up <- message(api.WorkerHello, api.Hello{Version: "test", Backend: "direct", Capacity: capacity})
	parts.Go(func() { _ = d.Serve(ctx, w, dispatch.WorkerInfo{Host: host, TeamUID: person.TeamUID}) })
	parts.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.cut:
				return
			case frame := <-w.down:
				var m api.WorkerEnvelope
				if err := json.Unmarshal(frame, &m); err != nil {
					t.Error(err)
					return
				}
				for _, said := range react(m) {
					select {
					case w.up <- said:
					case <-ctx.Done():
						return
					}
				}
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		parts.Wait()
	})
	return w
}

func assignmentOf(t testing.TB, m api.WorkerEnvelope) api.TaskAssignment {
	var a api.TaskAssignment
	if err := json.Unmarshal(m.Data, &a); err != nil {
		t.Error(err)
	}
	return a
}

// claims answers assignments with claims and notes them.
func claims(t testing.TB, note func(a api.TaskAssignment)) func(api.WorkerEnvelope) [][]byte {
	return func(m api.WorkerEnvelope) [][]byte {
		if m.Type != api.WorkerAssignment {
			return nil
		}
		a := assignmentOf(t, m)
		note(a)
		return [][]byte{message(api.WorkerClaimed, api.TaskReport{TaskID: a.TaskID, ExecutionID: a.ExecutionID})}
	}
}

// counter counts assignments by run.
type counter struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *counter) note(a api.TaskAssignment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = make(map[string]int)
	}
	c.seen[a.TaskID]++
}

func (c *counter) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// checkOnce fails unless exactly the given runs were assigned, each once, and are claimed.
func (c *counter) checkOnce(t *testing.T, p *plane, ids []string) {
	t.Helper()
	until(t, "all runs claimed", func() bool {
		n := 0
		for _, s := range []api.RunState{api.RunStateQUEUED, api.RunStatePENDING} {
			page, err := p.history.List(context.Background(), run.Query{TeamUIDs: []string{person.TeamUID}, States: []api.RunState{s}, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			n += len(page.Runs)
		}
		return n == 0
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.seen[id] != 1 {
			t.Fatalf("run %s was handed out %d times", id, c.seen[id])
		}
	}
	if len(c.seen) != len(ids) {
		t.Fatalf("%d runs handed out, want %d", len(c.seen), len(ids))
	}
}

func TestThousandsOfRunsAreHandedOutOnce(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "")
	ids := p.create(t, "linux", many(3000))
	var c counter
	d := p.start(t, "server")
	for range 2 {
		attach(t, d, "linux", 0, claims(t, c.note))
	}
	until(t, "all runs handed out", func() bool { return c.size() == len(ids) })
	c.checkOnce(t, p, ids)
}

// Two replicas, each with workers of the same host, over one store: no run is assigned twice.
func TestTwoReplicasShareTheQueue(t *testing.T) {
	for name, dsn := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, dsn(t))
			n := many(1000)
			var c counter
			for _, instance := range []string{"one", "two"} {
				attach(t, p.start(t, instance), "linux", 0, claims(t, c.note))
			}
			ids := p.create(t, "linux", n) // while both look
			until(t, "all runs handed out", func() bool { return c.size() == n })
			c.checkOnce(t, p, ids)
			for _, id := range ids[:50] {
				executions, err := p.history.Executions(t.Context(), id)
				if err != nil || len(executions) != 1 {
					t.Fatalf("run %s has %d executions: %v", id, len(executions), err)
				}
			}
		})
	}
}

var engines = map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres}

// A replica knows the workers of the others: what it says to people does not depend on who is asked.
func TestReplicasKnowEachOthersWorkers(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "")
	one := p.start(t, "one")
	var c counter
	attach(t, one, "linux", 1, claims(t, c.note))
	two := p.start(t, "two") // asks
	until(t, "known to the other replica", func() bool { return len(two.Workers(person.TeamUID)) == 1 })
	attach(t, two, "linux", 2, claims(t, c.note))
	for _, d := range []*dispatch.Dispatcher{one, two} {
		until(t, "both known to both", func() bool {
			list := d.Workers(person.TeamUID)
			return len(list) == 1 && list[0].ConnectionCount == 2 && list[0].Capacity == 3
		})
	}
	if got := two.Workers("another-team"); len(got) != 0 {
		t.Errorf("another team sees %+v", got)
	}
	p.create(t, "linux", 3)
	until(t, "all places taken", func() bool { return c.size() == 3 })
	last := p.create(t, "linux", 1)[0]
	until(t, "at capacity", func() bool { return p.state(t, last).Waiting.Code == api.WaitingCodeAtCapacity })
}

// A replica dies with offers open and runs claimed. The other one serves the worker when it comes,
// with what it still runs.
func TestWorkerMovesToAnotherReplica(t *testing.T) {
	for name, dsn := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlane(t, dsn(t))
			p.config.Peers = nil // counts are each replica's own
			one, two := p.start(t, "one"), p.start(t, "two")
			var c counter
			first := attach(t, one, "linux", 1, claims(t, c.note))
			id := p.create(t, "linux", 1)[0]
			until(t, "claimed", func() bool { return p.state(t, id).State == api.RunStateCLAIMED })
			close(first.cut)

			stopped := make(chan api.TaskCancellation, 1)
			second := attach(t, two, "linux", 1, func(m api.WorkerEnvelope) [][]byte {
				if m.Type == api.WorkerCancellation {
					var cancel api.TaskCancellation
					if err := json.Unmarshal(m.Data, &cancel); err != nil {
						t.Error(err)
					}
					stopped <- cancel
				}
				return nil
			})
			executions, err := p.history.Executions(t.Context(), id)
			if err != nil || len(executions) != 1 {
				t.Fatalf("%d executions: %v", len(executions), err)
			}
			second.up <- message(api.WorkerHeartbeat, api.Heartbeat{Running: []string{executions[0].ID}})
			until(t, "known to the other replica", func() bool {
				return two.Counts(dispatch.Place{Host: "linux", TeamUID: person.TeamUID}).Running == 1
			})
			// A cancellation reaches it there, whoever took the request.
			if _, err := p.runs.Cancel(t.Context(), person, id); err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-stopped:
				if got.TaskID != id || got.ExecutionID != executions[0].ID {
					t.Errorf("cancellation %+v", got)
				}
			case <-time.After(patience):
				t.Fatal("the cancellation did not arrive")
			}
		})
	}
}

// socket is the server's end of a WebSocket, as the HTTP layer makes it.
type socket struct{ *websocket.Conn }

func (s socket) Send(ctx context.Context, frame []byte) error {
	return s.Write(ctx, websocket.MessageText, frame)
}

func (s socket) Receive(ctx context.Context) ([]byte, error) {
	_, frame, err := s.Read(ctx)
	return frame, err
}

// A worker of the original protocol over a real WebSocket: no hello, no execution ids, reconnecting.
func TestOriginalWorkerOverWebSocket(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "")
	d := p.start(t, "server")
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serving.Add(1)
		defer serving.Done()
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ws.SetReadLimit(dispatch.MaxFrame)
		_ = d.Serve(ctx, socket{ws}, dispatch.WorkerInfo{
			Host: r.URL.Query().Get("worker_id"), TeamUID: person.TeamUID, Remote: r.RemoteAddr, RootURL: "http://" + r.Host,
		})
		_ = ws.CloseNow()
	}))
	t.Cleanup(func() {
		cancel()
		serving.Wait()
		server.Close()
	})

	dial := func() *websocket.Conn {
		ws, _, err := websocket.Dial(t.Context(), strings.Replace(server.URL, "http", "ws", 1)+"?worker_id=linux", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.CloseNow() })
		return ws
	}
	say := func(ws *websocket.Conn, kind api.WorkerMessageType, data any) {
		if err := ws.Write(t.Context(), websocket.MessageText, message(kind, data)); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(ws *websocket.Conn, want api.WorkerMessageType) api.WorkerEnvelope {
		_, frame, err := ws.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var m api.WorkerEnvelope
		if err := json.Unmarshal(frame, &m); err != nil || m.Type != want {
			t.Fatalf("got %s (%v), want %s", frame, err, want)
		}
		return m
	}

	ws := dial()
	ids := p.create(t, "linux", 1)
	a := assignmentOf(t, hear(ws, api.WorkerAssignment))
	if a.TaskID != ids[0] || a.EnvVars["WARP_SERVER_ROOT_URL"] != server.URL {
		t.Fatalf("assignment %+v", a)
	}
	say(ws, api.WorkerClaimed, map[string]string{"task_id": a.TaskID, "worker_id": "linux"})
	until(t, "claimed", func() bool { return p.state(t, a.TaskID).State == api.RunStateCLAIMED })
	if err := ws.CloseNow(); err != nil {
		t.Fatal(err)
	}

	// What it had to say while it was away comes first on the next connection.
	ws = dial()
	say(ws, api.WorkerFailed, map[string]any{"task_id": a.TaskID, "message": "no such image", "failure_reason": "invalid_image"})
	until(t, "failed", func() bool {
		return p.state(t, a.TaskID).State == api.RunStateFAILED || p.state(t, a.TaskID).State == api.RunStateERROR
	})

	second := p.create(t, "linux", 1)[0]
	a = assignmentOf(t, hear(ws, api.WorkerAssignment))
	say(ws, api.WorkerClaimed, map[string]string{"task_id": a.TaskID, "worker_id": "linux"})
	until(t, "claimed", func() bool { return p.state(t, second).State == api.RunStateCLAIMED })
	if _, err := p.runs.Cancel(t.Context(), person, second); err != nil {
		t.Fatal(err)
	}
	hear(ws, api.WorkerCancellation)
	say(ws, api.WorkerCompleted, map[string]string{"task_id": a.TaskID, "message": "Task cancelled by user request.", "task_state": "CANCELLED"})

	// A frame beyond the bound ends the connection, nothing else.
	if err := ws.Write(t.Context(), websocket.MessageText, make([]byte, dispatch.MaxFrame+1)); err == nil {
		if _, _, err := ws.Read(t.Context()); err == nil {
			t.Error("an outsized frame was accepted")
		}
	}
	until(t, "gone", func() bool { return !d.Connected() })
}

// Explanations and rejections as the store keeps them.
func TestWaitingRunSaysWhy(t *testing.T) {
	t.Parallel()
	p := newPlane(t, "")
	d := p.start(t, "server")
	id := p.create(t, "nowhere", 1)[0]
	until(t, "no worker", func() bool { return p.state(t, id).Waiting.Code == api.WaitingCodeNoWorker })
	if got := p.state(t, id).Waiting; !strings.Contains(got.Message, `"nowhere"`) || got.Since.IsZero() {
		t.Errorf("waiting %+v", got)
	}
	// A worker comes that refuses everything.
	attach(t, d, "nowhere", 1, func(m api.WorkerEnvelope) [][]byte {
		return [][]byte{message(api.WorkerRejected, api.TaskReport{TaskID: assignmentOf(t, m).TaskID, Reason: "worker at maximum concurrency"})}
	})
	until(t, "at capacity", func() bool { return p.state(t, id).Waiting.Code == api.WaitingCodeAtCapacity })
	if s := p.state(t, id).State; s != api.RunStateQUEUED {
		t.Errorf("state %s", s)
	}
	var c counter
	attach(t, d, "nowhere", 1, claims(t, c.note))
	until(t, "placed on the other worker", func() bool { return p.state(t, id).State == api.RunStateCLAIMED })
}
