package server_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// changes opens the stream of all runs and returns a function that reads the next run it tells of.
func (w *world) changes(key string) func() api.RunItem {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+api.BasePath+"/agent/runs/stream", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	rsp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = rsp.Body.Close() })
	if rsp.StatusCode != http.StatusOK {
		w.t.Fatalf("status %d", rsp.StatusCode)
	}
	lines := bufio.NewScanner(rsp.Body)
	lines.Buffer(nil, 1<<20)
	return func() (item api.RunItem) {
		w.t.Helper()
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			if err := json.Unmarshal([]byte(data), &item); err != nil {
				w.t.Fatal(err)
			}
			return item
		}
		w.t.Fatalf("the stream ended: %v", lines.Err())
		return item
	}
}

// until reads on to what is wanted: states that follow each other closely are told once.
func until(next func() api.RunItem, id string, state api.RunState) api.RunItem {
	for {
		if item := next(); item.RunId == id && item.State == state {
			return item
		}
	}
}

func TestListsAreToldOfChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	two := []func() api.RunItem{w.changes(w.key), w.changes(w.key)}
	id := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "look <at> me"}).want(200)).RunId
	for _, next := range two {
		item := until(next, id, api.RunStateQUEUED)
		if item.Title == "" || item.Prompt != "look <at> me" {
			t.Errorf("%+v", item)
		}
	}
	w.post("/agent/runs/"+id+"/cancel", nil).want(200)
	for _, next := range two {
		until(next, id, api.RunStateCANCELLED)
	}
}

func TestUsageSummary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create(api.RunAgentRequest{Prompt: "count me"})
	day := decode[api.UsageSummary](w.get("/usage/summary?time_zone=Europe/Berlin").want(http.StatusOK))
	if n := len(day.Buckets); n != 14 || day.Buckets[13].Runs != 1 || day.Total.Runs != 1 || day.Total.SuccessRate != nil {
		t.Errorf("by day: %+v", day)
	}
	names := decode[api.UsageSummary](w.get("/usage/summary?by=creator").want(http.StatusOK))
	if len(names.Buckets) != 1 || names.Buckets[0].Key == "" || names.Buckets[0].Runs != 1 {
		t.Errorf("by creator: %+v", names)
	}
	for _, wrong := range []string{"time_zone=Mars", "time_zone=Local", "by=mood", "from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z", "from=1900-01-01T00:00:00Z", "from=x"} {
		w.get("/usage/summary?" + wrong).want(http.StatusBadRequest)
	}
}
