package schedule_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

func number64(n int) *int { return &n }

// end ends a run.
func (w *world) end(id string) {
	w.Helper()
	_, err := w.service.Cancel(w.ctx, w.user, id)
	w.ok(err)
}

// TestMissedTicks: the rule decides once no server ran for hours. A schedule is due hourly from 02:00
// on; the servers start at 05:30.
func TestMissedTicks(t *testing.T) {
	t.Parallel()
	type outcome struct{ first, at, what string }
	for name, c := range map[string]struct {
		missed  api.ScheduleMissedRuns
		catchUp int
		want    []outcome
	}{
		"skip": {missed: "skip", want: []outcome{{"02:00", "05:00", "skipped"}}},
		"once": {missed: "once", want: []outcome{{"02:00", "05:00", "started"}}},
		"all":  {missed: "all", want: []outcome{{"02:00", "02:00", "started"}, {"03:00", "03:00", "started"}, {"04:00", "04:00", "started"}, {"05:00", "05:00", "started"}}},
		"all with a bound": {missed: "all", catchUp: 2, want: []outcome{{"02:00", "03:00", "skipped"},
			{"04:00", "04:00", "started"}, {"05:00", "05:00", "started"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			req := api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 2-23 * * *", Prompt: "p", MissedRuns: c.missed}
			if c.catchUp > 0 {
				req.MaxCatchUp = &c.catchUp
			}
			id := w.create(req).ID
			w.clock.set("2026-01-15T05:30:00Z")
			w.serve(2)
			w.until(func() bool { return w.due() == 0 })
			for i, o := range w.ticks(id, len(c.want)) {
				got := outcome{o.First.Format("15:04"), o.At.Format("15:04"), string(o.Outcome)}
				if got != c.want[i] || (o.RunID == "") != (o.Outcome == "skipped") || (o.Reason == "") != (o.RunID != "") {
					t.Errorf("outcome %d: %+v, want %v", i, o, c.want[i])
				}
			}
			// What comes after is in time again.
			w.clock.set("2026-01-15T06:00:59Z")
			w.until(func() bool { return len(w.outcomes(id)) == len(c.want)+1 })
			if last := w.outcomes(id)[len(c.want)]; last.Outcome != "started" || last.At.Format("15:04") != "06:00" {
				t.Errorf("in time: %+v", last)
			}
		})
	}
}

// TestOverlap: a tick comes while the run of the one before has not ended.
func TestOverlap(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T, rule api.ScheduleOverlap, missed api.ScheduleMissedRuns) (*world, string, string) {
		w := newWorld(t, nil)
		id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 * * * *", Prompt: "p", Overlap: rule, MissedRuns: missed}).ID
		w.serve(2)
		w.clock.set("2026-01-15T02:00:00Z")
		first := w.ticks(id, 1)[0].RunID
		w.clock.set("2026-01-15T03:00:00Z")
		return w, id, first
	}
	t.Run("allow", func(t *testing.T) {
		t.Parallel()
		w, id, first := begin(t, "allow", "once")
		if second := w.ticks(id, 2)[1]; second.RunID == "" || w.run(first).State.Ended() {
			t.Errorf("%+v", second)
		}
	})
	t.Run("skip", func(t *testing.T) {
		t.Parallel()
		w, id, first := begin(t, "skip", "once")
		if o := w.ticks(id, 2)[1]; o.Outcome != "skipped" || !strings.Contains(o.Reason, first) {
			t.Errorf("%+v", o)
		}
		w.end(first)
		w.clock.set("2026-01-15T04:00:00Z")
		if o := w.ticks(id, 3)[2]; o.Outcome != "started" {
			t.Errorf("%+v", o)
		}
	})
	t.Run("cancel previous", func(t *testing.T) {
		t.Parallel()
		w, id, first := begin(t, "cancel_previous", "once")
		if o := w.ticks(id, 2)[1]; o.Outcome != "started" || w.run(first).State != api.RunStateCANCELLED {
			t.Errorf("%+v, the first is %s", o, w.run(first).State)
		}
	})
	for missed, want := range map[api.ScheduleMissedRuns]string{"skip": "started skipped started", "once": "started started", "all": "started started"} {
		t.Run("queue after, "+string(missed), func(t *testing.T) {
			t.Parallel()
			w, id, first := begin(t, "queue_after", missed)
			w.until(func() bool { return w.get(id).Held })
			if c := w.get(id); !c.Due.IsZero() || c.Wire().WaitingTick.Hour() != 3 {
				t.Errorf("waits as %+v", c.Clock)
			}
			w.clock.set("2026-01-15T05:30:00Z") // the ticks of 4 and 5 fall due behind it
			if n := len(w.runs()); n != 1 {
				t.Errorf("%d runs while the first works", n)
			}
			w.end(first)
			var got []string
			w.until(func() bool {
				got = nil
				for _, o := range w.outcomes(id) {
					got = append(got, string(o.Outcome))
				}
				return len(w.runs()) == 2 && (missed == "once" || w.get(id).Held || len(got) > 2 || missed == "all")
			})
			if missed == "skip" {
				// 03:00 waited and runs; 04:00 and 05:00 were late by then.
				w.until(func() bool { return len(w.outcomes(id)) == 3 })
				if o := w.outcomes(id)[2]; o.Outcome != "skipped" || o.First.Hour() != 4 || o.At.Hour() != 5 {
					t.Errorf("%+v, want %s", o, want)
				}
			}
			if o := w.outcomes(id)[1]; o.Outcome != "started" || o.First.Hour() != 3 || missed == "once" && o.At.Hour() != 5 || missed != "once" && o.At.Hour() != 3 {
				t.Errorf("%+v", o)
			}
		})
	}
}

// TestJitter is in bounds, the same every time, and spreads.
func TestJitter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	tick, seen := w.clock.at("2026-01-15T02:00:00Z"), map[time.Duration]bool{}
	for range 20 {
		c := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 2 * * *", Prompt: "p", JitterSeconds: number64(600)})
		late := c.Due.Sub(tick)
		if late < 0 || late >= 10*time.Minute || !c.Tick.Equal(tick) {
			t.Errorf("%s late", late)
		}
		if again := w.get(c.ID); !again.Due.Equal(c.Due) {
			t.Errorf("due %s, then %s", c.Due, again.Due)
		}
		seen[late] = true
	}
	if len(seen) < 15 {
		t.Errorf("only %d delays of 20", len(seen))
	}
}

// TestBounds: ticks are from the start on and before the end.
func TestBounds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	starts, ends := w.clock.at("2026-01-15T02:00:00Z"), w.clock.at("2026-01-15T02:20:00Z")
	id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "@every 10m", Prompt: "p", StartsAt: starts, EndsAt: ends}).ID
	w.serve(1)
	w.clock.set("2026-01-15T02:00:00Z")
	w.ticks(id, 1)
	w.clock.set("2026-01-15T02:10:00Z")
	w.ticks(id, 2)
	w.until(func() bool { return w.get(id).Due.IsZero() })
	w.clock.set("2026-01-15T03:00:00Z")
	if o := w.ticks(id, 2); !o[0].At.Equal(starts) || !o[1].At.Equal(starts.Add(10*time.Minute)) {
		t.Errorf("%+v", o)
	}
}

// TestPauseAndResume: ticks while paused are not made up for, and a clock set back runs nothing twice.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 * * * *", Prompt: "p", MissedRuns: "all"}).ID
	w.serve(2)
	_, err := w.SetEnabled(w.ctx, w.user, id, false)
	w.ok(err)
	w.clock.set("2026-01-15T04:30:00Z")
	manual, _, err := w.RunNow(w.ctx, w.user, id)
	w.ok(err)
	if o := w.ticks(id, 1)[0]; !o.Manual || o.RunID != manual.ID {
		t.Errorf("by hand: %+v", o)
	}
	c, err := w.SetEnabled(w.ctx, w.user, id, true)
	w.ok(err)
	if c.Due.Hour() != 5 {
		t.Errorf("goes on at %s", c.Due)
	}
	w.clock.set("2026-01-15T05:00:00Z")
	w.ticks(id, 2)
	w.clock.set("2026-01-15T04:59:00Z")
	w.clock.set("2026-01-15T05:00:30Z")
	w.ok(w.Delete(w.ctx, w.user, id))
	w.clock.set("2026-01-15T07:00:00Z")
	if n := len(w.runs()); n != 2 {
		t.Errorf("%d runs", n)
	}
}

// TestSpawnErrors: what a person must mend fails the tick and says so; the next tick is tried anew.
func TestSpawnErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	environments := store.NewEnvironments(w.db)
	e := catalog.Environment{UID: "env", Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: w.user.TeamUID}, Config: api.CloudEnvironmentConfig{Name: "e"}}
	w.ok(environments.Insert(w.ctx, e, 9))
	id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 * * * *", Prompt: "p", AgentConfig: api.AmbientAgentConfig{EnvironmentId: "env"}}).ID
	w.ok(environments.Delete(w.ctx, "env"))
	w.serve(1)
	w.clock.set("2026-01-15T02:00:00Z")
	o := w.ticks(id, 1)[0]
	if c := w.get(id); o.Outcome != "failed" || !strings.Contains(o.Reason, `environment "env"`) || c.LastError != o.Reason || c.Due.Hour() != 3 {
		t.Errorf("%+v, %+v", o, c.Clock)
	}
	e.UID = "other"
	w.ok(environments.Insert(w.ctx, e, 9))
	_, err := w.Update(w.ctx, w.user, id, api.UpdateScheduledAgentRequest{Name: "n", CronSchedule: "0 * * * *", Enabled: true, Prompt: "p",
		AgentConfig: api.AmbientAgentConfig{EnvironmentId: "other"}})
	w.ok(err)
	w.clock.set("2026-01-15T03:00:00Z")
	w.ticks(id, 2)
	if c := w.get(id); c.LastError != "" || c.LastRun == "" {
		t.Errorf("mended: %+v", c.Clock)
	}
}

// brokenRuns fails to start runs for reasons of the server's.
type brokenRuns struct {
	schedule.Runs
	fail  atomic.Bool
	tries atomic.Int32
}

func (b *brokenRuns) StartScheduled(ctx context.Context, a identity.Actor, req api.RunAgentRequest, o run.Origin, t run.Tick) (run.Run, bool, error) {
	b.tries.Add(1)
	if b.fail.Load() {
		return run.Run{}, false, errors.New("disk of secret-host is on fire")
	}
	return b.Runs.StartScheduled(ctx, a, req, o, t)
}

// TestOurFailuresAreRetried: the tick waits longer each time, tells no secret, and runs in the end.
func TestOurFailuresAreRetried(t *testing.T) {
	t.Parallel()
	b := &brokenRuns{}
	b.fail.Store(true)
	w := newWorld(t, &options{runs: func(s *run.Service) schedule.Runs { b.Runs = s; return b }})
	id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 * * * *", Prompt: "p", MissedRuns: "skip"}).ID
	w.serve(3)
	for i, at := range []string{"2026-01-15T02:00:00Z", "2026-01-15T02:00:02Z", "2026-01-15T02:00:06Z"} {
		w.clock.set(at)
		w.until(func() bool { return w.get(id).Attempts == i+1 })
		c := w.get(id)
		if want := w.clock.now().Add(2 << i * time.Second); !c.Due.Equal(want) || c.Tick.Hour() != 2 || c.LastError == "" || strings.Contains(c.LastError, "secret") {
			t.Errorf("after try %d: %+v, want due %s", i+1, c.Clock, want)
		}
	}
	if n := b.tries.Load(); n != 3 {
		t.Errorf("tried %d times", n)
	}
	b.fail.Store(false)
	w.clock.set("2026-01-15T02:20:00Z") // late, but it was tried: it is not missed
	if o := w.ticks(id, 1)[0]; o.Outcome != "started" || o.At.Hour() != 2 {
		t.Errorf("%+v", o)
	}
	// When the next tick is due, an older one is over.
	b.fail.Store(true)
	w.clock.set("2026-01-15T03:00:00Z")
	w.until(func() bool { return w.get(id).Attempts == 1 })
	w.clock.set("2026-01-15T03:59:59Z")
	if o := w.ticks(id, 2)[1]; o.Outcome != "failed" || o.At.Hour() != 3 {
		t.Errorf("%+v", o)
	}
}

// TestTheCreatorIsGone: nobody is there to make runs as.
func TestTheCreatorIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "0 * * * *", Prompt: "p"}).ID
	w.ok(store.NewIdentity(w.db).ChangeUser(w.ctx, w.user.UID, func(u *identity.User) error { u.DisabledAt = w.clock.now(); return nil }))
	w.serve(1)
	w.clock.set("2026-01-15T02:00:00Z")
	if o := w.ticks(id, 1)[0]; o.Outcome != "failed" || !strings.Contains(o.Reason, "creator was disabled") {
		t.Errorf("%+v", o)
	}
}

// TestWhoMayChange: others of the team see a schedule, and cannot make its creator say their words.
func TestWhoMayChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	member := identity.Actor{Kind: identity.KindUser, UID: "u-2", TeamUID: w.user.TeamUID, Role: identity.RoleMember}
	stranger := identity.Actor{Kind: identity.KindUser, UID: "u-3", TeamUID: "t-other", Role: identity.RoleAdmin}
	id := w.create(api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "@daily", Prompt: "p"}).ID
	update := api.UpdateScheduledAgentRequest{Name: "n", CronSchedule: "@daily", Prompt: "mine", Enabled: true}
	for who, c := range map[string]struct {
		actor identity.Actor
		want  api.PlatformErrorCode
	}{"member": {member, api.PlatformErrorCodeNotAuthorized}, "stranger": {stranger, api.PlatformErrorCodeResourceNotFound}} {
		_, updated := w.Update(w.ctx, c.actor, id, update)
		_, paused := w.SetEnabled(w.ctx, c.actor, id, false)
		for _, err := range []error{updated, paused, w.Delete(w.ctx, c.actor, id)} {
			if err == nil || api.CodeOf(err) != c.want {
				t.Errorf("%s: %v", who, err)
			}
		}
	}
	if _, _, err := w.RunNow(w.ctx, stranger, id); api.CodeOf(err) != api.PlatformErrorCodeResourceNotFound {
		t.Errorf("run by a stranger: %v", err)
	}
	r, _, err := w.RunNow(w.ctx, member, id)
	w.ok(err)
	if r.Creator.Uid != w.user.UID {
		t.Errorf("run by a member is %+v's", r.Creator)
	}
}
