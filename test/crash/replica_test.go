package crash

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// TestReplicas: what a person does at one of two servers arrives at the sandbox that speaks to the
// other, whether they share a NATS or nothing but PostgreSQL; the log tells how long it took.
func TestReplicas(t *testing.T) {
	t.Run("shared bus", func(t *testing.T) {
		t.Parallel()
		replicas(t, layout{database: storetest.Postgres(t), nats: bus(t)})
	})
	t.Run("PostgreSQL alone", func(t *testing.T) {
		t.Parallel()
		replicas(t, layout{database: storetest.Postgres(t)})
	})
}

// bus is a NATS server on loopback.
func bus(t *testing.T) string {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(patience) {
		t.Fatal("NATS does not start")
	}
	return s.ClientURL()
}

func replicas(t *testing.T, l layout) {
	f := newFleet(t, l, newReferee(t, "", 0))
	text, _ := json.Marshal(map[string]any{"turns": []any{
		map[string]any{"text": "first"},
		map[string]any{"text": "heard you", "tool_calls": []any{map[string]any{"name": "bash", "input": map[string]any{"command": "sleep 3000"}}}},
	}})
	began := time.Now()
	lap := func(what string) {
		t.Logf("%s after %s", what, time.Since(began).Round(time.Millisecond))
		began = time.Now()
	}
	id := f.start("far", map[string]any{
		"prompt": "Go.\n```scripted\n" + string(text) + "\n```",
		"config": map[string]any{"name": "far", "worker_host": host, "model_id": "scripted", "idle_timeout_minutes": 5},
	})
	f.until("the first turn", func() bool { return f.get(id).State == api.RunStateSUCCEEDED })
	lap("submitted here and carried out there")
	f.insist("send a message", func() error {
		return f.call("POST", "/agent/runs/"+id+"/followups", map[string]any{"message": "More."}, nil)
	})
	f.until("the message to arrive", func() bool { return strings.Contains(f.words(id), "heard you") })
	lap("a message given here was taken up there")
	f.insist("cancel", func() error { return f.call("POST", "/agent/runs/"+id+"/cancel", nil, nil) })
	f.until("the sandbox to end", func() bool { return len(f.runners()) == 0 })
	lap("a run cancelled here was ended there")
	if run := f.get(id); run.State != api.RunStateCANCELLED || run.Execution != 1 {
		t.Errorf("%s after %d executions", run.State, run.Execution)
	}
}
