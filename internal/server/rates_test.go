package server_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
)

func TestRateLimit(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	w := newWorld(t, func(c *server.Config) { c.Limits.Rate, c.Now = 2, clock })
	_, other := w.person("mel", identity.RoleMember)
	for i := range 10 { // five seconds' worth
		if a := w.get("/whoami"); a.status != 200 {
			t.Fatalf("request %d: %s", i, a)
		}
	}
	refused := w.get("/whoami")
	refused.wantProblem(api.PlatformErrorCodeResourceUnavailable, 429, "2 requests a second")
	ms, err := strconv.Atoi(refused.header.Get("Retry-After-Ms"))
	if err != nil || ms < 1 || ms > 600 || refused.header.Get("Retry-After") != "1" || refused.header.Get("x-should-retry") != "true" {
		t.Errorf("refused with %v", refused.header)
	}
	w.as(other).get("/whoami").want(200) // who is not in the way of others
	mu.Lock()
	now = now.Add(time.Duration(ms) * time.Millisecond)
	mu.Unlock()
	w.get("/whoami").want(200)
	w.get("/whoami").want(429)
}

func TestRunnersAreNotLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.Limits.Rate = 1 })
	local := w.localRun("work")
	w.as(local.RunToken).post("/runner/start", api.RunnerStartRequest{Version: "t"}).want(200)
	for range 50 {
		w.as(local.RunToken).post("/runner/heartbeat", nil).want(200)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.Limits.Streams = 2 })
	id := w.create(api.RunAgentRequest{Prompt: "x"})
	for range 3 {
		w.get("/agent/runs/0198c0de-0000-7000-8000-000000000001/stream").want(404) // no stream comes of it
	}
	w.follow("/agent/runs/" + id + "/stream")
	w.follow("/agent/runs/stream")
	w.get("/agent/runs/"+id+"/stream").wantProblem(api.PlatformErrorCodeResourceUnavailable, 429, "2 streams")
	w.get("/agent/runs/" + id).want(200)
}
