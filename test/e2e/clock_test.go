package e2e

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
)

// TestClockJumps sets the server's clock while runs work, wait for a person and wait in line: all of
// them come to their end, none twice, and the times people see are not turned upside down.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var skew atomic.Int64
			w := newWorld(t, func(c *server.Config) {
				c.Lease = 3 * time.Second
				c.Now = func() time.Time { return time.Now().Add(time.Duration(skew.Load())) }
			})
			w.work()
			working := w.start(script(say("Long.", bash("for i in 1 2 3 4 5 6 7; do sleep 1; echo $i; done")), say("Done.")))
			blocked := w.start(script(say("May I?", bash("touch x")), say("Done.")), asking, staying)
			request := w.asked(blocked)
			waiting := w.start(script(say("Done.")), func(r *api.RunAgentRequest) { r.Config.WorkerHost = "later" })
			w.reach(working, api.RunStateINPROGRESS)

			skew.Store(int64(by))
			w.answer(blocked, request.Id, api.AnswerRequest{Decision: api.AnswerDecisionAllow})
			after := w.start(script(say("Started after the jump.")))
			w.finish(after)
			w.reach(blocked, api.RunStateSUCCEEDED)
			w.work(named("later"))
			w.finish(waiting)
			w.finish(working)
			for _, id := range []string{working, blocked, after, waiting} {
				run := w.get(id)
				if run.Execution != 1 {
					t.Errorf("it took %d executions\n%s", run.Execution, w.dump(id))
				}
				ends := 0
				for _, s := range of[api.StateChange](w, id) {
					if s.To.Ended() {
						ends++
					}
				}
				if ends != 1 {
					t.Errorf("run %s ended %d times", id, ends)
				}
				for i, e := range w.entries(id) {
					if e.Seq != int64(i)+1 {
						t.Errorf("entry %d has seq %d", i+1, e.Seq)
					}
				}
			}
			list, err := w.ListRuns(w.ctx, api.ListRunsParams{})
			if err != nil || len(list.Runs) != 4 {
				t.Errorf("listed %d runs: %v", len(list.Runs), err)
			}
			if took := w.get(working).RunTime; strings.HasPrefix(took, "-") {
				t.Errorf("run time %q", took)
			}
		})
	}
}
