package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/dispatch"
	"github.com/cadrehq/cadre/internal/run"
)

// enqueue inserts a queued run and returns its id; minute orders the queue.
func (b *bundle) enqueue(team, host string, minute int) string {
	b.Helper()
	return b.insert(func(n *run.New) {
		n.Run.TeamUID, n.Run.Host = team, host
		n.Run.QueuedAt = noon.Add(time.Duration(minute) * time.Minute)
	}).ID
}

func runIDs(list []dispatch.Waiting) (ids []string) {
	for _, w := range list {
		ids = append(ids, w.RunID)
	}
	return ids
}

func testWaiting(b *bundle) {
	// Red has a backlog from before; blue and green come late, and take their turn all the same.
	var backlog []string
	for i := range 30 {
		backlog = append(backlog, b.enqueue("red", "h1", i))
	}
	blue1, blue2 := b.enqueue("blue", "h1", 100), b.enqueue("blue", "h2", 101)
	green := b.enqueue("green", "h1", 99)
	b.enqueue("grey", "h1", 0)  // not asked for
	b.enqueue("blue", "h3", 50) // nor this host
	running := b.enqueue("blue", "h1", 1)
	b.change(running, func(r *run.Run) { r.State = api.RunStateINPROGRESS })

	places := []dispatch.Place{{Host: "h1", TeamUID: "red"}, {Host: "h1", TeamUID: "blue"},
		{Host: "h2", TeamUID: "blue"}, {Host: "h1", TeamUID: "green"}, {Host: "h1", TeamUID: "nobody"}}
	for _, limit := range []int{1, 3, 7, 20, 100} {
		got, err := b.dispatch.Waiting(b.ctx, places, nil, limit)
		b.ok(err)
		want := append([]string{backlog[0], green, blue1, backlog[1], blue2}, backlog[2:]...)
		same(b, fmt.Sprintf("first %d", limit), runIDs(got), want[:min(limit, len(want))])
	}
	got, err := b.dispatch.Waiting(b.ctx, nil, nil, 10)
	b.ok(err)
	same(b, "nowhere", len(got), 0)

	told := api.RunWaiting{Code: api.WaitingCodeNoWorker, Message: "m", Since: noon}
	b.change(green, func(r *run.Run) { r.Waiting = told })
	got, err = b.dispatch.Waiting(b.ctx, places[3:4], nil, 10)
	b.ok(err)
	same(b, "all of it", got, []dispatch.Waiting{{RunID: green, TeamUID: "green", Host: "h1",
		QueuedAt: noon.Add(99 * time.Minute), Told: told}})
}

func testWaitingLimits(b *bundle) {
	places := []dispatch.Place{{Host: "h1", TeamUID: "red"}, {Host: "h1", TeamUID: "blue"}}
	var reds []string
	for i := range 5 {
		reds = append(reds, b.enqueue("red", "h1", i))
	}
	blue := b.enqueue("blue", "h1", 9)
	for range 2 {
		b.insert(func(n *run.New) { n.Run.TeamUID, n.Run.State, n.Run.Live = "red", api.RunStateINPROGRESS, true })
	}
	for limit, want := range map[int][]string{0: append([]string{reds[0], blue}, reds[1:]...), 2: {blue}, 3: {reds[0], blue}, 4: {reds[0], blue, reds[1]}} {
		got, err := b.dispatch.Waiting(b.ctx, places, map[string]int{"red": limit, "blue": 7}, 10)
		b.ok(err)
		same(b, fmt.Sprintf("limit %d of one team", limit), runIDs(got), want)
	}
}

func testQueued(b *bundle) {
	var ids []string
	for i := range 7 {
		ids = append(ids, b.enqueue([]string{"red", "blue"}[i%2], "h", i/2))
	}
	b.enqueue("red", "h", 60) // too late
	var got []dispatch.Waiting
	var after dispatch.Waiting
	for {
		page, err := b.dispatch.Queued(b.ctx, noon.Add(time.Hour), after, 3)
		b.ok(err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1]
	}
	slices.SortStableFunc(got, func(x, y dispatch.Waiting) int { return x.QueuedAt.Compare(y.QueuedAt) })
	same(b, "queue", runIDs(got), ids)
}

func leaseIDs(list []dispatch.Lease) (ids []string) {
	for _, l := range list {
		ids = append(ids, l.ExecutionID)
	}
	return ids
}

func testLeases(b *bundle) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	var xs []run.Execution
	for i := range 4 {
		xs = append(xs, b.assign(b.insert(nil).ID, "conn-1", at(10-i)))
	}
	b.reach(xs[1], run.ExecutionClaimed)
	b.reach(xs[2], run.ExecutionEnded)
	local := b.assign(b.insert(nil).ID, "", at(20))

	expired, err := b.dispatch.Expired(b.ctx, at(10), 10)
	b.ok(err)
	same(b, "expired", expired, []dispatch.Lease{
		{RunID: xs[3].RunID, ExecutionID: xs[3].ID, Host: "local", TeamUID: red.UID, Worker: "conn-1", LeaseUntil: at(7)},
		{RunID: xs[1].RunID, ExecutionID: xs[1].ID, Host: "local", TeamUID: red.UID, Worker: "conn-1", Claimed: true, LeaseUntil: at(9)},
	})
	unclaimed, err := b.dispatch.Unclaimed(b.ctx, 10)
	b.ok(err)
	same(b, "unclaimed", len(unclaimed), 2)
	live, err := b.dispatch.Live(b.ctx, []string{xs[0].ID, xs[2].ID, local.ID, "unknown"})
	b.ok(err)
	want := []string{xs[0].ID, local.ID}
	slices.Sort(want)
	same(b, "live", leaseIDs(live), want)

	ended, err := b.dispatch.Renew(b.ctx, []string{xs[3].ID, xs[2].ID, "unknown", xs[1].ID}, at(8))
	b.ok(err)
	slices.Sort(ended)
	gone := []string{xs[2].ID, "unknown"}
	slices.Sort(gone)
	same(b, "no longer live", ended, gone)
	many := []string{xs[3].ID}
	for n := range 300 { // more than one statement names
		many = append(many, fmt.Sprint("unknown-", n))
	}
	ended, err = b.dispatch.Renew(b.ctx, many, at(8))
	b.ok(err)
	same(b, "many no longer live", len(ended), 300)
	expired, err = b.dispatch.Expired(b.ctx, at(10), 10)
	b.ok(err)
	same(b, "leases are extended, never shortened",
		[]time.Time{expired[0].LeaseUntil, expired[1].LeaseUntil}, []time.Time{at(8), at(9)})

	b.ok(b.dispatch.Shorten(b.ctx, at(8), at(3)))
	expired, err = b.dispatch.Expired(b.ctx, at(10), 10)
	b.ok(err)
	until := map[string]time.Time{}
	for _, l := range expired {
		until[l.ExecutionID] = l.LeaseUntil
	}
	same(b, "leases beyond a time are shortened, others are not", until,
		map[string]time.Time{xs[3].ID: at(8), xs[1].ID: at(3), xs[0].ID: at(3), local.ID: at(3)})

	latest, err := b.dispatch.Latest(b.ctx, xs[1].RunID)
	b.ok(err)
	same(b, "latest", latest.ExecutionID, xs[1].ID)
	_, err = b.dispatch.Latest(b.ctx, xs[2].RunID)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
}

// reach moves an execution to a state.
func (b *bundle) reach(x run.Execution, state run.ExecutionState) {
	b.Helper()
	_, err := b.runs.Change(b.ctx, x.RunID, func(c run.Current) (run.Change, error) {
		x := *c.Execution
		x.State = state
		if state == run.ExecutionEnded {
			x.EndedAt = noon
			c.Run.Live = false
		}
		return run.Change{Run: &c.Run, Execution: &x, Events: []run.Event{{Type: run.EventExecution, At: noon}}}, nil
	})
	b.ok(err)
}

func testOverdue(b *bundle) {
	start := func(active time.Time, state api.RunState) run.Execution {
		x := b.assign(b.insert(nil).ID, "conn-1", noon)
		b.change(x.RunID, func(r *run.Run) { r.State, r.ActiveAt = state, active })
		return x
	}
	second := start(noon.Add(-time.Minute), api.RunStateINPROGRESS)
	first := start(noon.Add(-time.Hour), api.RunStateINPROGRESS)
	start(noon, api.RunStateINPROGRESS)              // not yet
	start(time.Time{}, api.RunStateINPROGRESS)       // never began
	start(noon.Add(-time.Hour), api.RunStateBLOCKED) // paused
	ended := start(noon.Add(-time.Hour), api.RunStateINPROGRESS)
	b.reach(ended, run.ExecutionEnded)
	got, err := b.dispatch.Overdue(b.ctx, noon, 10)
	b.ok(err)
	same(b, "overdue", leaseIDs(got), []string{first.ID, second.ID})
}
