package dispatch

import (
	"testing"
	"testing/synctest"

	"github.com/cadrehq/cadre/api"
)

// followUp ends the live execution of a run, as its runner does, and puts the run back in line, as a
// message does then.
func (w *world) followUp(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.runs[id]
	r.live, r.state = false, api.RunStateQUEUED
	w.wakes <- Wake{Host: r.Host}
}

// A worker of the original protocol says of which run a process ended, not of which execution. Said
// after a message opened the next execution, it must not end that one.
func TestLateEndSparesTheNextExecution(t *testing.T) {
	t.Parallel()
	for _, claimed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			d := w.start(t)
			worker := connect(t, d, "team", "linux")
			id := w.queue("team", "linux", 1)[0]
			worker.claim(worker.assignment())
			synctest.Wait()
			w.followUp(id)
			next := worker.assignment()
			if claimed {
				worker.claim(next)
			}
			worker.say(api.WorkerCompleted, api.TaskReport{TaskID: id})
			synctest.Wait()
			if r := w.look(id); !r.live || len(r.exits) > 0 || r.exec != next.ExecutionID || r.claimed != claimed {
				t.Errorf("the end of the first execution ended the second: %+v", r)
			}
			if !claimed {
				worker.claim(next)
			}
			worker.say(api.WorkerCompleted, api.TaskReport{TaskID: id})
			synctest.Wait()
			if r := w.look(id); r.live || len(r.exits) != 1 {
				t.Errorf("the end of the second execution was lost: %+v", r)
			}
		})
	}
}

// Another worker of the host that never had the run cannot end it by naming it.
func TestEndIsForTheConnectionThatClaimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		d := w.start(t)
		worker := connect(t, d, "team", "linux")
		id := w.queue("team", "linux", 1)[0]
		a := worker.assignment()
		other := connect(t, d, "team", "linux")
		for range 2 { // offered, then claimed
			other.say(api.WorkerFailed, api.TaskReport{TaskID: id})
			synctest.Wait()
			if r := w.look(id); !r.live || len(r.exits) > 0 {
				t.Fatalf("ended by a worker that does not have it: %+v", r)
			}
			worker.claim(a)
			synctest.Wait()
		}
	})
}
