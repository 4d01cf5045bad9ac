package server_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
)

// fuzzed is one server for all inputs of a fuzz target. do fails the test on any answer that is a 5xx or
// breaks the contract.
func fuzzed(f *testing.F) func(t *testing.T) *world {
	f.Helper()
	var w *world
	dir := f.TempDir()
	f.Cleanup(func() {
		if w != nil {
			w.end()
		}
	})
	return func(t *testing.T) *world {
		if w == nil {
			w = &world{t: t, log: &syncBuffer{}}
			w.cfg = server.Config{Listen: "127.0.0.1:0", DataDir: dir, Log: slog.New(slog.NewTextHandler(w.log, nil))}
			w.start()
			w.key = w.srv.BootstrapKey()
			for _, prompt := range []string{"one", "two", "drei"} {
				w.post("/agent/runs", api.RunAgentRequest{Prompt: prompt, Metadata: map[string]string{"k": prompt}}).want(200)
			}
		}
		v := *w
		v.t = t
		return &v
	}
}

// FuzzCreateRun: whatever is sent, the answer is a run or a problem that blames the sender.
func FuzzCreateRun(f *testing.F) {
	for _, b := range badRequests {
		if b.path == "/agent/runs" && b.method == "" && len(b.body) < 10_000 {
			f.Add([]byte(b.body))
		}
	}
	full, err := json.Marshal(api.RunAgentRequest{Prompt: "p", Title: "t", Metadata: map[string]string{"k": "v"}, Mode: api.RunModePlan})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, body []byte) { world(t).post("/agent/runs", string(body)) })
}

// FuzzRunnerEntries is the same for what a sandbox sends.
func FuzzRunnerEntries(f *testing.F) {
	for _, b := range badReports {
		if b.path == "/runner/entries" && len(b.body) < 10_000 {
			f.Add([]byte(b.body))
		}
	}
	f.Add([]byte(`{"first_index":0,"entries":[{"type":"agent_message","data":{"text":"\ud800 \u0000"}}]}`))
	f.Add([]byte("{\"first_index\":0,\"entries\":[{\"type\":\"notice\",\"data\":{\"text\":\"\xff\xfe\"}}]}"))
	world := fuzzed(f)
	var token string
	f.Fuzz(func(t *testing.T, body []byte) {
		w := world(t)
		if token == "" {
			token = w.localRun("fuzzed").RunToken
			w.say(token, 0, api.RunStateINPROGRESS).want(200)
		}
		w.as(token).post("/runner/entries", string(body))
	})
}

// FuzzListQuery: whatever is asked, the answer is a page or a problem that names a parameter.
func FuzzListQuery(f *testing.F) {
	for _, b := range badRequests {
		if query, ok := strings.CutPrefix(b.path, "/agent/runs?"); ok {
			f.Add(query)
		}
	}
	f.Add("state=QUEUED&source=API&name=x&sort_by=title&sort_order=asc&limit=1&q=one%20AND%20%22two%22*")
	f.Add("created_after=9999-12-31T23:59:59.999999999Z&created_before=0000-01-01T00:00:00Z")
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, query string) {
		// What the client cannot put on a request line is not the server's to refuse.
		if _, err := url.Parse("/?" + query); err != nil || strings.ContainsFunc(query, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' }) {
			return
		}
		a := world(t).get("/agent/runs?" + query)
		if a.status != 200 && !strings.Contains(decode[api.Error](a).Detail, ":") && a.status != 404 {
			t.Errorf("names no parameter: %s", a)
		}
	})
}

// FuzzCursor: a cursor that was tampered with is refused, or is a place in the caller's own list.
func FuzzCursor(f *testing.F) {
	f.Add("eyJzIjoidXBkYXRlZF9hdCIsInQiOjEsImkiOiJ4In0", "updated_at") // {"s":"updated_at","t":1,"i":"x"}
	f.Add("eyJzIjoidGl0bGUiLCJrIjoiXHUwMDAwIiwiaSI6Ilx1MDAwMCJ9", "title")
	f.Add("AAAA", "")
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, cursor, sort string) {
		world(t).get("/agent/runs?cursor=" + url.QueryEscape(cursor) + "&sort_by=" + url.QueryEscape(sort))
	})
}

// FuzzWorkerFrame: whatever a worker says, the server lives, and goes on unless the frame was none.
func FuzzWorkerFrame(f *testing.F) {
	for _, frame := range []string{
		``, `{}`, `null`, `[]`, `{"type":"hello"}`, `{"type":"worker_hello","data":{"capacity":-1}}`,
		`{"type":"task_claimed","data":{"task_id":"x"}}`, `{"type":"task_completed","data":{"task_id":"x","execution_id":"\u0000"}}`,
		`{"type":"task_failed","data":{"task_id":"x","message":"\ud800","exit_code":1e3}}`, `{"type":"heartbeat","data":{"running":["a",""]}}`,
	} {
		f.Add([]byte(frame), true)
	}
	f.Add([]byte("\xff\xfe"), false)
	world := fuzzed(f)
	f.Fuzz(func(t *testing.T, frame []byte, text bool) {
		w := world(t)
		ws, rsp, err := w.dial("fuzzed", w.key)
		if err != nil {
			t.Fatalf("%v %v", rsp, err)
		}
		defer func() { _ = ws.CloseNow() }()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		kind := websocket.MessageBinary
		if text {
			kind = websocket.MessageText
		}
		if err := ws.Write(ctx, kind, frame); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { // pongs arrive while somebody reads
			defer close(ended)
			for err := error(nil); err == nil; {
				_, _, err = ws.Read(ctx)
			}
		}()
		if err := ws.Ping(ctx); err != nil && text {
			t.Errorf("the connection ended: %v", err)
		}
		_ = ws.CloseNow()
		<-ended
		w.get("/whoami").want(200)
	})
}
