package server_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// createOnce starts a run under a key.
func (w *world) createOnce(path, key string, req any) answer {
	w.t.Helper()
	return w.do(request{method: "POST", path: api.BasePath + path, key: w.key, body: req, header: http.Header{"Idempotency-Key": {key}}})
}

func TestRepeatedCreateStartsOneRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := api.RunAgentRequest{Prompt: "once", Metadata: map[string]string{"a": "1", "b": "2"},
		Attachments: []api.AttachmentInput{{FileName: "f", MimeType: "text/plain", Data: []byte("x")}}}
	ids := make(chan string, 20)
	var all sync.WaitGroup
	for i := range cap(ids) {
		all.Go(func() {
			path := []string{"/agent/runs", "/agent/run"}[i%2]
			ids <- decode[api.RunAgentResponse](w.createOnce(path, "same key, same run", req).want(200)).RunId
		})
	}
	all.Wait()
	first := <-ids
	for range cap(ids) - 1 {
		if id := <-ids; id != first {
			t.Fatalf("runs %s and %s for one key", first, id)
		}
	}
	if list := decode[api.ListRunsResponse](w.get("/agent/runs").want(200)); len(list.Runs) != 1 {
		t.Errorf("%d runs", len(list.Runs))
	}
	// The state is the run's by then, and a restarted server remembers.
	w.post("/agent/runs/"+first+"/cancel", nil).want(200)
	w.restart()
	again := decode[api.RunAgentResponse](w.createOnce("/agent/runs", "same key, same run", req).want(200))
	if again.RunId != first || again.State != api.RunStateCANCELLED {
		t.Errorf("after a restart: %+v", again)
	}

	other := req
	other.Prompt = "something else"
	p := w.createOnce("/agent/runs", "same key, same run", other).wantProblem(api.PlatformErrorCodeConflict, 409, "Idempotency-Key")
	if *p.Retryable {
		t.Error("repeating another request's key is called retryable")
	}
	w.createOnce("/agent/runs", strings.Repeat("k", 256), req).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "Idempotency-Key")
	w.createOnce("/agent/runs", "ü", req).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "Idempotency-Key")
	w.do(request{method: "POST", path: api.BasePath + "/agent/runs", key: w.key, body: req, header: http.Header{"Idempotency-Key": {"a", "b"}}}).
		wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "Idempotency-Key")
	w.createOnce("/agent/runs", "refused", api.RunAgentRequest{}).want(400)
	w.createOnce("/agent/runs", "refused", req).want(200) // what was refused used no key up

	// Keys are the caller's own: a run's are not those of the person it acts for.
	parent := w.localRun("parent")
	child := decode[api.RunAgentResponse](w.as(parent.RunToken).createOnce("/agent/runs", "same key, same run", req).want(200))
	if child.RunId == first {
		t.Error("a run token reaches its principal's key")
	}
}

// TestRepeatedLocalRunIsOne: whoever lost the answer gets the same run and a token that works for it.
func TestRepeatedLocalRunIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	req := api.LocalRunRequest{Prompt: "once", Source: api.LocalRunRequestSourceLOCAL}
	answers := make(chan api.LocalRunResponse, 10)
	var all sync.WaitGroup
	for range cap(answers) {
		all.Go(func() {
			answers <- decode[api.LocalRunResponse](w.createOnce("/agent/local-runs", "here", req).want(200))
		})
	}
	all.Wait()
	first := <-answers
	for range cap(answers) - 1 {
		if a := <-answers; a.RunId != first.RunId || a.ExecutionId != first.ExecutionId {
			t.Fatalf("%+v and %+v for one key", a, first)
		}
	}
	again := decode[api.LocalRunResponse](w.createOnce("/agent/local-runs", "here", req).want(200))
	w.as(again.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200)
	if list := decode[api.ListRunsResponse](w.get("/agent/runs").want(200)); len(list.Runs) != 1 {
		t.Errorf("%d runs", len(list.Runs))
	}

	other := req
	other.Prompt = "something else"
	w.createOnce("/agent/local-runs", "here", other).wantProblem(api.PlatformErrorCodeConflict, 409, "Idempotency-Key")
	// The same words to another operation are another request.
	w.createOnce("/agent/runs", "here", `{"prompt":"once"}`).wantProblem(api.PlatformErrorCodeConflict, 409, "Idempotency-Key")
	w.createOnce("/agent/local-runs", strings.Repeat("k", 256), req).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "Idempotency-Key")
	if a, b := w.localRun("once"), w.localRun("once"); a.RunId == b.RunId {
		t.Error("without a key two requests are one")
	}
}

// TestCreateOfAClientThatLeaves: whether the run was stored before its client went away, it is stored
// once or not at all, and the same request finds out.
func TestCreateOfAClientThatLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const tries = 30
	for i := range tries {
		key := "leaver-" + strings.Repeat("x", i)
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "POST", w.url+api.BasePath+"/agent/runs", strings.NewReader(`{"prompt":"leave"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+w.key)
		req.Header.Set("Idempotency-Key", key)
		left := make(chan struct{})
		go func() {
			defer close(left)
			if rsp, err := client.Do(req); err == nil {
				_ = rsp.Body.Close()
			}
		}()
		for range i { // somewhere between before and after
			w.get("/whoami").want(200)
		}
		cancel()
		<-left
		w.createOnce("/agent/runs", key, `{"prompt":"leave"}`).want(200)
	}
	if list := decode[api.ListRunsResponse](w.get("/agent/runs?limit=100").want(200)); len(list.Runs) != tries {
		t.Errorf("%d runs of %d requests", len(list.Runs), tries)
	}
}
