package schedule_test

import (
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// TestATickStartsARun is the whole way from a stored schedule to its run.
func TestATickStartsARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	c := w.create(api.CreateScheduledAgentRequest{
		Name: "nightly", CronSchedule: "0 3 * * *", TimeZone: "Europe/Berlin", Prompt: "Tidy up.",
		Metadata: map[string]string{"k": "v"},
	})
	if want := w.clock.at("2026-01-15T02:00:00Z"); !c.Due.Equal(want) {
		t.Fatalf("due %s, want %s", c.Due, want)
	}
	w.serve(1)
	w.clock.set("2026-01-15T02:00:00Z")
	ticks := w.ticks(c.ID, 1)
	r := w.run(ticks[0].RunID)
	if r.Source != api.RunSourceTypeSCHEDULEDAGENT || r.ScheduleID != c.ID || r.Prompt != "Tidy up." || r.Metadata["k"] != "v" || r.Creator.Uid != w.user.UID {
		t.Errorf("run %+v", r)
	}
	if s := r.Origin.Schedule; s.ScheduleName != "nightly" || s.CronSchedule != "0 3 * * *" || r.Origin.URL != "http://cadre.test/schedules/"+c.ID {
		t.Errorf("origin %+v", r.Origin)
	}
	c = w.get(c.ID)
	if want := w.clock.at("2026-01-16T02:00:00Z"); !c.Due.Equal(want) || c.LastRun != r.ID || c.LastRan.IsZero() {
		t.Errorf("moved on to %+v", c.Clock)
	}
}

// TestOneRunPerTick: with several schedulers on one store, each tick has one run.
func TestOneRunPerTick(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, dsn string) {
		w := newWorld(t, &options{dsn: dsn})
		const schedules = 60
		ids := map[string]bool{}
		for range schedules {
			ids[w.create(api.CreateScheduledAgentRequest{Name: "m", CronSchedule: "* * * * *", Prompt: "p"}).ID] = true
		}
		w.serve(4)
		for _, at := range []string{"2026-01-15T01:01:00Z", "2026-01-15T01:02:00Z", "2026-01-15T01:03:00.5Z"} {
			w.clock.set(at)
			w.until(func() bool { return w.due() == 0 })
		}
		per := map[string]map[time.Time]int{}
		for _, r := range w.runs() {
			if per[r.ScheduleID] == nil {
				per[r.ScheduleID] = map[time.Time]int{}
			}
			per[r.ScheduleID][r.Origin.At]++
		}
		if len(per) != schedules {
			t.Errorf("%d schedules have runs", len(per))
		}
		for id, ticks := range per {
			if !ids[id] || len(ticks) != 3 {
				t.Errorf("schedule %s has runs for %d ticks", id, len(ticks))
			}
			for at, n := range ticks {
				if n != 1 {
					t.Errorf("%d runs for tick %s of %s", n, at, id)
				}
			}
			if got := w.outcomes(id); len(got) != 3 {
				t.Errorf("%d outcomes", len(got))
			}
		}
	})
}
