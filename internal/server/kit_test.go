package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"go.uber.org/goleak"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
)

// patience bounds waits for what must happen; nothing is measured by it.
const patience = 15 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a whole server on loopback: SQLite, NATS and blobs are real.
type world struct {
	t   *testing.T
	srv *server.Server
	url string
	key string // of the first admin
	cfg server.Config
	log *syncBuffer
	end func()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newWorld(t *testing.T, change ...func(*server.Config)) *world {
	t.Helper()
	w := &world{t: t, log: &syncBuffer{}}
	w.cfg = server.Config{
		Listen: "127.0.0.1:0", DataDir: t.TempDir(), StopGrace: 5 * time.Second,
		Lease: 10 * time.Minute, // tests act for runners and workers as fast as the machine lets them
		Log:   slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, f := range change {
		f(&w.cfg)
	}
	w.start()
	w.key = w.srv.BootstrapKey()
	t.Cleanup(func() { w.end() })
	return w
}

func (w *world) start() {
	w.t.Helper()
	srv, err := server.New(w.t.Context(), w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	w.srv, w.url = srv, srv.URL()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("server: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
}

// restart ends the server and starts another one on the same data.
func (w *world) restart() {
	w.t.Helper()
	w.end()
	w.start()
}

// request is one call to the API. Body may be a string (sent as it is), nil or a value for JSON.
type request struct {
	method, path, key string
	body              any
	header            http.Header
}

// answer is what came back.
type answer struct {
	t      *testing.T
	req    request
	status int
	header http.Header
	body   []byte
}

var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (w *world) do(r request) answer {
	w.t.Helper()
	var body io.Reader
	switch b := r.body.(type) {
	case nil:
	case string:
		body = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		body = bytes.NewReader(j)
	}
	path := r.path
	if !strings.HasPrefix(path, "http") {
		path = w.url + path
	}
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	rsp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{t: w.t, req: r, status: rsp.StatusCode, header: rsp.Header, body: b}
	a.checkContract()
	return a
}

func (w *world) get(path string) answer {
	w.t.Helper()
	return w.do(request{method: "GET", path: api.BasePath + path, key: w.key})
}

func (w *world) post(path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: "POST", path: api.BasePath + path, key: w.key, body: body})
}

// as is the same world for another credential.
func (w *world) as(key string) *world {
	other := *w
	other.key = key
	return &other
}

func (a answer) String() string {
	return fmt.Sprintf("%s %s: %d %s", a.req.method, a.req.path, a.status, a.body)
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("want %d; %s", status, a)
	}
	return a
}

func decode[T any](a answer) T {
	a.t.Helper()
	var v T
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Fatalf("%s: %v", a, err)
	}
	return v
}

// wantProblem checks that the answer is a problem with a code, whose detail holds the words.
func (a answer) wantProblem(code api.PlatformErrorCode, status int, words string) api.Error {
	a.t.Helper()
	a.want(status)
	p := decode[api.Error](a)
	if !strings.HasSuffix(p.Type, "/"+string(code)) || !strings.Contains(p.Detail, words) {
		a.t.Fatalf("want %s with %q; %s", code, words, a)
	}
	return p
}

var contract = sync.OnceValue(func() *openapi3.T {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		panic(err)
	}
	return doc
})

// checkContract compares the answer with openapi.yaml, and a refusal with the rules for problems.
func (a answer) checkContract() {
	a.t.Helper()
	if a.status >= 400 && !strings.HasPrefix(a.req.path, "/gateway/") { // the vendors' own errors
		a.checkProblem()
	}
	path := strings.TrimPrefix(strings.SplitN(a.req.path, "?", 2)[0], api.BasePath)
	op := findOperation(a.req.method, path)
	if op == nil {
		return
	}
	response := op.Responses.Status(a.status)
	if response == nil {
		response = op.Responses.Default()
		if a.status < 400 {
			a.t.Errorf("status is not in the contract; %s", a)
			return
		}
	}
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	media := response.Value.Content.Get(kind)
	if len(response.Value.Content) == 0 {
		return
	}
	if media == nil {
		a.t.Errorf("media type %q is not in the contract; %s", kind, a)
		return
	}
	if !strings.HasSuffix(kind, "json") {
		return
	}
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.t.Errorf("%s: %v", a, err)
		return
	}
	if err := media.Schema.Value.VisitJSON(v, openapi3.VisitAsResponse()); err != nil {
		a.t.Errorf("answer breaks the contract: %v; %s", err, a)
	}
}

func (a answer) checkProblem() {
	a.t.Helper()
	if a.status >= 500 && a.status != http.StatusServiceUnavailable {
		a.t.Errorf("the server blames itself; %s", a)
	}
	if a.status == http.StatusServiceUnavailable {
		return
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("content type %q; %s", got, a)
		return
	}
	p := decode[api.Error](a)
	wantError := p.Title
	if p.Detail != "" {
		wantError += " (" + p.Detail + ")"
	}
	path := strings.SplitN(a.req.path, "?", 2)[0]
	switch {
	case !strings.HasPrefix(p.Type, "/"), p.Title == "", p.Status != a.status, p.Error != wantError, len(p.TraceId) != 32:
		a.t.Errorf("not a proper problem; %s", a)
	case p.Retryable == nil || a.header.Get("x-should-retry") != strconv.FormatBool(*p.Retryable):
		a.t.Errorf("x-should-retry is %q; %s", a.header.Get("x-should-retry"), a)
	case strings.HasPrefix(path, "/") && !strings.Contains(path, "%") && p.Instance != path:
		a.t.Errorf("instance %q; %s", p.Instance, a)
	}
}

func findOperation(method, path string) *openapi3.Operation {
	parts := strings.Split(path, "/")
	var found *openapi3.Operation
	for pattern, item := range contract().Paths.Map() {
		want := strings.Split(pattern, "/")
		exact := slices.Equal(want, parts)
		if !exact && (len(want) != len(parts) || !slices.EqualFunc(want, parts, func(w, p string) bool {
			return w == p || strings.HasPrefix(w, "{")
		})) {
			continue
		}
		if op := item.GetOperation(method); op != nil && (found == nil || exact) {
			found = op
		}
	}
	return found
}

// keyWith makes a key of the first team with a role.
func (w *world) keyWith(role identity.Role) string {
	w.t.Helper()
	me := decode[api.WhoamiResponse](w.get("/whoami").want(200))
	key, _, err := w.srv.Identity().NewKey(w.t.Context(), identity.User{UID: me.Uid}, identity.Team{UID: me.TeamUids[0]}, role, string(role), time.Time{})
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// localRun registers a run of which the test itself is the runner.
func (w *world) localRun(prompt string) api.LocalRunResponse {
	w.t.Helper()
	return decode[api.LocalRunResponse](w.post("/agent/local-runs", api.LocalRunRequest{Prompt: prompt}).want(200))
}

func (w *world) run(id string) api.RunItem {
	w.t.Helper()
	return decode[api.RunItem](w.get("/agent/runs/" + id).want(200))
}

// say appends entries to the run of a token, and reports a state unless it is empty.
func (w *world) say(token string, first int64, state api.RunState, entries ...api.EntryData) answer {
	w.t.Helper()
	req := api.RunnerAppendRequest{FirstIndex: first, Entries: []api.NewEntry{}}
	for _, e := range entries {
		req.Entries = append(req.Entries, api.MakeEntry(time.Now().UTC(), e))
	}
	req.Report.State = state
	return w.as(token).post("/runner/entries", req)
}

// event is one server-sent event.
type event struct{ name, id, data string }

// stream is an open event stream.
type stream struct {
	t      *testing.T
	rsp    *http.Response
	events chan event
	cancel context.CancelFunc
}

// follow opens an event stream; its headers have arrived when it returns.
func (w *world) follow(path string, header ...string) *stream {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", w.url+api.BasePath+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.key)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rsp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &stream{t: w.t, rsp: rsp, events: make(chan event, 4096), cancel: cancel}
	if rsp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(rsp.Body)
		w.t.Fatalf("GET %s: %d %s", path, rsp.StatusCode, b)
	}
	go s.read()
	w.t.Cleanup(s.close)
	return s
}

func (s *stream) close() {
	s.cancel()
	_ = s.rsp.Body.Close()
}

func (s *stream) read() {
	defer close(s.events)
	var e event
	lines := bufio.NewScanner(s.rsp.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			if e.data != "" {
				s.events <- e
			}
			e = event{}
		case name == "event":
			e.name = value
		case name == "id":
			e.id = value
		case name == "data":
			e.data += value
		}
	}
}

// next waits for an event; ok is false when the stream has ended.
func (s *stream) next() (e event, ok bool) {
	s.t.Helper()
	select {
	case e, ok = <-s.events:
		return e, ok
	case <-time.After(patience):
		s.t.Fatal("no event arrived")
	}
	return e, ok
}

// entry waits for the next entry, passing over deltas.
func (s *stream) entry() api.Entry {
	s.t.Helper()
	for {
		e, ok := s.next()
		if !ok {
			s.t.Fatal("the stream has ended")
		}
		if e.name != "entry" {
			continue
		}
		var entry api.Entry
		if err := json.Unmarshal([]byte(e.data), &entry); err != nil {
			s.t.Fatalf("%q: %v", e.data, err)
		}
		if e.id != strconv.FormatInt(entry.Seq, 10) {
			s.t.Fatalf("entry %d has event id %q", entry.Seq, e.id)
		}
		return entry
	}
}
