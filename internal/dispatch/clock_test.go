package dispatch

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestClockIsSet sets the clock far forward and back while a run is under way: it goes on, new runs
// still start, and a worker that dies afterwards is noticed as soon as ever.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"forward": 50 * time.Hour, "back": -50 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var skew atomic.Int64
				w := newWorld()
				d := w.start(t, func(c *Config) {
					c.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
				})
				worker := connect(t, d, "team", "linux")
				worker.hello(0)
				first := w.queue("team", "linux", 1)[0]
				a := worker.assignment()
				worker.claim(a)
				waiting := w.queue("team", "elsewhere", 1)[0]
				time.Sleep(7 * time.Second)
				worker.beat(a.ExecutionID)
				time.Sleep(3700 * time.Millisecond)
				skew.Store(int64(by))
				for range 5 {
					time.Sleep(5 * time.Second)
					worker.beat(a.ExecutionID)
				}
				second := w.queue("team", "linux", 1)[0]
				b := worker.assignment()
				worker.claim(b)
				for range 20 {
					time.Sleep(5 * time.Second)
					worker.beat(a.ExecutionID, b.ExecutionID)
				}
				synctest.Wait()
				for _, id := range []string{first, second, waiting} {
					if r := w.look(id); r.lost != 0 || r.state.Ended() {
						t.Errorf("run %s: lost %d times, %s", id, r.lost, r.state)
					}
				}
				died := time.Now()
				close(worker.dead)
				for w.look(first).lost == 0 {
					time.Sleep(100 * time.Millisecond)
					if time.Since(died) > 20*time.Second {
						t.Fatal("the loss of its worker was not noticed")
					}
				}
			})
		})
	}
}
