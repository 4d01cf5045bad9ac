package oz_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/gateway/gatewaytest"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz"
)

func TestMain(m *testing.M) {
	if os.Getenv("OZ_TEST_MCP") != "" {
		serveMCP()
		return
	}
	goleak.VerifyTestMain(m,
		// Idle keep-alive connections of http.DefaultTransport outlive a test.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// record plays the server's part: it numbers entries and keeps blobs.
type record struct {
	mu       sync.Mutex
	entries  []api.Entry
	deltas   []api.Delta
	blobs    map[string][]byte
	onAppend func(api.Entry)
}

func (r *record) Append(ctx context.Context, entries ...api.NewEntry) (int64, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	r.mu.Lock()
	var added []api.Entry
	for _, e := range entries {
		if !json.Valid(e.Data) {
			panic("entry is not JSON")
		}
		added = append(added, api.Entry{Seq: int64(len(r.entries)) + 1, Type: e.Type, Data: e.Data, CreatedAt: e.CreatedAt, Execution: 1})
		r.entries = append(r.entries, added[len(added)-1])
	}
	last, hook := int64(len(r.entries)), r.onAppend
	r.mu.Unlock()
	if hook != nil {
		for _, e := range added {
			hook(e)
		}
	}
	return last, nil
}

func (r *record) Delta(d api.Delta) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deltas = append(r.deltas, d)
}

func (r *record) PutBlob(_ context.Context, _ api.BlobKind, name string, rd io.Reader) (api.BlobRef, error) {
	b, err := io.ReadAll(rd)
	if err != nil {
		return api.BlobRef{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := fmt.Sprintf("blob-%d-%s", len(r.blobs), name)
	r.blobs[id] = b
	return api.BlobRef{BlobId: id, SizeBytes: int64(len(b))}, nil
}

func (r *record) history() []api.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]api.Entry(nil), r.entries...)
}

// rig is one run on one machine.
type rig struct {
	t       *testing.T
	record  *record
	vendor  *gatewaytest.Vendor
	session harness.Session
	cfg     oz.Config
}

const token = "run-token"

// newRig makes a run whose model plays the script.
func newRig(t *testing.T, prompt, script string) *rig {
	t.Helper()
	work, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, record: &record{blobs: map[string][]byte{}}, vendor: gatewaytest.New(t, token, script),
		cfg: oz.Config{Backoff: time.Millisecond}}
	r.session = harness.Session{Workdir: work, ScratchDir: t.TempDir(), Env: os.Environ(), Token: token,
		Sink: r.record, Inbox: &harness.Inbox{}, Log: slog.New(slog.DiscardHandler),
		Assignment: api.RunnerAssignment{RunId: "run", Execution: 1, Prompt: prompt,
			Model:  api.RunnerModel{Id: "scripted", Wire: api.ModelWireAnthropicMessages, BaseUrl: r.vendor.URL, Vision: true},
			Limits: api.RunnerLimits{MaxEntryBytes: 256 << 10, MaxBlobBytes: 8 << 20}}}
	r.add(api.UserMessage{Text: prompt})
	return r
}

// add appends an entry as the server would.
func (r *rig) add(data ...api.EntryData) {
	r.t.Helper()
	for _, d := range data {
		if _, err := r.record.Append(r.t.Context(), api.MakeEntry(time.Now(), d)); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) start() harness.Agent {
	r.t.Helper()
	r.session.History = r.record.history()
	a, err := oz.New(r.cfg).Start(r.t.Context(), r.session)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = a.Close(context.Background()) })
	return a
}

func (r *rig) turn(a harness.Agent, want api.RunState) harness.Outcome {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	out, err := a.Turn(ctx)
	if err != nil {
		r.t.Fatalf("turn: %v", err)
	}
	if out.State != want {
		r.t.Fatalf("outcome %+v, want %s\n%s", out, want, r.dump())
	}
	return out
}

func (r *rig) dump() string {
	var b strings.Builder
	for _, e := range r.record.history() {
		fmt.Fprintf(&b, "%d %s %.200s\n", e.Seq, e.Type, e.Data)
	}
	return b.String()
}

// of returns the data of all entries of a type.
func of[T api.EntryData](r *rig) []T {
	var out []T
	for _, e := range r.record.history() {
		d, err := e.Decode()
		if err != nil {
			r.t.Fatal(err)
		}
		if v, ok := d.(T); ok {
			out = append(out, v)
		}
	}
	return out
}

func (r *rig) file(name string) string {
	b, err := os.ReadFile(filepath.Join(r.session.Workdir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.session.Workdir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}
