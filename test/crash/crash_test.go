package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/store/storetest"
)

// arrivals is how often a run passes a point, as far as it is tried; once where it is not said.
var arrivals = map[fault.Point]int{
	fault.StoreBeforeCommit: 14, fault.StoreAfterCommit: 14,
	fault.RunnerBeforeAppend: 6, fault.RunnerAfterAppend: 6, fault.RunnerAfterAction: steps,
}

// TestKilledAtEveryPoint kills the process that passes each fault point, at its first arrivals.
func TestKilledAtEveryPoint(t *testing.T) {
	for _, p := range fault.Points {
		for n := 1; n <= max(1, arrivals[p]); n++ {
			t.Run(fmt.Sprintf("%s/%d", p, n), func(t *testing.T) {
				t.Parallel()
				killedAt(t, layout{}, p, n)
			})
		}
	}
}

// TestReplicasKilled does the same to two servers that share a PostgreSQL and no bus: the client
// speaks to one and the worker to the other.
func TestReplicasKilled(t *testing.T) {
	for _, c := range []struct {
		point   fault.Point
		arrival int
	}{
		{fault.StoreBeforeCommit, 3}, {fault.StoreAfterCommit, 2}, {fault.StoreAfterCommit, 5}, {fault.StoreAfterCommit, 9},
		{fault.WorkerAfterClaim, 1}, {fault.RunnerAfterAppend, 3}, {fault.RunnerBeforeEnd, 1},
	} {
		t.Run(fmt.Sprintf("%s/%d", c.point, c.arrival), func(t *testing.T) {
			t.Parallel()
			killedAt(t, layout{database: storetest.Postgres(t)}, c.point, c.arrival)
		})
	}
}

// killedAt carries out one story during which the n-th arrival at p is deadly.
func killedAt(t *testing.T, l layout, p fault.Point, n int) {
	f := newFleet(t, l, newReferee(t, p, n))
	id := f.begin(p, "story")
	seen := f.follow(id)
	f.ended(id)
	if n == 1 {
		// A worker passes its last point when the run is over.
		f.until("somebody to die at "+string(p), f.ref.struck)
	} else if !f.ref.struck() {
		t.Logf("the run needs fewer than %d arrivals at %s", n, p)
	}
	f.ready()
	check(t, f, id, "story")
	checkAcknowledged(t, f, id)
	seen.check(t, f.entries(id))
}

// TestKilledAtRandom kills random processes while many runs are submitted, carried out and watched,
// and at times all of them at once.
func TestKilledAtRandom(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		killedAtRandom(t, layout{}, 12, 24)
	})
	t.Run("replicas", func(t *testing.T) {
		t.Parallel()
		killedAtRandom(t, layout{database: storetest.Postgres(t)}, 8, 16)
	})
}

func killedAtRandom(t *testing.T, l layout, runs, kills int) {
	f := newFleet(t, l, newReferee(t, "", 0))
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("CADRE_CRASH_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("CADRE_CRASH_SEED=%d", seed)
	var killing sync.WaitGroup
	killing.Go(func() { f.slaughter(rand.New(rand.NewPCG(seed, 0)), kills) })
	ids, names := make([]string, runs), make([]string, runs)
	seen := make([]*follower, runs)
	for i := range runs {
		names[i] = fmt.Sprintf("random-%d", i)
		ids[i] = f.submit(names[i], story(f.ref, names[i]))
		seen[i] = f.follow(ids[i])
		if i%3 == 0 {
			f.kill("server") // what was just acknowledged is there after it
		}
	}
	killing.Wait()
	for i, id := range ids {
		check(t, f, id, names[i])
		seen[i].check(t, f.entries(id))
	}
	checkAcknowledged(t, f, ids...)
}

// slaughter kills one process after the other, and all of them halfway through.
func (f *fleet) slaughter(random *rand.Rand, kills int) {
	roles := append(f.roles(), "runner", "runner")
	for i := range kills {
		time.Sleep(time.Duration(50+random.IntN(300)) * time.Millisecond)
		victim := roles[random.IntN(len(roles))]
		if i == kills/2 {
			victim = "all"
		}
		f.strike(victim)
	}
}
