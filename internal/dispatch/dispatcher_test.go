package dispatch

import (
	"context"
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
// A store that can be read and not written, on a full disk, is not asked for the same runs without a pause.
func TestStoreThatTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.full.Store(true)
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		w.queue("team", "linux", 50)
		time.Sleep(10 * time.Second)
		if n := w.called("waiting"); n < 5 || n > 20 {
			t.Errorf("looked %d times in 10 s", n)
		}
		w.full.Store(false)
		for range 50 {
			worker.claim(worker.assignment())
		}
	})
}

func TestBacklogIsHandedOutOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		w := newWorld()
		ids := w.queue("team", "linux", n)
		d := w.start(t)
		seen := make(map[string]int, n)
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
		// It never left the order by more than what is under way at once. Workers read their offers when
		// they like: the order is that of the assignments.
		place := make(map[string]int, n)
		for i, id := range ids {
			place[id] = i
		}
		for i, id := range w.offered {
			if off := place[id] - i; max(off, -off) > 2*maxWindow {
				t.Fatalf("assignment %d was of run %d", i, place[id])
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
		d := w.start(t, func(c *Config) { c.TeamLimit = func(context.Context, string) (int, error) { return 3, nil } })
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
