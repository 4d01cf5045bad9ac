package crash

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// check holds a finished run to what must be true whatever was killed.
func check(t *testing.T, f *fleet, id, name string) {
	t.Helper()
	run := f.ended(id)
	if run.State != api.RunStateSUCCEEDED {
		t.Errorf("%s: state %s: %s", name, run.State, run.StatusMessage.Message)
	}
	entries := f.entries(id)
	for i, e := range entries {
		if e.Seq != int64(i)+1 {
			t.Fatalf("%s: entry %d has seq %d", name, i+1, e.Seq)
		}
	}
	failed := t.Failed()
	checkOutcome(t, name, entries)
	checkSteps(t, name, entries, f.ref.marks(name))
	if !failed && t.Failed() {
		for _, e := range entries {
			t.Logf("%s: %3d %s %s", name, e.Seq, e.Type, e.Data[:min(len(e.Data), 240)])
		}
	}
}

// checkOutcome: a run ends once, with the last words of its agent said once.
func checkOutcome(t *testing.T, name string, entries []api.Entry) {
	t.Helper()
	ends, final := 0, 0
	for _, e := range entries {
		switch d := decoded(t, e).(type) {
		case api.StateChange:
			if d.To.Ended() {
				ends++
			}
		case api.AgentMessage:
			if d.Text == "all steps done" {
				final++
			}
		}
	}
	// A sandbox may be lost between its agent's last words and the record that they were the last.
	if ends != 1 || final < 1 || final > 2 {
		t.Errorf("%s: ended %d times, its last words said %d times", name, ends, final)
	}
}

// checkSteps: every action has one result; a step whose result says that it was completed was carried
// out once, any other at most once.
func checkSteps(t *testing.T, name string, entries []api.Entry, marks map[int]int) {
	t.Helper()
	step := map[string]int{}
	results := map[string]int{}
	seen, completed := map[int]int{}, map[int]int{}
	said := map[string]bool{}
	for _, e := range entries {
		switch d := decoded(t, e).(type) {
		case api.AgentMessage:
			said[d.Text] = true
		case api.Action:
			if step[d.ID] != 0 {
				t.Errorf("%s: action %s is recorded twice", name, d.ID)
			}
			step[d.ID] = stepOf(string(d.Input))
			seen[step[d.ID]]++
		case api.ActionResult:
			if results[d.ActionID]++; results[d.ActionID] > 1 {
				t.Errorf("%s: action %s has %d results", name, d.ActionID, results[d.ActionID])
			}
			if d.State == api.ActionStateCompleted {
				completed[step[d.ActionID]]++
			}
		}
	}
	for id := range step {
		if results[id] == 0 {
			t.Errorf("%s: action %s has no result", name, id)
		}
	}
	for i := 1; i <= steps; i++ {
		switch n := marks[i]; {
		// An answer cut off after its words and before its call is kept, and the script then goes on.
		case seen[i] > 1, seen[i] == 0 && !said[fmt.Sprintf("step %d", i)]:
			t.Errorf("%s: the agent decided on step %d %d times", name, i, seen[i])
		case n > 1, completed[i] == 1 && n != 1:
			t.Errorf("%s: step %d has %d completed results and was carried out %d times", name, i, completed[i], n)
		}
	}
}

// checkAcknowledged: everything the server acknowledged to a runner is stored, once.
func checkAcknowledged(t *testing.T, f *fleet, ids ...string) {
	t.Helper()
	stored := map[string]int{}
	for _, id := range ids {
		for _, e := range f.entries(id) {
			stored[print(e.Type, e.CreatedAt, e.Data)]++
		}
	}
	acked := f.tap.acknowledged()
	if len(acked) == 0 {
		t.Error("the tap saw nothing")
	}
	for what, n := range acked {
		if stored[what] != n {
			t.Errorf("acknowledged %d times, stored %d times: %s", n, stored[what], what)
		}
	}
}

// print identifies an entry by what its runner said.
func print(kind api.EntryType, at time.Time, data json.RawMessage) string {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return "not JSON: " + string(data)
	}
	canonical, _ := json.Marshal(v)
	return fmt.Sprintf("%s %d %s", kind, at.UnixMicro(), canonical)
}

func decoded(t *testing.T, e api.Entry) api.EntryData {
	t.Helper()
	data, err := e.Decode()
	if err != nil {
		t.Fatalf("entry %d: %v", e.Seq, err)
	}
	return data
}
