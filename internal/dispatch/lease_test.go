package dispatch

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
)

func TestUnclaimedOfferIsTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(1)
		began := time.Now()
		id := w.queue("team", "linux", 1)[0]
		stale := worker.assignment()
		again := worker.assignment()
		if waited := time.Since(began); again.TaskID != id || waited < d.cfg.ClaimWait || waited > d.cfg.ClaimWait+2*tick {
			t.Errorf("offered again after %s", waited)
		}
		if again.ExecutionID == stale.ExecutionID {
			t.Error("the same execution was offered twice")
		}
		// The claim of the first offer comes late: it must stop.
		worker.say(api.WorkerClaimed, api.TaskReport{TaskID: id, ExecutionID: stale.ExecutionID})
		if c := worker.cancellation(); c.ExecutionID != stale.ExecutionID {
			t.Errorf("told to stop %+v", c)
		}
	})
}

func TestLostWorkerIsNoticedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		worker.claim(a)
		for range 20 {
			time.Sleep(6 * time.Second)
			worker.beat(a.ExecutionID)
		}
		synctest.Wait()
		if r := w.look(id); r.lost != 0 {
			t.Fatal("lost although its worker sent heartbeats")
		}
		died := time.Now()
		close(worker.dead)
		for w.look(id).lost == 0 {
			time.Sleep(100 * time.Millisecond)
			if time.Since(died) > time.Minute {
				t.Fatal("never noticed")
			}
		}
		if took := time.Since(died); took > 20*time.Second || took < 12*time.Second {
			t.Errorf("noticed after %s", took)
		}
	})
}

// Only the executions a heartbeat names are kept: a worker that forgot one has lost it.
func TestHeartbeatKeepsOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		synctest.Wait()
		w.queue("team", "linux", 2)
		kept, forgotten := worker.assignment(), worker.assignment()
		worker.claim(kept)
		worker.claim(forgotten)
		for range 5 {
			time.Sleep(6 * time.Second)
			worker.beat(kept.ExecutionID)
		}
		synctest.Wait()
		if w.look(kept.TaskID).lost != 0 || w.look(forgotten.TaskID).lost != 1 {
			t.Errorf("kept lost %d times, forgotten %d", w.look(kept.TaskID).lost, w.look(forgotten.TaskID).lost)
		}
	})
}

// A worker of the original protocol sends nothing while it works; that it answers pings is enough.
func TestPingsKeepLeasesOfSilentWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		id := w.queue("team", "linux", 1)[0]
		worker.claim(worker.assignment())
		time.Sleep(10 * time.Minute)
		if w.look(id).lost != 0 {
			t.Fatal("lost although its connection lives")
		}
		silent := time.Now()
		close(worker.deaf) // the machine is gone, TCP does not know yet
		err := <-worker.ended
		if took := time.Since(silent); err == nil || took > 20*time.Second {
			t.Errorf("connection ended after %s: %v", took, err)
		}
		time.Sleep(20*time.Second - time.Since(silent))
		if w.look(id).lost != 1 {
			t.Error("not noticed within 20 s")
		}
	})
}

func TestWorkerComesBackWithItsRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(3)
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		worker.claim(a)
		synctest.Wait()
		close(worker.dead)
		time.Sleep(10 * time.Second)

		back := connect(t, d, "team", "linux")
		back.hello(3, a.ExecutionID, "never-heard-of")
		if c := back.cancellation(); c.ExecutionID != "never-heard-of" {
			t.Errorf("told to stop %+v", c)
		}
		synctest.Wait()
		if n := d.Counts(Place{"linux", "team"}); n.Running != 1 || n.Free != 2 {
			t.Errorf("counts %+v", n)
		}
		for range 10 {
			time.Sleep(6 * time.Second)
			back.beat(a.ExecutionID)
		}
		back.say(api.WorkerCompleted, api.TaskReport{TaskID: id, ExecutionID: a.ExecutionID})
		synctest.Wait()
		if r := w.look(id); r.lost != 0 || len(r.exits) != 1 || !r.exits[0].Clean || len(r.assigned) != 1 {
			t.Errorf("run %+v", r)
		}
	})
}

// The server dies and starts again: claimed executions go on, offered ones are back in line at once,
// and what was queued is placed.
func TestServerRestart(t *testing.T) {
	t.Parallel()
	for _, speaks := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			ids := w.queue("team", "linux", 2)
			running, offered := w.runs[ids[0]], w.runs[ids[1]]
			w.execs["x-running"] = running
			running.state, running.live, running.exec, running.worker = api.RunStateCLAIMED, true, "x-running", "server/former/1"
			running.claimed, running.lease = true, time.Now().Add(-time.Hour) // it was down for long
			offered.state, offered.live, offered.exec, offered.worker = api.RunStatePENDING, true, "x-offered", "server/former/1"
			offered.lease = time.Now().Add(10 * time.Second)
			w.queue("team", "mac", 1)
			mac := w.order[2]
			w.runs[mac].state, w.runs[mac].live, w.runs[mac].exec = api.RunStatePENDING, true, "x-mac"
			w.runs[mac].worker, w.runs[mac].lease = "replica-2/former/1", time.Now().Add(10*time.Second)

			d := w.start(t)
			synctest.Wait()
			if r := w.look(ids[1]); r.state != api.RunStateQUEUED {
				t.Errorf("offered by the former server: %+v", r)
			}
			if r := w.look(mac); r.state != api.RunStatePENDING {
				t.Errorf("another replica's offer was taken back: %+v", r)
			}
			time.Sleep(8 * time.Second)
			worker := connect(t, d, "team", "linux")
			if speaks {
				worker.hello(5, "x-running")
			}
			if a := worker.assignment(); a.TaskID != ids[1] {
				t.Errorf("assigned %s", a.TaskID)
			}
			for range 10 {
				time.Sleep(6 * time.Second)
				if speaks {
					worker.beat("x-running")
				}
			}
			worker.say(api.WorkerCompleted, api.TaskReport{TaskID: ids[0]})
			synctest.Wait()
			if r := w.look(ids[0]); r.lost != 0 || len(r.exits) != 1 {
				t.Errorf("speaks %v: the running execution: %+v", speaks, r)
			}
		})
	}
}

// Nobody came back after a restart: noticed when workers had a whole lease to do so.
func TestRestartWithoutWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		id := w.queue("team", "linux", 1)[0]
		r := w.runs[id]
		r.state, r.live, r.exec, r.worker, r.claimed = api.RunStateINPROGRESS, true, "x", "server/former/1", true
		r.lease = time.Now().Add(-time.Minute)
		w.start(t)
		time.Sleep(17 * time.Second)
		if w.look(id).lost != 0 {
			t.Error("lost before its worker could come back")
		}
		time.Sleep(3 * time.Second)
		if w.look(id).lost != 1 {
			t.Error("not noticed within 20 s")
		}
	})
}

// The hint of a cancellation got lost: the heartbeat finds out, but gives a report that is on its way
// the time to arrive.
func TestEndedExecutionIsStoppedAfterGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		worker.claim(a)
		synctest.Wait()
		w.cancel(id)
		worker.cancellation() // the hint's; as if it had not come
		ended := time.Now()
		for len(worker.down) == 0 {
			time.Sleep(6 * time.Second)
			worker.beat(a.ExecutionID)
			synctest.Wait()
			if time.Since(ended) > time.Minute {
				t.Fatal("never stopped")
			}
		}
		if took := time.Since(ended); took < d.cfg.Lease/2 {
			t.Errorf("stopped after %s, before its own report could come", took)
		}
	})
}

// What a worker said is said once: a store that is away for a while must not lose it.
func TestReportsOutliveAnUnreachableStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		w.setBroken(true)
		worker.claim(a)
		worker.say(api.WorkerCompleted, api.TaskReport{TaskID: id})
		time.Sleep(5 * time.Second)
		close(worker.dead)
		time.Sleep(5 * time.Second)
		w.setBroken(false)
		time.Sleep(5 * time.Second)
		if r := w.look(id); len(r.exits) != 1 {
			t.Errorf("run %+v", r)
		}
	})
}

func TestRunsThatTakeTooLongAreEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t, func(c *Config) { c.MaxActive = time.Hour })
		worker := connect(t, d, "team", "linux")
		id := w.queue("team", "linux", 1)[0]
		worker.claim(worker.assignment())
		synctest.Wait()
		w.mu.Lock()
		w.runs[id].active = time.Now()
		w.mu.Unlock()
		time.Sleep(59 * time.Minute)
		if len(w.look(id).exits) != 0 {
			t.Fatal("ended too early")
		}
		time.Sleep(2 * time.Minute)
		r := w.look(id)
		if len(r.exits) != 1 || r.exits[0].Reason != "task_timeout" || !strings.Contains(r.exits[0].Message, "1h") {
			t.Fatalf("exits %+v", r.exits)
		}
		worker.cancellation()
	})
}

// A lease may be shorter than a worker's heartbeats are apart: pings prove what the last one named.
func TestPingsKeepShortLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t, func(c *Config) { c.Lease, c.ClaimWait = 3*time.Second, 2*time.Second })
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		synctest.Wait()
		w.queue("team", "linux", 2)
		kept, forgotten := worker.assignment(), worker.assignment()
		worker.claim(kept)
		worker.claim(forgotten)
		for range 5 {
			time.Sleep(6 * time.Second)
			worker.beat(kept.ExecutionID)
		}
		synctest.Wait()
		if w.look(kept.TaskID).lost != 0 || w.look(forgotten.TaskID).lost != 1 {
			t.Errorf("kept lost %d times, forgotten %d", w.look(kept.TaskID).lost, w.look(forgotten.TaskID).lost)
		}
	})
}
