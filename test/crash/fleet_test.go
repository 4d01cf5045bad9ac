package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	key  = "wk-1.c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5c4a5"
	host = "crash"
	// patience bounds every wait. Recovery itself is bounded by the lease the fleet runs with.
	patience = 2 * time.Minute
	// leaving bounds how long a runner may take to leave: its grace and some.
	leaving = 20 * time.Second
)

// built is the program with fault points, made once by TestMain.
var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cadre-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = filepath.Join(dir, "cadre")
	cmd := exec.Command("go", "build", "-tags", "faults", "-o", built, "../../cmd/cadre")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// layout says what a fleet is made of.
type layout struct {
	// database is a PostgreSQL that two servers share, one for the client and one for the worker.
	// Empty: one server with a SQLite of its own.
	database string
	// nats is the bus the servers share. Empty: each has its own.
	nats string
}

// fleet is one server or two and one worker as separate processes, each started again whenever it
// dies, as an init system would.
type fleet struct {
	t    *testing.T
	dir  string
	exe  string
	addr string // of the server the client speaks to
	ref  *referee
	tap  *tap
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	pids map[string]int // by role
}

// newFleet starts a fleet whose processes die as the referee says.
func newFleet(t *testing.T, l layout, ref *referee) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir(), addr: freeAddr(t), pids: map[string]int{}, ref: ref}
	bin := filepath.Join(f.dir, fmt.Sprintf("fault-%d", f.ref.port()))
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	f.exe = filepath.Join(bin, "cadre")
	if err := os.Link(built, f.exe); err != nil {
		copyFile(t, built, f.exe)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	server := []string{"server", "--data", filepath.Join(f.dir, "data")}
	far := f.addr // the server the worker speaks to
	if l.database != "" {
		far = freeAddr(t)
		server = append(server, "--database-url", l.database)
		if l.nats != "" {
			server = append(server, "--nats-url", l.nats)
		}
		f.keep(ctx, "far", append(server, "--listen", far, "--instance", "far")...)
	}
	f.keep(ctx, "server", append(server, "--listen", f.addr, "--instance", "near")...)
	f.tap = newTap(t, "http://"+far)
	f.keep(ctx, "worker", "worker", "--backend", "direct", "--worker-id", host, "--server-root-url", f.tap.url,
		"--workspace-root", filepath.Join(f.dir, "work"))
	t.Cleanup(f.close)
	f.ready()
	return f
}

// keep runs the program with args until ctx ends, again and again.
func (f *fleet) keep(ctx context.Context, role string, args ...string) {
	log, err := os.OpenFile(filepath.Join(f.dir, role+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		f.t.Fatal(err)
	}
	args = slices.Clone(args)
	f.setPID(role, 0)
	f.done.Go(func() {
		defer log.Close()
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, f.exe, args...)
			cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.WaitDelay = 10 * time.Second
			cmd.Stdout, cmd.Stderr = log, log
			cmd.Env = []string{
				"PATH=" + os.Getenv("PATH"), "HOME=" + f.dir, "CADRE_API_KEY=" + key, "CADRE_BOOTSTRAP_API_KEY=" + key,
				"CADRE_MASTER_KEY=" + oldMaster + "," + newMaster,
				"CADRE_LEASE=3s", "CADRE_MAX_ATTEMPTS=50", // far more is killed here than a run is to bear
			}
			if err := cmd.Start(); err != nil {
				f.t.Errorf("start %s: %v", role, err)
				return
			}
			f.setPID(role, cmd.Process.Pid)
			_ = cmd.Wait() // death is what this suite is about
			f.setPID(role, 0)
		}
	})
}

func (f *fleet) setPID(role string, pid int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pids[role] = pid
}

// roles are the processes of the fleet that are started again.
func (f *fleet) roles() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.pids))
}

// kill ends one process of the fleet by SIGKILL: one of its roles, or "runner" for any one of them.
func (f *fleet) kill(role string) {
	f.mu.Lock()
	pid := f.pids[role]
	f.mu.Unlock()
	if role == "runner" {
		if pids := f.runners(); len(pids) > 0 {
			pid = pids[rand.IntN(len(pids))]
		}
	}
	if pid > 0 {
		killPID(pid)
	}
}

func killPID(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// runners finds the runner processes of this fleet: our executable, called as "agent run".
func (f *fleet) runners() []int {
	entries, _ := os.ReadDir("/proc")
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if exe, err := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); err != nil || exe != f.exe {
			continue
		}
		argv, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err == nil && bytes.Contains(argv, []byte("agent\x00run\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (f *fleet) close() {
	f.stop()
	f.done.Wait()
	// A runner whose worker was killed leaves by itself, in good order.
	for deadline := time.Now().Add(leaving); len(f.runners()) > 0 && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
	}
	for _, pid := range f.runners() {
		f.t.Errorf("runner %d outlived its worker", pid)
		killPID(pid)
	}
	if f.t.Failed() {
		for _, role := range f.roles() {
			text, _ := os.ReadFile(filepath.Join(f.dir, role+".log"))
			f.t.Logf("%s.log:\n%s", role, tail(text, 6000))
		}
	}
}

func (f *fleet) ready() {
	f.until("the server", func() bool {
		resp, err := http.Get("http://" + f.addr + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (f *fleet) until(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// call makes one request; an error means that the server could not be asked or said no.
func (f *fleet) call(method, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://"+f.addr+api.BasePath+path, r)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

// submit starts a run that carries out a prompt.
func (f *fleet) submit(name, prompt string) string {
	f.t.Helper()
	return f.start(name, map[string]any{"prompt": prompt, "config": map[string]any{
		"name": name, "worker_host": host, "model_id": "scripted", "idle_timeout_minutes": 0,
	}})
}

// start makes a run. If the server dies before it answers, the run is looked for by its name and
// started again only when it is not there, as a careful client does.
func (f *fleet) start(name string, request any) (id string) {
	f.t.Helper()
	f.insist("accept a run", func() error {
		var list api.ListRunsResponse
		if err := f.call("GET", "/agent/runs?name="+name, nil, &list); err != nil {
			return err
		}
		if len(list.Runs) > 0 {
			id = list.Runs[0].RunId
			return nil
		}
		var answer api.RunAgentResponse
		err := f.call("POST", "/agent/runs", request, &answer)
		id = answer.RunId
		return err
	})
	return id
}

// get is a run as it is now; the zero run when nobody answers.
func (f *fleet) get(id string) (run api.RunItem) {
	_ = f.call("GET", "/agent/runs/"+id, nil, &run)
	return run
}

// ended waits for the end of a run.
func (f *fleet) ended(id string) api.RunItem {
	f.t.Helper()
	var run api.RunItem
	f.until("the end of run "+id, func() bool {
		run = f.get(id)
		return run.State.Ended() && !run.IsSandboxRunning
	})
	return run
}

func (f *fleet) entries(id string) []api.Entry {
	f.t.Helper()
	var all []api.Entry
	for after := int64(0); ; {
		var page api.ListEntriesResponse
		f.insist("list entries", func() error {
			return f.call("GET", fmt.Sprintf("/agent/runs/%s/entries?after=%d&limit=1000", id, after), nil, &page)
		})
		if len(page.Entries) == 0 {
			return all
		}
		all, after = append(all, page.Entries...), page.NextAfter
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o700); err != nil {
		t.Fatal(err)
	}
}

func tail(b []byte, n int) string {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return strings.ToValidUTF8(string(b), "?")
}
