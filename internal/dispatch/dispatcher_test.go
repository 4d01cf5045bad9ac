package dispatch

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
)

func TestRunTravelsToItsWorkerAndBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(4)
		synctest.Wait()
		began := time.Now()
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		if a.TaskID != id || a.ExecutionID != w.look(id).exec || a.Task == nil {
			t.Fatalf("assignment %+v", a)
		}
		if time.Since(began) != 0 {
			t.Errorf("took %s: the tick found it, not the hint", time.Since(began))
		}
		worker.claim(a)
		synctest.Wait()
		if r := w.look(id); !r.claimed || r.state != api.RunStateCLAIMED {
			t.Fatalf("after the claim: %+v", r)
		}
		worker.say(api.WorkerFailed, api.TaskReport{TaskID: id, Message: "boom", FailureReason: "container_exit", ExitCode: 7})
		synctest.Wait()
		r := w.look(id)
		if len(r.exits) != 1 {
			t.Fatalf("exits %+v", r.exits)
		}
		if e := r.exits[0]; e.Clean || e.Reason != "container_exit" || e.Message != "boom" || e.Code != 7 {
			t.Errorf("exit %+v", e)
		}
		if n := d.Counts(Place{"linux", "team"}); n != (Counts{Connections: 1, Free: 4}) {
			t.Errorf("counts %+v", n)
		}
	})
}

func TestWorkerServesItsTeamAndHostOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		w.queue("other", "linux", 1)
		w.queue("team", "Linux", 1) // the match is case-sensitive
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		time.Sleep(5 * time.Second)
		worker.silent()
		other := connect(t, d, "other", "linux")
		other.assignment()
	})
}

// Whoever speaks of another team's run must not touch it, whatever ids it knows.
func TestForeignReportsChangeNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		good, evil := connect(t, d, "team", "linux"), connect(t, d, "evil", "linux")
		good.hello(0)
		evil.hello(0)
		id := w.queue("team", "linux", 1)[0]
		a := good.assignment()
		report := api.TaskReport{TaskID: id, ExecutionID: a.ExecutionID}
		evil.say(api.WorkerClaimed, report)
		if c := evil.cancellation(); c.TaskID != id {
			t.Errorf("told to stop %+v", c)
		}
		evil.say(api.WorkerCompleted, report)
		evil.say(api.WorkerRejected, report)
		evil.beat(a.ExecutionID)
		if c := evil.cancellation(); c.ExecutionID != a.ExecutionID {
			t.Errorf("told to stop %+v", c)
		}
		synctest.Wait()
		if r := w.look(id); r.state != api.RunStatePENDING || r.claimed || len(r.rejects) > 0 {
			t.Errorf("another team's worker changed the run: %+v", r)
		}
		good.claim(a)
		synctest.Wait()
		if !w.look(id).claimed {
			t.Error("its own worker cannot claim it any more")
		}
	})
}

func TestConnectionsOfOneHostShareTheLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		a, b := connect(t, d, "team", "linux"), connect(t, d, "team", "linux")
		a.hello(0)
		b.hello(0)
		synctest.Wait()
		w.queue("team", "linux", 10)
		synctest.Wait()
		if len(a.down) != 5 || len(b.down) != 5 {
			t.Errorf("%d and %d, want 5 each", len(a.down), len(b.down))
		}
		list := d.Workers("team")
		if len(list) != 1 || list[0].ConnectionCount != 2 || list[0].Running != 10 || list[0].WorkerHost != "linux" || list[0].Backend != "direct" {
			t.Errorf("workers %+v", list)
		}
		if got := d.Workers("other"); len(got) != 0 {
			t.Errorf("another team sees %+v", got)
		}
	})
}

func TestCapacityIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(2)
		synctest.Wait()
		w.queue("team", "linux", 3)
		first, second := worker.assignment(), worker.assignment()
		worker.claim(first)
		worker.claim(second)
		time.Sleep(3 * time.Second)
		worker.silent()
		now := time.Now()
		worker.say(api.WorkerCompleted, api.TaskReport{TaskID: first.TaskID})
		worker.assignment()
		if time.Since(now) != 0 {
			t.Error("the freed slot was found by the tick only")
		}
	})
}

// A worker of the original protocol never says how much it takes: it is offered a few, then more as
// it claims, and nothing for a while after it refused.
func TestUnknownCapacity(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		time.Sleep(helloWait)
		ids := w.queue("team", "linux", 1000)
		synctest.Wait()
		if len(worker.down) != firstWindow {
			t.Fatalf("offered %d at once, want %d", len(worker.down), firstWindow)
		}
		var offered []api.TaskAssignment
		for range firstWindow {
			offered = append(offered, worker.assignment())
		}
		taken, refused := offered[:2], offered[2:]
		for _, a := range taken {
			worker.claim(a)
		}
		synctest.Wait()
		for len(worker.down) > 0 {
			refused = append(refused, worker.assignment())
		}
		for _, a := range refused {
			worker.say(api.WorkerRejected, api.TaskReport{TaskID: a.TaskID, Reason: "worker at maximum concurrency"})
		}
		synctest.Wait()
		for _, a := range refused {
			if r := w.look(a.TaskID); r.state != api.RunStateQUEUED || len(r.rejects) != 1 || r.rejects[0] != "worker at maximum concurrency" {
				t.Fatalf("refused run: %+v", r)
			}
		}
		time.Sleep(learnedWait - 2*time.Second)
		worker.silent()
		worker.say(api.WorkerCompleted, api.TaskReport{TaskID: taken[0].TaskID})
		a := worker.assignment()
		if slices.Index(ids, a.TaskID) > 2 {
			t.Errorf("the freed slot went to %s, want one of the oldest", a.TaskID)
		}
		worker.claim(a)
		synctest.Wait()
		worker.silent() // it takes two, as it has shown
		time.Sleep(4 * time.Second)
		worker.assignment() // perhaps it takes more by now
		worker.silent()
	})
}

func TestRejectedRunGoesElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		first := connect(t, d, "team", "linux")
		synctest.Wait()
		id := w.queue("team", "linux", 1)[0]
		first.assignment()
		second := connect(t, d, "team", "linux")
		time.Sleep(helloWait)
		synctest.Wait()
		now := time.Now()
		first.say(api.WorkerRejected, api.TaskReport{TaskID: id})
		if a := second.assignment(); a.TaskID != id {
			t.Errorf("got %s", a.TaskID)
		}
		if time.Since(now) != 0 {
			t.Error("the run waited for the tick")
		}
	})
}

func TestDisconnectBeforeClaimRequeuesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		first := connect(t, d, "team", "linux")
		id := w.queue("team", "linux", 1)[0]
		first.assignment()
		second := connect(t, d, "team", "linux")
		synctest.Wait()
		close(first.dead)
		if a := second.assignment(); a.TaskID != id {
			t.Errorf("got %s", a.TaskID)
		}
	})
}

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

// A worker's capacity is known before anything is offered, if it says hello at all.
func TestNoOfferBeforeHello(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		w.queue("team", "linux", 10)
		worker := connect(t, d, "team", "linux")
		time.Sleep(helloWait / 2)
		worker.silent()
		worker.hello(2)
		synctest.Wait()
		if len(worker.down) != 2 {
			t.Errorf("%d offers, want 2", len(worker.down))
		}
		mute := connect(t, d, "team", "linux")
		time.Sleep(2 * helloWait)
		synctest.Wait()
		if len(mute.down) != firstWindow {
			t.Errorf("%d offers to a worker without hello, want %d", len(mute.down), firstWindow)
		}
	})
}

func TestDuplicateMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		worker.claim(a)
		worker.claim(a)
		worker.say(api.WorkerRejected, api.TaskReport{TaskID: id}) // too late
		for range 3 {
			worker.say(api.WorkerCompleted, api.TaskReport{TaskID: id})
		}
		synctest.Wait()
		r := w.look(id)
		if w.called("claim") != 1 || len(r.rejects) != 0 || len(r.exits) != 1 || len(r.assigned) != 1 {
			t.Errorf("%d claims, run %+v", w.called("claim"), r)
		}
	})
}

// The claim was lost with the link it was on; the report of the end is evidence enough.
func TestEndWithoutClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		id := w.queue("team", "linux", 1)[0]
		worker.assignment()
		worker.say(api.WorkerCompleted, api.TaskReport{TaskID: id, TaskState: "CANCELLED"})
		synctest.Wait()
		if r := w.look(id); len(r.exits) != 1 || !r.exits[0].Cancelled {
			t.Errorf("run %+v", r)
		}
	})
}

func TestCancelReachesTheWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		synctest.Wait()
		ids := w.queue("team", "linux", 2)
		a, unclaimed := worker.assignment(), worker.assignment()
		worker.claim(a)
		synctest.Wait()
		for _, id := range ids { // claimed or not
			w.cancel(id)
			c := worker.cancellation()
			if c.TaskID != id || c.ExecutionID != w.look(id).exec {
				t.Errorf("cancellation %+v", c)
			}
		}
		// A claim that crossed the cancellation is refused.
		worker.claim(unclaimed)
		if c := worker.cancellation(); c.TaskID != unclaimed.TaskID {
			t.Errorf("cancellation %+v", c)
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

func TestMalformedFramesAreIgnored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		for _, f := range []string{
			"", "null", "[]", "{", `"x"`, `{"type":7}`, `{"type":"nonsense","data":{}}`, "\xff\xfe\x00",
			`{"type":"task_claimed"}`, `{"type":"task_claimed","data":{}}`, `{"type":"task_claimed","data":[]}`,
			`{"type":"task_claimed","data":{"task_id":"no-such-run"}}`,
			`{"type":"task_completed","data":{"task_id":"` + strings.Repeat("x", 500) + `"}}`,
			`{"type":"task_failed","data":{"task_id":"nobody","exit_code":"seven"}}`,
			`{"type":"worker_hello","data":{"capacity":-1}}`, `{"type":"worker_hello","data":{"capacity":9e9}}`,
			`{"type":"heartbeat","data":{"running":[` + strings.Repeat(`"x",`, maxRunning) + `"x"]}}`,
			`{"type":"heartbeat","data":{"running":["","` + strings.Repeat("y", 500) + `"]}}`,
			`{"type":"task_assignment","data":{"task_id":"x"}}`,
		} {
			worker.up <- []byte(f)
		}
		if c := worker.cancellation(); c.TaskID != "no-such-run" {
			t.Errorf("cancellation %+v", c)
		}
		id := w.queue("team", "linux", 1)[0]
		if a := worker.assignment(); a.TaskID != id {
			t.Errorf("assigned %s", a.TaskID)
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

func TestWorkerThatDoesNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		worker.pipe.down = nil // never ready
		began := time.Now()
		id := w.queue("team", "linux", 1)[0]
		if err := <-worker.ended; err == nil || time.Since(began) > writeWait+time.Second {
			t.Errorf("ended after %s: %v", time.Since(began), err)
		}
		synctest.Wait()
		if r := w.look(id); r.state != api.RunStateQUEUED {
			t.Errorf("run %+v", r)
		}
	})
}

// A backlog and two workers: every run is handed out once, about in order, without wasted moves.
func TestBacklogIsHandedOutOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 10_000
		w := newWorld()
		ids := w.queue("team", "linux", n)
		d := w.start(t)
		seen := make(map[string]int, n)
		var got []api.TaskAssignment
		workers := []*scriptedWorker{connect(t, d, "team", "linux"), connect(t, d, "team", "linux")}
		for _, worker := range workers {
			worker.hello(0)
		}
		for len(seen) < n {
			synctest.Wait()
			before := len(seen)
			for _, worker := range workers {
				for len(worker.down) > 0 {
					a := worker.assignment()
					seen[a.TaskID]++
					got = append(got, a)
					worker.claim(a)
				}
			}
			if len(seen) == before {
				t.Fatalf("stuck after %d runs", before)
			}
		}
		for _, id := range ids {
			if seen[id] != 1 {
				t.Fatalf("%s was handed out %d times", id, seen[id])
			}
		}
		// It never left the order by more than what is under way at once.
		for i, a := range got {
			if pos := slices.Index(ids[max(0, i-4*maxWindow):], a.TaskID); pos > 8*maxWindow {
				t.Fatalf("offer %d was of a run %d places behind", i, pos)
			}
		}
		synctest.Wait()
		if c := w.called("assign"); c > n+n/100 {
			t.Errorf("%d assignments were tried for %d runs", c, n)
		}
	})
}

func TestTeamLimitIsKeptWhileAssigning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t, func(c *Config) { c.TeamLimit = 3 })
		worker := connect(t, d, "team", "linux")
		worker.hello(0)
		for range 10 {
			w.queue("team", "linux", 1)
		}
		time.Sleep(5 * time.Second)
		if len(worker.down) != 3 {
			t.Fatalf("%d runs at once, want 3", len(worker.down))
		}
		a := worker.assignment()
		worker.claim(a)
		worker.say(api.WorkerCompleted, api.TaskReport{TaskID: a.TaskID})
		time.Sleep(2 * time.Second)
		if len(worker.down) != 3 {
			t.Errorf("%d waiting, want 3: two from before and one for the freed place", len(worker.down))
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

func TestStopPutsOffersBackAndEndsConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		id := w.queue("team", "linux", 1)[0]
		worker.assignment()
		d.stop()
		if err := <-worker.ended; !errors.Is(err, ErrStopped) {
			t.Errorf("ended by %v", err)
		}
		if r := w.look(id); r.state != api.RunStateQUEUED {
			t.Errorf("run %+v", r)
		}
		if err := d.Serve(t.Context(), worker.pipe, WorkerInfo{Host: "linux"}); !errors.Is(err, ErrStopped) {
			t.Errorf("served after the stop: %v", err)
		}
	})
}

func TestWorkerIDs(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"", "warp", "Warp-1", "a\x00b", "a\nb", "\xff", strings.Repeat("x", 129)} {
		if err := (WorkerInfo{Host: id}).Validate(); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, id := range []string{"a", "my host", "größe", "aws/eu:1"} {
		if err := (WorkerInfo{Host: id}).Validate(); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

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
			if got := w.look(id).Told; got != told {
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
