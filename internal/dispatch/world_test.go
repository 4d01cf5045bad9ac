package dispatch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store and its runs in memory, with the rules of run.Service that dispatch relies on. It
// lets tests turn hours of leases into moments (testing/synctest); the tests with the real store and
// service are in real_test.go.
type world struct {
	mu      sync.Mutex
	runs    map[string]*worldRun
	order   []string // by queueing
	offered []string // by assignment
	execs   map[string]*worldRun
	wakes   chan Wake
	broken  bool        // the store is out of reach
	full    atomic.Bool // the store can be read, but takes nothing
	calls   map[string]int
}

type worldRun struct {
	Waiting
	state    api.RunState
	live     bool
	exec     string
	worker   string
	claimed  bool
	lease    time.Time
	active   time.Time
	number   int
	assigned []string // every execution ever opened
	exits    []run.Exit
	rejects  []string
	lost     int
}

func newWorld() *world {
	return &world{runs: make(map[string]*worldRun), execs: make(map[string]*worldRun), wakes: make(chan Wake, 100_000), calls: make(map[string]int)}
}

var errBroken = errors.New("store is out of reach")

// enter counts a call and fails it while the store is broken. It locks.
func (w *world) enter(call string) error {
	w.mu.Lock()
	w.calls[call]++
	if w.broken {
		return errBroken
	}
	return nil
}

func (w *world) queue(team, host string, n int) (ids []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range n {
		id := fmt.Sprintf("%s-%s-%05d", team, host, len(w.order))
		w.runs[id] = &worldRun{
			Waiting: Waiting{RunID: id, TeamUID: team, Host: host, QueuedAt: time.Now().UTC()},
			state:   api.RunStateQUEUED,
		}
		w.order = append(w.order, id)
		ids = append(ids, id)
	}
	w.wakes <- Wake{Host: host}
	return ids
}

func (w *world) look(id string) worldRun {
	w.mu.Lock()
	defer w.mu.Unlock()
	return *w.runs[id]
}

func (w *world) called(call string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[call]
}

func (w *world) setBroken(b bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = b
}

// cancel is a person's: the run and its execution are over at once.
func (w *world) cancel(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.runs[id]
	r.state, r.live = api.RunStateCANCELLED, false
	w.wakes <- Wake{RunID: id, ExecutionID: r.exec}
}

func (w *world) Waiting(_ context.Context, places []Place, teamLimits map[string]int, limit int) ([]Waiting, error) {
	defer w.mu.Unlock()
	if err := w.enter("waiting"); err != nil {
		return nil, err
	}
	type ranked struct {
		Waiting
		rank int
	}
	ranks, room := map[string]int{}, map[string]int{}
	for _, r := range w.runs {
		if r.live {
			room[r.TeamUID]--
		}
	}
	var list []ranked
	for _, id := range w.order {
		r := w.runs[id]
		if r.state != api.RunStateQUEUED || !slices.Contains(places, Place{r.Host, r.TeamUID}) {
			continue
		}
		if teamLimit := teamLimits[r.TeamUID]; teamLimit > 0 && ranks[r.TeamUID] >= teamLimit+room[r.TeamUID] {
			continue
		}
		list = append(list, ranked{r.Waiting, ranks[r.TeamUID]})
		ranks[r.TeamUID]++
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	var out []Waiting
	for _, r := range list[:min(limit, len(list))] {
		out = append(out, r.Waiting)
	}
	return out, nil
}

func (w *world) Queued(_ context.Context, before time.Time, after Waiting, limit int) (list []Waiting, err error) {
	defer w.mu.Unlock()
	if err := w.enter("queued"); err != nil {
		return nil, err
	}
	behind := after.RunID == ""
	for _, id := range w.order {
		r := w.runs[id]
		if behind && r.state == api.RunStateQUEUED && r.QueuedAt.Before(before) && len(list) < limit {
			list = append(list, r.Waiting)
		}
		behind = behind || id == after.RunID
	}
	return list, nil
}

func (w *world) Renew(_ context.Context, ids []string, until time.Time) (ended []string, err error) {
	defer w.mu.Unlock()
	if err := w.enter("renew"); err != nil {
		return nil, err
	}
	for _, id := range ids {
		r := w.byExecution(id)
		if r == nil {
			ended = append(ended, id)
		} else if until.After(r.lease) {
			r.lease = until
		}
	}
	return ended, nil
}

func (w *world) Shorten(_ context.Context, from, to time.Time) error {
	defer w.mu.Unlock()
	if err := w.enter("shorten"); err != nil {
		return err
	}
	for _, r := range w.runs {
		if r.live && r.lease.After(from) {
			r.lease = to
		}
	}
	return nil
}

func (w *world) byExecution(id string) *worldRun {
	if r := w.execs[id]; r != nil && r.exec == id && r.live {
		return r
	}
	return nil
}

func (w *world) leases(limit int, want func(*worldRun) bool) (list []Lease) {
	for _, r := range w.runs {
		if r.live && want(r) {
			list = append(list, Lease{r.RunID, r.exec, r.Host, r.TeamUID, r.worker, r.claimed, r.lease})
		}
	}
	slices.SortFunc(list, func(a, b Lease) int { return a.LeaseUntil.Compare(b.LeaseUntil) })
	return list[:min(limit, len(list))]
}

func (w *world) Expired(_ context.Context, before time.Time, limit int) ([]Lease, error) {
	defer w.mu.Unlock()
	if err := w.enter("expired"); err != nil {
		return nil, err
	}
	return w.leases(limit, func(r *worldRun) bool { return r.lease.Before(before) }), nil
}

func (w *world) Unclaimed(_ context.Context, limit int) ([]Lease, error) {
	defer w.mu.Unlock()
	if err := w.enter("unclaimed"); err != nil {
		return nil, err
	}
	return w.leases(limit, func(r *worldRun) bool { return !r.claimed }), nil
}

func (w *world) Live(_ context.Context, ids []string) ([]Lease, error) {
	defer w.mu.Unlock()
	if err := w.enter("live"); err != nil {
		return nil, err
	}
	return w.leases(len(ids), func(r *worldRun) bool { return slices.Contains(ids, r.exec) }), nil
}

func (w *world) Latest(_ context.Context, runID string) (Lease, error) {
	defer w.mu.Unlock()
	if err := w.enter("latest"); err != nil {
		return Lease{}, err
	}
	if list := w.leases(1, func(r *worldRun) bool { return r.RunID == runID }); len(list) > 0 {
		return list[0], nil
	}
	return Lease{}, api.NotFound("live execution of run", runID)
}

func (w *world) Overdue(_ context.Context, since time.Time, limit int) ([]Lease, error) {
	defer w.mu.Unlock()
	if err := w.enter("overdue"); err != nil {
		return nil, err
	}
	return w.leases(limit, func(r *worldRun) bool { return !r.active.IsZero() && r.active.Before(since) }), nil
}

func (w *world) Assign(_ context.Context, runID string, p run.Placement) (run.Run, run.Execution, error) {
	if w.full.Load() {
		time.Sleep(time.Millisecond) // of the test's clock: what is tried again and again takes time
		return run.Run{}, run.Execution{}, errBroken
	}
	defer w.mu.Unlock()
	if err := w.enter("assign"); err != nil {
		return run.Run{}, run.Execution{}, err
	}
	r := w.runs[runID]
	if r.state != api.RunStateQUEUED {
		return run.Run{}, run.Execution{}, api.Fail(api.PlatformErrorCodeConflict, "not queued")
	}
	r.number++
	r.state, r.live, r.exec, r.worker, r.claimed, r.lease = api.RunStatePENDING, true, p.ExecutionID, p.Worker, false, p.LeaseUntil
	r.assigned = append(r.assigned, p.ExecutionID)
	w.offered = append(w.offered, runID)
	w.execs[p.ExecutionID] = r
	return run.Run{ID: runID, TeamUID: r.TeamUID, Host: r.Host, CreatedAt: r.QueuedAt, UpdatedAt: r.QueuedAt,
			Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: r.TeamUID}},
		run.Execution{ID: p.ExecutionID, RunID: runID, Number: r.number}, nil
}

func (w *world) Claim(_ context.Context, runID, executionID string, until time.Time) error {
	defer w.mu.Unlock()
	if err := w.enter("claim"); err != nil {
		return err
	}
	r := w.runs[runID]
	if !r.live || r.exec != executionID {
		return api.Fail(api.PlatformErrorCodeConflict, "over")
	}
	r.claimed, r.lease = true, until
	if r.state == api.RunStatePENDING {
		r.state = api.RunStateCLAIMED
	}
	return nil
}

func (w *world) Reject(_ context.Context, runID, executionID, reason string) error {
	defer w.mu.Unlock()
	if err := w.enter("reject"); err != nil {
		return err
	}
	r := w.runs[runID]
	if !r.live || r.exec != executionID || r.claimed {
		return nil
	}
	r.rejects = append(r.rejects, reason)
	r.state, r.live = api.RunStateQUEUED, false
	return nil
}

func (w *world) Exited(_ context.Context, runID, executionID string, e run.Exit) error {
	defer w.mu.Unlock()
	if err := w.enter("exited"); err != nil {
		return err
	}
	r := w.runs[runID]
	if !r.live || r.exec != executionID {
		return nil
	}
	r.exits = append(r.exits, e)
	r.live, r.state = false, api.RunStateSUCCEEDED
	if !e.Clean {
		r.state = api.RunStateERROR
	}
	return nil
}

func (w *world) Lost(_ context.Context, runID, executionID, _ string) error {
	defer w.mu.Unlock()
	if err := w.enter("lost"); err != nil {
		return err
	}
	r := w.runs[runID]
	if !r.live || r.exec != executionID {
		return nil
	}
	r.lost++
	r.state, r.live = api.RunStateQUEUED, false
	return nil
}

func (w *world) GiveUp(_ context.Context, runID string, waited time.Duration) error {
	defer w.mu.Unlock()
	if err := w.enter("give up"); err != nil {
		return err
	}
	r := w.runs[runID]
	if r.state == api.RunStateQUEUED && r.Told.Code == api.WaitingCodeNoWorker && time.Since(r.Told.Since) >= waited {
		r.state = api.RunStateFAILED
	}
	return nil
}

func (w *world) Explain(_ context.Context, runID string, code api.WaitingCode, message string) error {
	defer w.mu.Unlock()
	if err := w.enter("explain"); err != nil {
		return err
	}
	told := &w.runs[runID].Told
	if told.Code != code {
		told.Since = time.Now()
	}
	told.Code, told.Message = code, message
	return nil
}

func (w *world) Mint(_ run.Run, x run.Execution) (string, error) { return "token-" + x.ID, nil }

func (w *world) Wakes(ctx context.Context) (<-chan Wake, error) {
	out := make(chan Wake)
	go func() {
		defer close(out)
		for {
			select {
			case v := <-w.wakes:
				select {
				case out <- v:
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, nil
}

// start runs a dispatcher over the world until the test ends.
func (w *world) start(t testing.TB, change ...func(*Config)) *Dispatcher {
	t.Helper()
	cfg := Config{
		Store: w, Runs: w, Tokens: w, Wakes: w.Wakes, RootURL: "http://server.test/",
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&cfg)
	}
	return runDispatcher(t, cfg)
}

func runDispatcher(t testing.TB, cfg Config) *Dispatcher {
	t.Helper()
	d, err := New(cfg)
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

// pipe is a Transport in memory; its other end is a scriptedWorker.
type pipe struct {
	down, up chan []byte   // to and from the worker
	dead     chan struct{} // the link is cut
	deaf     chan struct{} // closed: pings go unanswered
}

func (p *pipe) Send(ctx context.Context, frame []byte) error {
	select {
	case p.down <- frame:
		return nil
	case <-p.dead:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pipe) Receive(ctx context.Context) ([]byte, error) {
	select {
	case f := <-p.up:
		return f, nil
	default:
	}
	select {
	case f := <-p.up:
		return f, nil
	case <-p.dead:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipe) Ping(ctx context.Context) error {
	select {
	case <-p.deaf:
		<-ctx.Done()
		return ctx.Err()
	case <-p.dead:
		return io.ErrClosedPipe
	default:
		return nil
	}
}

// scriptedWorker is the far end of a connection: the test is the worker.
type scriptedWorker struct {
	*pipe
	t     testing.TB
	ended chan error
}

func newScripted(t testing.TB) *scriptedWorker {
	return &scriptedWorker{
		pipe: &pipe{
			down: make(chan []byte, 20_000), up: make(chan []byte, 20_000),
			dead: make(chan struct{}), deaf: make(chan struct{}),
		},
		t: t, ended: make(chan error, 1),
	}
}

// connect adds a worker of a team's host to a dispatcher.
func connect(t testing.TB, d *Dispatcher, team, host string) *scriptedWorker {
	t.Helper()
	w := newScripted(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		w.ended <- d.Serve(ctx, w.pipe, WorkerInfo{Host: host, TeamUID: team, Remote: "test"})
		close(w.ended)
	}()
	t.Cleanup(func() {
		cancel()
		for range w.ended {
		}
	})
	return w
}

func (w *scriptedWorker) say(kind api.WorkerMessageType, data any) {
	w.t.Helper()
	frame, err := frameOf(kind, data)
	if err != nil {
		w.t.Fatal(err)
	}
	w.up <- frame
}

func (w *scriptedWorker) hello(capacity int, running ...string) {
	w.t.Helper()
	w.say(api.WorkerHello, api.Hello{Version: "1", Backend: "direct", Capacity: capacity, Running: running})
}

func (w *scriptedWorker) beat(running ...string) {
	w.t.Helper()
	w.say(api.WorkerHeartbeat, api.Heartbeat{Running: running})
}

func (w *scriptedWorker) claim(a api.TaskAssignment) {
	w.t.Helper()
	w.say(api.WorkerClaimed, api.TaskReport{TaskID: a.TaskID, WorkerID: "w"})
}

// next returns the next message of the server.
func (w *scriptedWorker) next() (m api.WorkerEnvelope) {
	w.t.Helper()
	select {
	case frame := <-w.down:
		if err := json.Unmarshal(frame, &m); err != nil {
			w.t.Fatal(err)
		}
	case <-time.After(time.Minute):
		w.t.Fatal("the server says nothing")
	}
	return m
}

func (w *scriptedWorker) assignment() api.TaskAssignment {
	w.t.Helper()
	m := w.next()
	if m.Type != api.WorkerAssignment {
		w.t.Fatalf("got %s %s, want an assignment", m.Type, m.Data)
	}
	return unpack[api.TaskAssignment](w.t, m)
}

func (w *scriptedWorker) cancellation() api.TaskCancellation {
	w.t.Helper()
	m := w.next()
	if m.Type != api.WorkerCancellation {
		w.t.Fatalf("got %s %s, want a cancellation", m.Type, m.Data)
	}
	return unpack[api.TaskCancellation](w.t, m)
}

// silent fails when the server said something that was not read.
func (w *scriptedWorker) silent() {
	w.t.Helper()
	select {
	case f := <-w.down:
		w.t.Fatalf("unexpected message %s", f)
	default:
	}
}

func unpack[T any](t testing.TB, m api.WorkerEnvelope) (v T) {
	t.Helper()
	if err := json.Unmarshal(m.Data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
