package view

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
)

// session shows entries and fragments and returns what was written.
func session(events ...any) string {
	var b strings.Builder
	p := New(&b, false, "cadre run", "RUN")
	for i, ev := range events {
		switch ev := ev.(type) {
		case api.EntryData:
			n := api.MakeEntry(time.Unix(0, 0), ev)
			p.Entry(api.Entry{Seq: int64(i + 1), Type: n.Type, Data: n.Data})
		case api.Delta:
			p.Delta(ev)
		}
	}
	p.Settle()
	return b.String()
}

func one() *int                    { n := 1; return &n }
func raw(s string) json.RawMessage { return json.RawMessage(s) }

func TestEveryEntryReadsWell(t *testing.T) {
	for _, c := range []struct {
		in   api.EntryData
		want string
	}{
		{api.UserMessage{Text: "fix it\nplease"}, "› fix it\n  please\n"},
		{api.AgentMessage{Text: "done\n\nreally"}, "● done\n  \n  really\n"},
		{api.AgentReasoning{Text: "hm"}, "✻ hm\n"},
		{api.Action{Name: "bash", Input: raw(`{"command":"go test"}`)}, "  $ go test\n"},
		{api.Action{Name: "read_file", Input: raw(`{"path":"a.go"}`)}, "  → read_file a.go\n"},
		{api.Action{Name: "x", Input: raw(`{"n":1}`)}, "  → x {\"n\":1}\n"},
		{api.ActionResult{Name: "bash", Category: "command", State: "completed", Output: "ok\n", DurationMS: 1200}, "    ok\n  ✓ 1.2s\n"},
		{api.ActionResult{Name: "bash", Category: "command", State: "failed", ExitCode: one(), Output: "no"}, "    no\n  ✗ exit 1\n"},
		{api.ActionResult{State: "denied"}, "  ✗ denied\n"},
		{api.ActionResult{Name: "edit_file", State: "completed", Output: "ok", Detail: raw(`{"diff":"@@\n-a\n+b"}`)}, "    @@\n    -a\n    +b\n  ✓\n"},
		{api.Request{Kind: "permission", Prompt: "Run rm?", Input: raw(`{"command":"rm"}`)},
			"✋ Run rm?\n    {\"command\":\"rm\"}\n  answer with: cadre run approve RUN   (or --deny, --always)\n"},
		{api.Request{Kind: "question", Prompt: "Which?", Options: []string{"a", "b"}},
			"✋ Which?\n    ○ a\n    ○ b\n  answer with: cadre run answer RUN --choice 'a'\n"},
		{api.Answer{Decision: "deny", Text: "no", By: api.UserProfile{DisplayName: "Ann"}}, "› denied; no by Ann\n"},
		{api.Plan{Items: []api.PlanItem{{Title: "a", Status: "completed"}, {Title: "b", Status: "in_progress"}, {Title: "c", Status: "pending"}}},
			"☰ plan\n  ✓ a\n  ▸ b\n  ○ c\n"},
		{api.Phase{Name: "clone", State: "completed", Command: "git clone x", DurationMS: 40}, "◆ clone git clone x 40ms\n"},
		{api.Phase{Name: "setup", State: "failed", Output: "boom", Advice: "mend it", DurationMS: 5}, "◆ setup failed 5ms\n    boom\n  → mend it\n"},
		{api.StateChange{From: "INPROGRESS", To: "FAILED", Message: "no key", ErrorCode: "invalid_request"}, "— FAILED: no key (invalid_request)\n"},
		{api.StateChange{To: "BLOCKED", Waiting: "question"}, "— BLOCKED: question\n"},
		{api.ArtifactReport{ArtifactType: "FILE", Data: api.ArtifactData{Filename: "a.patch", SizeBytes: 7}}, "★ file a.patch (7 bytes)\n"},
		{api.Notice{Level: "warning", Text: "slow"}, "! slow\n"},
		{api.ExecutionEvent{Number: 2, Event: "started", Host: "h", Reason: "r"}, "· execution 2 started on h: r\n"},
	} {
		if diff := cmp.Diff(c.want, session(c.in)); diff != "" {
			t.Errorf("%T: %s", c.in, diff)
		}
	}
}

func delta(key string, offset int64, kind api.DeltaKind, text string) api.Delta {
	return api.Delta{Key: key, Offset: offset, Kind: kind, Text: text}
}

func TestStreamedTextIsShownOnce(t *testing.T) {
	got := session(
		delta("m1", 0, "text", "Hel"), delta("m1", 3, "text", "lo\nwor"),
		api.AgentMessage{Key: "m1", Text: "Hello\nworld"},
		delta("o1", 0, "output", "line 1\nli"), delta("o1", 9, "output", "ne 2\n"),
		api.ActionResult{Key: "o1", Name: "bash", Category: "command", State: "completed", Output: "line 1\nline 2\n"},
	)
	if diff := cmp.Diff("● Hello\n  world\n    line 1\n    line 2\n  ✓\n", got); diff != "" {
		t.Error(diff)
	}
}

func TestActionsAtTheSameTimeKeepTheirResults(t *testing.T) {
	act := func(id, command string) api.Action {
		return api.Action{ID: id, Name: "bash", Input: raw(`{"command":"` + command + `"}`)}
	}
	res := func(id, out string) api.ActionResult {
		return api.ActionResult{ActionID: id, Key: "e1." + id, Name: "bash", Category: "command", State: "completed", Output: out}
	}
	plan := api.Action{ID: "p", Name: "update_plan", Input: raw(`{}`)}
	planned := api.ActionResult{ActionID: "p", Name: "update_plan", State: "completed", Output: "Plan updated."}
	got := session(plan, act("a", "one"), act("b", "two"), act("c", "three"),
		delta("e1.b", 0, "output", "early"), delta("e1.a", 0, "output", "1\n"),
		planned, res("b", "2"), res("a", "1\n"), res("c", "3"))
	want := "  $ one\n    1\n  $ two\n    2\n  ✓\n  $ one\n  ✓\n  $ three\n    3\n  ✓\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestScriptIsLeftOutOfThePrompt(t *testing.T) {
	got := session(api.UserMessage{Text: "fix\n\n````scripted\n- text: a\n```\n- text: b\n````\nnow"})
	if diff := cmp.Diff("› fix\n  \n  now\n  (with 3 lines of turns for the scripted model)\n", got); diff != "" {
		t.Error(diff)
	}
}

func TestMissedFragmentsAreMadeUpForByTheEntry(t *testing.T) {
	got := session(
		delta("m1", 0, "text", "Hel"), delta("m1", 9, "text", "LOST"),
		delta("m2", 0, "text", "other"), // another entry's fragment waits
		api.AgentMessage{Key: "m1", Text: "Hello"},
		api.AgentMessage{Key: "m2", Text: "other"},
	)
	if diff := cmp.Diff("● Hello\n● other\n", got); diff != "" {
		t.Error(diff)
	}
}

func TestTextThatDiffersFromItsFragmentsIsShownWhole(t *testing.T) {
	got := session(delta("m1", 0, "text", "secret"), api.AgentMessage{Key: "m1", Text: "***"})
	if diff := cmp.Diff("● secret\n● ***\n", got); diff != "" {
		t.Error(diff)
	}
}

func TestLongOutputIsClippedAndSaysWhereTheRestIs(t *testing.T) {
	var long strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	res := api.ActionResult{Key: "o", Name: "bash", Category: "command", State: "completed", Output: long.String()}
	whole := session(res)
	streamed := session(delta("o", 0, "output", long.String()[:5000]), delta("o", 5000, "output", long.String()[5000:]), res)
	for _, got := range []string{whole, streamed} {
		if n := strings.Count(got, "\n"); n > maxOutputLines+2 || !strings.Contains(got, "cadre run output RUN ") {
			t.Errorf("%d lines shown, ending %q", n, got[max(0, len(got)-100):])
		}
	}
}

func TestHostileContentIsHarmless(t *testing.T) {
	evil := "\x1b]0;x\x07\x1b[2J\r\u202e"
	got := session(
		api.UserMessage{Text: evil}, api.AgentMessage{Text: evil}, api.AgentReasoning{Text: evil},
		api.Action{Name: evil, Input: raw(`{"path":"\u001b[2J"}`)}, api.Action{Name: "bash", Input: raw(`{"command":"\u001b[2J"}`)},
		api.ActionResult{Name: evil, Output: evil, State: "failed"}, api.ActionResult{Detail: raw(`{"diff":"\u001b[2J"}`)},
		api.Request{Kind: "question", Prompt: evil, Options: []string{evil}, Input: raw(`"` + "\u009b" + `"`)},
		api.Answer{Text: evil, Choices: []string{evil}, By: api.UserProfile{DisplayName: evil}},
		api.Plan{Items: []api.PlanItem{{Title: evil, Status: evil}}},
		api.Phase{Name: evil, Command: evil, Output: evil, Advice: evil, State: "failed"}, api.Phase{Name: evil, Command: evil, State: "running"},
		api.StateChange{To: api.RunState(evil), Message: evil, ErrorCode: api.PlatformErrorCode(evil)},
		api.StateChange{To: "BLOCKED", Waiting: api.WaitingCode(evil)},
		api.ArtifactReport{ArtifactType: api.ArtifactType(evil), Data: api.ArtifactData{Filename: evil}},
		api.Notice{Text: evil, Level: "error"}, api.ExecutionEvent{Event: evil, Host: evil, Reason: evil},
		delta("k", 0, "text", evil), delta("k", int64(len(evil)), "text", "\x1b"), delta("o", 0, "output", evil),
	)
	for _, bad := range []string{"\x1b", "\r", "\x07", "\u202e", "\u009b"} {
		if i := strings.Index(got, bad); i >= 0 {
			t.Errorf("%q reached the terminal: %q", bad, got[max(0, i-40):i+10])
		}
	}
}

func TestAnEntryOfANewerServerIsLeftOut(t *testing.T) {
	var b strings.Builder
	p := New(&b, false, "cadre run", "RUN")
	p.Entry(api.Entry{Seq: 1, Type: "hologram", Data: raw(`{}`)})
	p.Entry(api.Entry{Seq: 2, Type: api.EntryTypeNotice, Data: raw(`[]`)})
	if b.Len() != 0 {
		t.Errorf("wrote %q", b.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestAWriterThatFailsIsReportedOnce(t *testing.T) {
	p := New(broken{}, false, "cadre run", "RUN")
	p.Lost(errors.New("x"), time.Second)
	if p.Err() == nil {
		t.Error("no error")
	}
}
