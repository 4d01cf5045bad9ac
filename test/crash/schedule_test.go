package crash

import (
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// begin starts a story: by a request or, for the points that only schedules pass, by a tick. For those that
// only a change of the master key passes, it comes first.
func (f *fleet) begin(p fault.Point, name string) string {
	f.t.Helper()
	if p == fault.SecretBeforeRewrap || p == fault.SecretAfterRewrap {
		f.rotate()
	}
	if p != fault.ScheduleBeforeStart && p != fault.ScheduleAfterStart {
		return f.submit(name, story(f.ref, name))
	}
	id := f.schedule(name)
	var ticks api.ListScheduleTicksResponse
	f.until("the tick's outcome", func() bool {
		return f.call("GET", "/agent/schedules/"+id+"/history", nil, &ticks) == nil && len(ticks.Ticks) > 0
	})
	return ticks.Ticks[0].RunId
}

// schedule makes a schedule of one tick, a moment from now.
func (f *fleet) schedule(name string) string {
	f.t.Helper()
	at := time.Now().Add(300 * time.Millisecond).UTC()
	var c api.ScheduledAgentItem
	f.insist("accept a schedule", func() error {
		return f.call("POST", "/agent/schedules", map[string]any{
			"name": name, "cron_schedule": "@every 1h", "starts_at": at, "ends_at": at.Add(time.Minute), "prompt": story(f.ref, name),
			"agent_config": map[string]any{"name": name, "worker_host": host, "model_id": "scripted", "idle_timeout_minutes": 0},
		}, &c)
	})
	return c.Id
}

// TestTickKilled: a server dies between the claim of a tick and the commit of its run, or just after
// it. One run comes of it, on one server and on two.
func TestTickKilled(t *testing.T) {
	for _, p := range []fault.Point{fault.ScheduleBeforeStart, fault.ScheduleAfterStart} {
		for name, l := range map[string]func() layout{
			"one server": func() layout { return layout{} },
			"replicas":   func() layout { return layout{database: storetest.Postgres(t)} },
		} {
			t.Run(string(p)+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, l(), newReferee(t, p, 1))
				id := f.begin(p, "story")
				f.until("somebody to die at "+string(p), f.ref.struck)
				f.ready()
				check(t, f, id, "story")
				var list api.ListRunsResponse
				f.insist("list runs", func() error { return f.call("GET", "/agent/runs", nil, &list) })
				if len(list.Runs) != 1 || list.Runs[0].Source != api.RunSourceTypeSCHEDULEDAGENT {
					t.Errorf("%d runs of one tick", len(list.Runs))
				}
			})
		}
	}
}
