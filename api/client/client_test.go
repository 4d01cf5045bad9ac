package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

// far is the far side: a server whose answers the test writes.
func far(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL+"/api/v1/", "wk-1.secret", client.Options{Retries: 2})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(api.Error{Type: "/errors/" + code + "/", Title: "t", Status: status, Detail: detail, Error: "t (" + detail + ")"})
}

func TestRootURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:1":                "http://h:1",
		"http://h:1/":               "http://h:1",
		"https://h/api/v1":          "https://h",
		"https://h/cadre/api/v1///": "https://h/cadre",
	} {
		if got, err := client.RootURL(in); err != nil || got != want {
			t.Errorf("RootURL(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "h:1", "ftp://h", "http://", "http://u:p@h", "http://h?q=1", "http://h#f", "://"} {
		if got, err := client.RootURL(in); err == nil {
			t.Errorf("RootURL(%q) = %q, want an error", in, got)
		}
	}
}

func TestErrorNeverShowsPassword(t *testing.T) {
	_, err := client.New("http://u:hunter2@h", "", client.Options{})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error is %v", err)
	}
}

func TestKeyThatIsNoHeaderIsRefused(t *testing.T) {
	if _, err := client.New("http://h", "a\r\nX: y", client.Options{}); err == nil {
		t.Error("a key with a line end was taken")
	}
}

func TestProblemBecomesFailure(t *testing.T) {
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer wk-1.secret" {
			t.Errorf("authorization is %q", r.Header.Get("Authorization"))
		}
		refuse(w, 404, "resource-not-found", `no run "x"`)
	})
	_, err := c.GetRun(t.Context(), "x")
	if !errors.Is(err, api.Fail(api.PlatformErrorCodeResourceNotFound, "")) {
		t.Fatalf("got %#v", err)
	}
	var f *api.Failure
	if !errors.As(err, &f) || f.Status != 404 || f.Detail != `no run "x"` {
		t.Errorf("failure is %#v", f)
	}
}

func TestFieldOfInvalidRequest(t *testing.T) {
	c := far(t, func(w http.ResponseWriter, r *http.Request) { refuse(w, 400, "invalid_request", "prompt: too long") })
	_, err := c.CreateRun(t.Context(), api.RunAgentRequest{})
	var f *api.Failure
	if !errors.As(err, &f) || f.Field != "prompt" {
		t.Errorf("failure is %#v", f)
	}
}

func TestAnswerThatIsNoProblemDocument(t *testing.T) {
	for status, want := range map[int]api.PlatformErrorCode{
		401: api.PlatformErrorCodeAuthenticationRequired, 404: api.PlatformErrorCodeResourceNotFound,
		413: api.PlatformErrorCodeInvalidRequest,
	} {
		c := far(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			fmt.Fprint(w, "<h1>proxy</h1>")
		})
		_, err := c.Whoami(t.Context())
		if !errors.Is(err, api.Fail(want, "")) {
			t.Errorf("%d became %#v, want %s", status, err, want)
		}
	}
	c := far(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "<h1>hello</h1>") })
	if _, err := c.Whoami(t.Context()); err == nil || !strings.Contains(err.Error(), "is it a Cadre server") {
		t.Errorf("a page was taken for an answer: %v", err)
	}
}

func TestRetries(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header http.Header
		want   int32 // calls made
	}{
		"429 is repeated":                     {429, nil, 3},
		"500 is repeated":                     {500, nil, 3},
		"409 is repeated":                     {409, nil, 3},
		"400 is not":                          {400, nil, 1},
		"x-should-retry false wins":           {500, http.Header{"X-Should-Retry": {"false"}}, 1},
		"x-should-retry true wins":            {400, http.Header{"X-Should-Retry": {"true"}}, 3},
		"a wait longer than a minute is not":  {429, http.Header{"Retry-After": {"3600"}}, 1},
		"retry-after in the past is no delay": {503, http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			cl := far(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				var body api.RunAgentRequest
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Prompt != "p" {
					t.Errorf("body of call %d is %+v, %v", calls.Load(), body, err)
				}
				w.Header().Set("Retry-After-Ms", "1")
				for k, v := range c.header {
					w.Header()[k] = v
					if k == "Retry-After" {
						w.Header().Del("Retry-After-Ms")
					}
				}
				refuse(w, c.status, "conflict", "no")
			})
			_, err := cl.CreateRun(t.Context(), api.RunAgentRequest{Prompt: "p"})
			if err == nil || calls.Load() != c.want {
				t.Errorf("%d calls, error %v; want %d calls", calls.Load(), err, c.want)
			}
		})
	}
}

func TestPostIsNotRepeatedWhenItMayHaveBeenDone(t *testing.T) {
	var calls atomic.Int32
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	})
	_, err := c.FollowUp(t.Context(), "r", api.RunFollowupRequest{Message: "m"})
	var lost *client.Unreachable
	if !errors.As(err, &lost) || calls.Load() != 1 {
		t.Errorf("%d calls, error %v", calls.Load(), err)
	}
}

// TestCreateIsRepeatedUnderOneKey: the server tells a repetition by it, so a lost answer starts no
// second run.
func TestCreateIsRepeatedUnderOneKey(t *testing.T) {
	var mu sync.Mutex
	keys := map[string]int{}
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		keys[r.Header.Get("Idempotency-Key")]++
		mu.Unlock()
		conn, _, _ := w.(http.Hijacker).Hijack()
		conn.Close()
	})
	if _, err := c.CreateRun(t.Context(), api.RunAgentRequest{Prompt: "p"}); err == nil {
		t.Error("no answer is no error")
	}
	if _, err := c.CreateLocalRun(t.Context(), api.LocalRunRequest{Prompt: "p"}); err == nil {
		t.Error("no answer to a local run is no error")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(keys) != 2 || keys[""] != 0 {
		t.Errorf("keys of two requests: %v", keys)
	}
	for key, n := range keys {
		if n != 3 {
			t.Errorf("%d calls under %s", n, key)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	c, err := client.New(srv.URL, "k", client.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Whoami(t.Context())
	var lost *client.Unreachable
	if !errors.As(err, &lost) || lost.Root != srv.URL {
		t.Errorf("error is %v", err)
	}
}

func TestCancelledContextEndsRetries(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough")
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		cancel(why)
		w.Header().Set("Retry-After", "30")
		refuse(w, 429, "resource_unavailable", "later")
	})
	if _, err := c.Whoami(ctx); !errors.Is(err, why) {
		t.Errorf("error is %v", err)
	}
}

func TestRunsFollowsPages(t *testing.T) {
	var queries []string
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		page := api.ListRunsResponse{Runs: []api.RunItem{{RunId: "b", Artifacts: []api.Artifact{}}}}
		if r.URL.Query().Get("cursor") == "" {
			page.Runs[0].RunId = "a"
			page.PageInfo = api.PageInfo{HasNextPage: true, NextCursor: "c1"}
		}
		answer(w, 200, page)
	})
	var ids []string
	limit := 1
	params := api.ListRunsParams{Limit: &limit, State: []api.RunState{"QUEUED", "BLOCKED"}, CreatedAfter: time.Unix(0, 0),
		Metadata: map[string]string{"k": "v w"}}
	for r, err := range c.Runs(t.Context(), params) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.RunId)
	}
	if diff := cmp.Diff([]string{"a", "b"}, ids); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"created_after=1970-01-01T00%3A00%3A00Z&limit=1&metadata%5Bk%5D=v+w&state=QUEUED&state=BLOCKED",
		"created_after=1970-01-01T00%3A00%3A00Z&cursor=c1&limit=1&metadata%5Bk%5D=v+w&state=QUEUED&state=BLOCKED",
	}
	if diff := cmp.Diff(want, queries); diff != "" {
		t.Error(diff)
	}
}

func TestRunsStopsAtARepeatedCursor(t *testing.T) {
	calls := 0
	c := far(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		answer(w, 200, api.ListRunsResponse{Runs: []api.RunItem{{RunId: "a"}}, PageInfo: api.PageInfo{HasNextPage: true, NextCursor: "same"}})
	})
	for range c.Runs(t.Context(), api.ListRunsParams{}) {
		if calls > 3 {
			t.Fatal("does not end")
		}
	}
}

func TestDownloadSendsNoKeyElsewhere(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("the key was sent to another server")
		}
		fmt.Fprint(w, "bytes")
	}))
	t.Cleanup(elsewhere.Close)
	c := far(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) })
	var b strings.Builder
	if n, err := c.DownloadTranscript(t.Context(), "r", &b); err != nil || n != 5 || b.String() != "bytes" {
		t.Errorf("%d, %v, %q", n, err, b.String())
	}
}
