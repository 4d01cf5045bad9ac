package dispatch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
)

// A run nobody serves fails when it has waited long enough, and not because the server was down for
// that long or its workers are just coming back.
func TestRunsNobodyServesFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t, func(c *Config) { c.MaxQueued = time.Hour })
		served := w.queue("team", "linux", 2)[1]
		worker := connect(t, d, "team", "linux")
		worker.hello(1)
		worker.claim(worker.assignment())
		lonely := w.queue("team", "mac", 1)[0]
		long := w.queue("team", "bsd", 1)[0]
		w.mu.Lock()
		w.runs[long].Told = api.RunWaiting{Code: api.WaitingCodeNoWorker, Since: time.Now().Add(-48 * time.Hour)}
		w.mu.Unlock()

		alive := func(until time.Duration) {
			for end := time.Now().Add(until); time.Now().Before(end); time.Sleep(3 * time.Second) {
				worker.beat(w.look(w.order[0]).exec)
			}
		}
		alive(time.Minute)
		if s := w.look(long).state; s != api.RunStateQUEUED {
			t.Errorf("%s before its worker could come back", s)
		}
		alive(patience)
		if s := w.look(long).state; s != api.RunStateFAILED {
			t.Errorf("%s after two days without a worker", s)
		}
		alive(50 * time.Minute)
		if s := w.look(lonely).state; s != api.RunStateQUEUED {
			t.Errorf("%s within its hour", s)
		}
		alive(10 * time.Minute)
		if s := w.look(lonely).state; s != api.RunStateFAILED {
			t.Errorf("%s after an hour without a worker", s)
		}
		if s := w.look(served).state; s != api.RunStateQUEUED {
			t.Errorf("%s although its host is served", s)
		}
	})
}
