package dispatch

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
)

func TestExplanations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		lonely := w.queue("team", "mac", 1)[0]
		worker := connect(t, d, "team", "linux")
		worker.hello(1)
		synctest.Wait()
		ids := w.queue("team", "linux", 5)
		a := worker.assignment()
		worker.claim(a)
		alive := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(3 * time.Second) {
				worker.beat(w.look(ids[0]).exec)
			}
		}
		alive(6 * time.Second)

		want := map[string]api.RunWaiting{
			lonely: {Code: api.WaitingCodeNoWorker, Message: `No worker serves host "mac".`},
			ids[0]: {}, // placed at once: never written to
			ids[1]: {Code: api.WaitingCodeAtCapacity, Message: `Every worker of host "linux" is busy.`},
			ids[2]: {Code: api.WaitingCodeInLine, Message: `In line behind 1 run for host "linux".`},
			ids[3]: {Code: api.WaitingCodeInLine, Message: `In line behind 2 runs for host "linux".`},
			ids[4]: {Code: api.WaitingCodeInLine, Message: `In line behind more than 2 runs for host "linux".`},
		}
		for id, told := range want {
			got := w.look(id).Told
			got.Since = time.Time{}
			if got != told {
				t.Errorf("%s: told %+v, want %+v", id, got, told)
			}
		}
		said := w.called("explain")
		alive(60 * time.Second)
		if again := w.called("explain"); again != said {
			t.Errorf("explained %d times more although nothing changed", again-said)
		}
		connect(t, d, "team", "mac").assignment()
	})
}

func TestExplanationsOfALongQueueComeToAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.start(t)
		ids := w.queue("team", "mac", 3*walk)
		time.Sleep(tick * (3*walk/explained + 10))
		untold := slices.IndexFunc(ids, func(id string) bool { return w.look(id).Told.Code != api.WaitingCodeNoWorker })
		if untold >= 0 {
			t.Errorf("run %d of %d was told nothing", untold, len(ids))
		}
	})
}

func TestCrowd(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{
		1: "1 run", 2: "2 runs", 3: "more than 2 runs", 5: "5 runs", 9: "more than 5 runs", 10: "10 runs",
		11: "more than 10 runs", 20: "20 runs", 99: "more than 50 runs", 100: "100 runs", 12345: "more than 10000 runs",
	} {
		if got := crowd(n); got != want {
			t.Errorf("crowd(%d) = %q, want %q", n, got, want)
		}
	}
}
