package memory_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/memory"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// far is the server, with what it was asked.
type far struct {
	*httptest.Server
	asked  []string // method, path and query
	bodies []string
	answer func(path string) (status int, v any)
}

func newFar(t *testing.T, answer func(path string) (int, any)) *far {
	t.Helper()
	f := &far{answer: answer}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			t.Errorf("credential %q", r.Header.Get("Authorization"))
		}
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		f.asked, f.bodies = append(f.asked, r.Method+" "+r.URL.RequestURI()), append(f.bodies, string(body))
		status, v := f.answer(r.URL.Path)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(f.Close)
	return f
}

var refs = []api.MemoryStoreRef{
	{Uid: "own", Access: api.MemoryStoreRefAccessReadWrite, Instructions: "Yours."},
	{Uid: "team", Access: api.MemoryStoreRefAccessReadOnly, Instructions: "Look\nhere."},
}

func tools(f *far, stores []api.MemoryStoreRef) map[string]tool.Tool {
	byName := map[string]tool.Tool{}
	for _, t := range memory.Tools(memory.Config{Stores: stores, Root: f.URL, Token: "token", Transport: &http.Transport{DisableKeepAlives: true},
		Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "[redacted]") }}) {
		byName[t.Spec().Name] = t
	}
	return byName
}

func call(t *testing.T, to tool.Tool, input string) tool.Result {
	t.Helper()
	r, err := to.Run(t.Context(), tool.Call{Input: json.RawMessage(input)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSearchAndWrite(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	f := newFar(t, func(path string) (int, any) {
		switch {
		case strings.HasSuffix(path, "/own/memories"):
			return 200, api.ListMemoriesResponse{Memories: []api.Memory{{Uid: "m-1", Content: "Tests need Redis.", SourceRunId: "run-1", UpdatedAt: at}}}
		case strings.HasSuffix(path, "/team/memories"):
			list := make([]api.Memory, 30)
			for i := range list {
				list[i] = api.Memory{Uid: "t", Content: strings.Repeat("long ", 2000), UpdatedAt: at}
			}
			return 200, api.ListMemoriesResponse{Memories: list}
		}
		return 200, api.MemoryWritten{MemoryId: "m-2", VersionId: "v"}
	})
	set := tools(f, refs)
	r := call(t, set["memory_search"], `{"query":"redis & more"}`)
	if r.Failed || !strings.Contains(r.Text, "[memory_id m-1, store own, 2026-01-02, from run run-1]\nTests need Redis.") ||
		!strings.Contains(r.Text, "11 more in store team") || len(r.Text) > 100<<10 {
		t.Errorf("found %.400s", r.Text)
	}
	if want := "GET /api/v1/memory_stores/own/memories?q=redis+%26+more"; f.asked[0] != want {
		t.Errorf("asked %q, want %q", f.asked[0], want)
	}
	if r := call(t, set["memory_search"], `{"query":"x","store":"other"}`); !r.Failed || !strings.Contains(r.Text, "own, team") {
		t.Errorf("another store: %+v", r)
	}
	f.asked, f.bodies = nil, nil
	call(t, set["memory_write"], `{"content":"The password is hunter2.","reason":"hunter2"}`)
	call(t, set["memory_write"], `{"content":"c","reason":"r","memory_id":"../m 1"}`)
	if f.asked[0] != "POST /api/v1/memory_stores/own/memories" || strings.Contains(f.bodies[0], "hunter2") || !strings.Contains(f.bodies[0], "The password is [redacted].") {
		t.Errorf("wrote %v %v", f.asked, f.bodies)
	}
	if f.asked[1] != "PUT /api/v1/memory_stores/own/memories/..%2Fm%201" {
		t.Errorf("wrote %v", f.asked[1])
	}
	if r := call(t, set["memory_write"], `{"content":"c","reason":"r","store":"team"}`); !r.Failed {
		t.Errorf("wrote to what may be read only: %+v", r)
	}
	for _, to := range set {
		if r := call(t, to, `[]`); !r.Failed {
			t.Errorf("%s took nonsense", to.Spec().Name)
		}
	}
}

// TestToolsFitTheStores: nothing is offered that could not succeed.
func TestToolsFitTheStores(t *testing.T) {
	t.Parallel()
	f := newFar(t, func(string) (int, any) {
		return 403, api.Error{Detail: "the memory store may be read here, not written"}
	})
	if set := tools(f, nil); len(set) != 0 || memory.Prompt(nil) != "" {
		t.Errorf("without stores: %v", set)
	}
	if set := tools(f, refs[1:]); len(set) != 1 || set["memory_search"] == nil {
		t.Errorf("where nothing may be written: %v", set)
	}
	if p := memory.Prompt(refs); !strings.Contains(p, "- store own (read write): Yours.\n- store team (read only): Look here.\n") {
		t.Errorf("prompt %s", p)
	}
	r := call(t, tools(f, refs)["memory_write"], `{"content":"c","reason":"r"}`)
	if !r.Failed || !strings.Contains(r.Text, "may be read here") {
		t.Errorf("refused: %+v", r)
	}
	f.Close()
	if r := call(t, tools(f, refs)["memory_search"], `{}`); !r.Failed || strings.Contains(r.Text, "127.0.0.1") {
		t.Errorf("a server that is away: %+v", r)
	}
}
