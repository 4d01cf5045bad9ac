package storetest

import (
	"errors"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

// plan is a schedule with every member set, due at a time.
func plan(owner identity.Owner, due time.Time) schedule.Schedule {
	return schedule.Schedule{
		ID: newID(), Owner: owner, TeamUID: red.UID, Name: "nightly", Cron: "0 3 * * *", Zone: "Europe/Berlin", Prompt: "p",
		SavedPrompt: "s", Arguments: map[string]string{"a": "b"},
		Mode: api.RunModePlan, Config: api.AmbientAgentConfig{ModelId: "m"}, Metadata: map[string]string{"k": "v"}, AgentUID: "a",
		Enabled: true, Missed: api.ScheduleMissedRunsAll, CatchUp: 7, Overlap: api.ScheduleOverlapSkip, Jitter: 90 * time.Second,
		Starts: noon.Add(-time.Hour), Ends: noon.Add(1000 * time.Hour), Creator: api.UserProfile{Uid: "c"}, CreatorKind: identity.KindUser,
		Editor: api.UserProfile{Uid: "e"}, CreatedAt: noon, UpdatedAt: noon.Add(time.Second), Rev: 1,
		Clock: schedule.Clock{Tick: due, Due: due, LastError: "none yet"},
	}
}

func testSchedules(b *bundle) {
	first, mine, foreign := plan(red, noon), plan(ann, time.Time{}), plan(blue, noon)
	for _, c := range []schedule.Schedule{first, mine, foreign} {
		b.ok(b.schedules.Insert(b.ctx, c, 1))
	}
	b.code(b.schedules.Insert(b.ctx, plan(red, noon), 1), api.PlatformErrorCodeOperationNotSupported)
	got, err := b.schedules.Get(b.ctx, first.ID)
	b.ok(err)
	same(b, "schedule", got, first)
	list, err := b.schedules.List(b.ctx, []string{red.UID}, ann.UID)
	b.ok(err)
	ids := map[string]bool{}
	for _, c := range list {
		ids[c.ID] = true
	}
	same(b, "list", ids, map[string]bool{first.ID: true, mine.ID: true})
	none, err := b.schedules.List(b.ctx, nil, "")
	b.ok(err)
	same(b, "nobody's list", len(none), 0)

	changed, err := b.schedules.Change(b.ctx, first.ID, func(c *schedule.Schedule) error { c.Name, c.Enabled = "renamed", false; return nil })
	b.ok(err)
	first.Name, first.Enabled, first.Rev = "renamed", false, 2
	same(b, "changed", changed, first)
	refused := errors.New("refused")
	if _, err := b.schedules.Change(b.ctx, first.ID, func(*schedule.Schedule) error { return refused }); !errors.Is(err, refused) {
		b.Errorf("refused change: %v", err)
	}
	b.ok(b.schedules.Delete(b.ctx, first.ID))
	b.code(b.schedules.Delete(b.ctx, first.ID), api.PlatformErrorCodeResourceNotFound)
	_, err = b.schedules.Get(b.ctx, first.ID)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.schedules.Change(b.ctx, first.ID, func(*schedule.Schedule) error { return nil })
	b.code(err, api.PlatformErrorCodeResourceNotFound)
}

func testScheduleClaims(b *bundle) {
	early, late, later := plan(red, noon), plan(red, noon.Add(time.Minute)), plan(red, noon.Add(time.Hour))
	for _, c := range []schedule.Schedule{late, later, early} {
		b.ok(b.schedules.Insert(b.ctx, c, 10))
	}
	next := func(now, want time.Time) {
		b.Helper()
		got, err := b.schedules.NextDue(b.ctx, now)
		b.ok(err)
		same(b, "next due", got, want)
	}
	next(noon, early.Due)
	now, until := noon.Add(2*time.Minute), noon.Add(3*time.Minute)
	got, err := b.schedules.Claim(b.ctx, now, until, 1)
	b.ok(err)
	same(b, "claimed", got, []schedule.Schedule{early})
	next(now, late.Due)
	got, err = b.schedules.Claim(b.ctx, now, until, 10)
	b.ok(err)
	same(b, "claimed next", got, []schedule.Schedule{late})
	got, err = b.schedules.Claim(b.ctx, now, until, 10)
	b.ok(err)
	same(b, "nothing left", len(got), 0)
	next(now, later.Due)
	got, err = b.schedules.Claim(b.ctx, until, until.Add(time.Minute), 10)
	b.ok(err)
	same(b, "claims end", got, []schedule.Schedule{early, late})

	// Settle moves a schedule that stands where it did, once.
	to := schedule.Clock{Tick: noon.Add(2 * time.Hour), Due: noon.Add(2 * time.Hour), LastError: "why"}
	o := schedule.Outcome{ScheduleID: early.ID, First: noon.Add(-time.Hour), At: noon, Outcome: api.ScheduleTickOutcomeFailed, Reason: "why", RecordedAt: now}
	b.ok(b.schedules.Settle(b.ctx, early, to, o))
	if err := b.schedules.Settle(b.ctx, early, to, o); !errors.Is(err, run.ErrTickTaken) {
		b.Errorf("settled twice: %v", err)
	}
	_, err = b.schedules.Change(b.ctx, late.ID, func(*schedule.Schedule) error { return nil })
	b.ok(err)
	if err := b.schedules.Settle(b.ctx, late, to); !errors.Is(err, run.ErrTickTaken) {
		b.Errorf("settled on an old revision: %v", err)
	}
	moved, err := b.schedules.Get(b.ctx, early.ID)
	b.ok(err)
	same(b, "clock", moved.Clock, to)
	list, more, err := b.schedules.Outcomes(b.ctx, early.ID, "", 5)
	b.ok(err)
	same(b, "outcomes", list, []schedule.Outcome{o})
	same(b, "no more", more, "")
}

// testScheduleTicks: of many that store a run for one tick one does, whole, and the others nothing.
func testScheduleTicks(b *bundle) {
	c := plan(red, noon)
	b.ok(b.schedules.Insert(b.ctx, c, 10))
	next := noon.Add(24 * time.Hour)
	var mu sync.Mutex
	var stored []string
	each(clients, func(int) {
		n := plainRun()
		n.Run.ScheduleID, n.Run.Origin.Schedule.ScheduleId = c.ID, c.ID
		n.Tick = &run.Tick{ScheduleID: c.ID, Rev: 1, From: noon, First: noon, At: noon, Next: next, Due: next.Add(time.Second)}
		err := b.runs.Insert(b.ctx, n)
		_, got := b.runs.Get(b.ctx, n.Run.ID)
		switch {
		case err == nil && got == nil:
			mu.Lock()
			stored = append(stored, n.Run.ID)
			mu.Unlock()
		case !errors.Is(err, run.ErrTickTaken) || api.CodeOf(got) != api.PlatformErrorCodeResourceNotFound:
			b.Errorf("refused with %v, and there: %v", err, got)
		}
	})
	same(b, "runs of the tick", len(stored), 1)
	got, err := b.schedules.Get(b.ctx, c.ID)
	b.ok(err)
	same(b, "last run", []any{got.LastRun, got.Tick, got.Due, got.LastError}, []any{stored[0], next, next.Add(time.Second), ""})
	r, err := b.runs.Get(b.ctx, stored[0])
	b.ok(err)
	same(b, "origin", r.Origin.Schedule.ScheduleId, c.ID)

	// Held ticks wait for the runs of their own schedule only.
	got.Held = true
	b.ok(b.schedules.Settle(b.ctx, got, schedule.Clock{Tick: got.Tick, Held: true}))
	open, err := b.schedules.OpenRuns(b.ctx, c.ID, 5)
	b.ok(err)
	same(b, "open runs", open, stored)
	release := func(want int, due bool) {
		b.Helper()
		waiting, err := b.schedules.Release(b.ctx, noon.Add(time.Hour))
		b.ok(err)
		same(b, "waiting", waiting, want)
		got, err := b.schedules.Get(b.ctx, c.ID)
		b.ok(err)
		same(b, "released", !got.Due.IsZero(), due)
	}
	release(1, false)
	b.change(stored[0], func(r *run.Run) { r.State = api.RunStateSUCCEEDED })
	release(0, true)

	// By hand, beside the ticks; pages go from the latest to the oldest.
	for i := range 3 {
		n := plainRun()
		at := noon.Add(time.Duration(i) * time.Minute)
		n.Tick = &run.Tick{ScheduleID: c.ID, First: at, At: at, Manual: true}
		b.ok(b.runs.Insert(b.ctx, n))
	}
	var all []time.Time
	for cursor := ""; ; {
		page, more, err := b.schedules.Outcomes(b.ctx, c.ID, cursor, 2)
		b.ok(err)
		for _, o := range page {
			all = append(all, o.At)
		}
		if cursor = more; cursor == "" {
			break
		}
	}
	same(b, "pages", all, []time.Time{noon.Add(2 * time.Minute), noon.Add(time.Minute), noon, noon})
	_, _, err = b.schedules.Outcomes(b.ctx, c.ID, "x", 2)
	b.code(err, api.PlatformErrorCodeInvalidRequest)
	n, err := b.schedules.Forget(b.ctx, time.Now().Add(time.Hour), 3)
	b.ok(err)
	same(b, "forgotten", n, 3)
	lost := plainRun()
	lost.Tick = &run.Tick{ScheduleID: newID(), At: noon, First: noon, Manual: true}
	if err := b.runs.Insert(b.ctx, lost); !errors.Is(err, run.ErrTickTaken) {
		b.Errorf("a run of no schedule: %v", err)
	}
}
