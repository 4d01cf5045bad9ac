package crash

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
)

// steps is how many tool calls the scripted run makes. Each leaves a mark with the referee.
const steps = 4

// story is a prompt whose scripted turns make one tool call each and then end.
func story(ref *referee, name string) string {
	var turns []any
	for i := 1; i <= steps; i++ {
		turns = append(turns, map[string]any{
			"text": fmt.Sprintf("step %d", i),
			"tool_calls": []any{map[string]any{
				"name":  "bash",
				"input": map[string]any{"command": fmt.Sprintf("echo mark %s %d > /dev/tcp/127.0.0.1/%d; echo kept-%d >> kept.txt; cat kept.txt", name, i, ref.port(), i)},
			}},
		})
	}
	turns = append(turns, map[string]any{"text": "all steps done"})
	text, _ := json.Marshal(map[string]any{"turns": turns})
	return "Carry out the steps.\n```scripted\n" + string(text) + "\n```"
}

// TestKilledAtEveryPoint kills the process that passes each fault point, at its first arrivals.
func TestKilledAtEveryPoint(t *testing.T) {
	arrivals := map[fault.Point]int{
		fault.StoreBeforeCommit: 14, fault.StoreAfterCommit: 14,
		fault.RunnerBeforeAppend: 6, fault.RunnerAfterAppend: 6, fault.RunnerAfterAction: steps,
	}
	for _, p := range fault.Points {
		for n := 1; n <= max(1, arrivals[p]); n++ {
			t.Run(fmt.Sprintf("%s/%d", p, n), func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, p, n)
				id := f.submit("story", story(f.ref, "story"))
				run := f.ended(id)
				if run.State != api.RunStateSUCCEEDED {
					t.Errorf("state %s: %s", run.State, run.StatusMessage.Message)
				}
				if !f.ref.struck() {
					if n == 1 {
						t.Errorf("no process passed %s", p)
					}
					t.Logf("the run needs fewer than %d arrivals at %s", n, p)
				}
				check(t, f, id)
				times := f.ref.marks("story")
				sum := 0
				for i := 1; i <= steps; i++ {
					sum += times[fmt.Sprint(i)]
					if times[fmt.Sprint(i)] == 0 {
						t.Errorf("step %d was never carried out", i)
					}
				}
				// One death can fall between a command's end and the record of it; no more than that one
				// command may be carried out again.
				if sum > steps+1 {
					t.Errorf("%d commands carried out for %d steps: %v", sum, steps, times)
				}
			})
		}
	}
}

// TestKilledAtRandom kills random processes while many runs are under way, and once all at once.
func TestKilledAtRandom(t *testing.T) {
	const runs, kills = 12, 24
	f := newFleet(t, "", 0)
	var ids []string
	for i := range runs {
		ids = append(ids, f.submit(fmt.Sprintf("random-%d", i), story(f.ref, fmt.Sprintf("random-%d", i))))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	roles := []string{"server", "worker", "runner", "runner"}
	for i := range kills {
		time.Sleep(time.Duration(50+random.IntN(300)) * time.Millisecond)
		if i == kills/2 {
			for _, role := range roles {
				f.kill(role)
			}
			continue
		}
		f.kill(roles[random.IntN(len(roles))])
	}
	for _, id := range ids {
		if run := f.ended(id); run.State != api.RunStateSUCCEEDED {
			t.Errorf("%s: state %s: %s", id, run.State, run.StatusMessage.Message)
		}
		check(t, f, id)
	}
}

// check holds a finished run to what must be true whatever was killed.
func check(t *testing.T, f *fleet, id string) {
	t.Helper()
	entries := f.entries(id)
	results := map[string]int{}
	ends := 0
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			t.Fatalf("entry %d has seq %d", i+1, e.Seq)
		}
		switch data := decoded(t, e).(type) {
		case api.ActionResult:
			results[data.ActionID]++
			if data.Category == api.ActionCategoryCommand && data.State == api.ActionStateCompleted && strings.Contains(data.Output, "kept-2") && !strings.Contains(data.Output, "kept-1") {
				t.Errorf("entry %d: the workspace of an earlier execution was lost: %q", e.Seq, data.Output)
			}
		case api.StateChange:
			if data.To.Ended() {
				ends++
			}
		}
	}
	for action, n := range results {
		if n != 1 {
			t.Errorf("action %s has %d results", action, n)
		}
	}
	if len(results) < steps {
		t.Errorf("%d actions have results, want %d", len(results), steps)
	}
	if ends != 1 {
		t.Errorf("the run ended %d times", ends)
	}
}

func decoded(t *testing.T, e api.Entry) api.EntryData {
	t.Helper()
	data, err := e.Decode()
	if err != nil {
		t.Fatalf("entry %d: %v", e.Seq, err)
	}
	return data
}
