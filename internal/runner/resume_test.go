package runner_test

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/snapshot"
)

// record adds entries of an earlier execution to the server's history.
func (s *server) record(data ...api.EntryData) {
	for _, d := range data {
		e := api.MakeEntry(time.Now(), d)
		s.history = append(s.history, api.Entry{Seq: int64(len(s.history)) + 1, Type: e.Type, Execution: 1, Data: e.Data})
	}
	s.assignment.LastSeq, s.assignment.Execution = int64(len(s.history)), 2
}

// did is a call and its result, two entries.
func did(id, name string, category api.ActionCategory, input string, readOnly bool) []api.EntryData {
	return []api.EntryData{
		api.Action{ID: id, Turn: 1, Category: category, Name: name, Input: json.RawMessage(input), ReadOnly: readOnly},
		api.ActionResult{ActionID: id, Key: "e1." + id, Category: category, Name: name, State: api.ActionStateCompleted},
	}
}

func moved(from, to api.RunState) api.StateChange { return api.StateChange{From: from, To: to} }

var (
	lostIt = []api.EntryData{
		api.ExecutionEvent{Number: 1, Event: "ended", Reason: "its lease ran out"}, moved(api.RunStateINPROGRESS, api.RunStateQUEUED),
		moved(api.RunStateQUEUED, api.RunStatePENDING), moved(api.RunStatePENDING, api.RunStateCLAIMED),
	}
	endedWell = []api.EntryData{
		moved(api.RunStateINPROGRESS, api.RunStateSUCCEEDED), api.ExecutionEvent{Number: 1, Event: "ended", Reason: "completed"},
		moved(api.RunStateSUCCEEDED, api.RunStateQUEUED), moved(api.RunStateQUEUED, api.RunStatePENDING),
	}
)

// What the agent is told about its new sandbox follows from what is stored, and only from that.
func TestResume(t *testing.T) {
	t.Parallel()
	work := slices.Concat(
		[]api.EntryData{api.UserMessage{Text: "do it"}, moved(api.RunStateCLAIMED, api.RunStateINPROGRESS)}, // 1, 2
		did("a", "bash", api.ActionCategoryCommand, `{"command":"make one"}`, false),                        // 3, 4
		did("b", "edit_file", api.ActionCategoryFiles, `{"path":"dir/x.go"}`, false),                        // 5, 6
		did("c", "read_file", api.ActionCategoryFiles, `{"path":"seen.go"}`, true),                          // 7, 8
		[]api.EntryData{
			api.Action{ID: "d", Turn: 1, Category: api.ActionCategoryCommand, Name: "bash", Input: json.RawMessage(`{"command":"refused"}`)},
			api.ActionResult{ActionID: "d", Category: api.ActionCategoryCommand, Name: "bash", State: api.ActionStateDenied},
		}, // 9, 10
	)
	for name, c := range map[string]struct {
		history  []api.EntryData
		kept     int64
		snapshot bool
		want     []string // nothing: no notice
		level    api.NoticeLevel
	}{
		"first execution":           {history: []api.EntryData{api.UserMessage{Text: "do it"}}},
		"lost before the agent":     {history: append([]api.EntryData{api.UserMessage{Text: "do it"}}, lostIt...)},
		"ended well":                {history: slices.Concat(work, endedWell), kept: 10, snapshot: true},
		"ended well, nothing made":  {history: slices.Concat(work, endedWell), kept: 10},
		"lost earlier, ended well":  {history: slices.Concat(work, lostIt, endedWell), kept: 14, snapshot: true},
		"lost, all of it was kept":  {history: slices.Concat(work, lostIt), kept: 10, snapshot: true, level: api.NoticeInfo, want: []string{"(its lease ran out)", "after entry 10", "No finished action is missing"}},
		"lost, some of it was kept": {history: slices.Concat(work, lostIt), kept: 5, snapshot: true, level: api.NoticeWarning, want: []string{"after entry 5", "edit_file `dir/x.go` (entry 6)."}},
		"lost, nothing was kept":    {history: slices.Concat(work, lostIt), level: api.NoticeWarning, want: []string{"no snapshot", "is empty", "bash `make one` (entry 4); edit_file"}},
		"ended, nothing was kept":   {history: slices.Concat(work, endedWell), level: api.NoticeWarning, want: []string{"goes on in a new sandbox", "bash `make one` (entry 4)"}},
		"interrupted by a lost claim": {history: slices.Concat(work, lostIt, []api.EntryData{moved(api.RunStateCLAIMED, api.RunStateQUEUED)}), kept: 10, snapshot: true,
			level: api.NoticeInfo, want: []string{"was lost"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.record(c.history...)
			s.assignment.SnapshotSeq = c.kept
			if c.snapshot {
				s.assignment.SnapshotUrl = s.http.URL + "/blob/" + s.keepEmpty(t)
			}
			var seen []api.Entry
			run(t, config(t, s, &agent{turn: func(_ context.Context, h harness.Session) (harness.Outcome, error) {
				seen = h.History
				return succeeded, nil
			}}))
			notices := of[api.Notice](s)
			if len(c.want) == 0 {
				if len(notices) > 0 {
					t.Errorf("false alarm: %+v", notices)
				}
				return
			}
			if len(notices) != 1 || !notices[0].Agent || notices[0].Level != c.level {
				t.Fatalf("notices %+v", notices)
			}
			for _, want := range c.want {
				if !strings.Contains(notices[0].Text, want) {
					t.Errorf("%q lacks %q", notices[0].Text, want)
				}
			}
			for _, never := range []string{"seen.go", "refused"} {
				if strings.Contains(notices[0].Text, never) {
					t.Errorf("%q names what changed nothing", notices[0].Text)
				}
			}
			if last := seen[len(seen)-1]; last.Type != api.EntryTypeNotice || last.Seq <= s.assignment.LastSeq {
				t.Errorf("the agent was not told: %+v", last)
			}
		})
	}
}

// A sandbox lost again before anything was done says nothing twice.
func TestResumeTellsOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.record(api.UserMessage{Text: "do it"}, api.AgentMessage{Text: "hm"})
	s.record(lostIt...)
	a := &agent{turn: func(context.Context, harness.Session) (harness.Outcome, error) { return succeeded, nil }}
	run(t, config(t, s, a))
	told := of[api.Notice](s)
	if len(told) != 1 {
		t.Fatalf("notices %+v", told)
	}
	s.record(told[0], moved(api.RunStateINPROGRESS, api.RunStateQUEUED))
	s.assignment.NextIndex = int64(len(s.entries))
	run(t, config(t, s, a))
	if again := of[api.Notice](s); len(again) != 1 {
		t.Errorf("notices %+v", again)
	}
}

// keepEmpty stores a snapshot of an empty workspace.
func (s *server) keepEmpty(t *testing.T) string {
	t.Helper()
	s.blobs["kept"] = emptySnapshot(t)
	return "kept"
}

func emptySnapshot(t *testing.T) []byte {
	t.Helper()
	taken, err := snapshot.Take(t.Context(), snapshot.Source{Work: t.TempDir(), Scratch: t.TempDir(), Known: "another", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(taken.Path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
