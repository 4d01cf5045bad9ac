package dispatch

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

// Whatever the backlogs and capacities: every team's workers are filled at once from that team's
// queue, oldest first, however long the other teams' queues are; nothing is handed out twice, nor to
// another team; and nothing is offered beyond a capacity.
func TestNoBacklogDelaysAnotherTeam(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		teams := make([]fairTeam, rapid.IntRange(1, 6).Draw(r, "teams"))
		for i := range teams {
			teams[i] = fairTeam{
				name:    fmt.Sprint("team", i),
				backlog: rapid.SampledFrom([]int{0, 1, 2, 10, 400}).Draw(r, "backlog"),
				workers: rapid.SliceOfN(rapid.SampledFrom([]int{1, 2, 5, 300}), 1, 3).Draw(r, "capacities"),
			}
		}
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = unfair(t, teams) })
		if wrong != "" {
			r.Fatal(wrong)
		}
	})
}

type fairTeam struct {
	name    string
	backlog int
	workers []int // capacities
}

// unfair plays a case and says what was wrong.
func unfair(t *testing.T, teams []fairTeam) string {
	w := newWorld()
	queued := make(map[string][]string)
	for _, tm := range teams {
		queued[tm.name] = w.queue(tm.name, "linux", tm.backlog)
	}
	d := w.start(t)
	connected := make(map[string][]*scriptedWorker)
	for _, tm := range teams {
		for _, n := range tm.workers {
			worker := connect(t, d, tm.name, "linux")
			worker.hello(n)
			connected[tm.name] = append(connected[tm.name], worker)
		}
	}
	synctest.Wait()
	for _, tm := range teams {
		var got []string
		for _, worker := range connected[tm.name] {
			for len(worker.down) > 0 {
				got = append(got, worker.assignment().TaskID)
			}
		}
		slices.Sort(got) // ids sort by queueing
		room := 0
		for _, n := range tm.workers {
			room += min(n, maxWindow) // beyond the window, claims come first
		}
		if want := queued[tm.name][:min(room, tm.backlog)]; !slices.Equal(got, want) {
			return fmt.Sprintf("%s: %d handed out, want the oldest %d of %d", tm.name, len(got), len(want), tm.backlog)
		}
	}
	return ""
}
