package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// world is a run and everybody who may do something to it.
type world struct {
	t     *rapid.T
	m     *memory
	s     *Service
	now   time.Time
	ids   int
	local bool
}

func newWorld(t *rapid.T) *world {
	w := &world{t: t, m: &memory{}, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), local: rapid.Bool().Draw(t, "local")}
	s, err := NewService(Config{
		Store: w.m, History: w.m, Log: w.m, Leases: w.m,
		Environments: surroundings{}, Models: surroundings{}, Blobs: surroundings{}, Uploads: struct{ Uploads }{},
		Now: func() time.Time { return w.now },
		NewID: func() string {
			w.ids++
			return fmt.Sprintf("00000000-0000-7000-8000-%012d", w.ids)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	if w.local {
		_, _, err = s.CreateLocal(context.Background(), person, api.LocalRunRequest{Prompt: "Do it."}, "")
	} else {
		_, _, err = s.Create(context.Background(), person, api.RunAgentRequest{Prompt: "Do it."}, api.RunSourceTypeAPI)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// runner is the token of some execution, mostly the latest.
func (w *world) runner() identity.Actor {
	x := w.someExecution()
	return identity.Actor{Kind: identity.KindRun, UID: "u1", TeamUID: "t1", RunID: w.m.cur.Run.ID, ExecutionID: x.ID, Execution: x.Number}
}

func (w *world) someExecution() Execution {
	n := len(w.m.executions)
	if n == 0 {
		return Execution{ID: "none"}
	}
	if rapid.IntRange(0, 9).Draw(w.t, "stale") == 0 {
		return w.m.executions[rapid.IntRange(0, n-1).Draw(w.t, "execution")]
	}
	return w.m.executions[n-1]
}

// expect fails on an error that a caller could not be told.
func (w *world) expect(act string, err error) {
	var f *api.Failure
	if err != nil && !errors.As(err, &f) {
		w.t.Fatalf("%s: %v", act, err)
	}
	if len(w.m.broken) > 0 {
		w.t.Fatalf("%s (%v):\n%s", act, err, strings.Join(w.m.broken, "\n"))
	}
}

func (w *world) entries() []api.NewEntry {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.NewEntry {
		id := rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "id")
		switch rapid.IntRange(0, 5).Draw(t, "type") {
		case 0:
			kind := rapid.SampledFrom([]api.RequestKind{api.RequestKindPermission, api.RequestKindQuestion, api.RequestKindPlan}).Draw(t, "kind")
			return api.MakeEntry(w.now, api.Request{ID: "q" + id, Kind: kind, Prompt: "May I?", ActionID: id})
		case 1:
			return api.MakeEntry(w.now, api.ActionResult{ActionID: id, Name: "bash", State: api.ActionStateCompleted})
		case 2:
			return api.MakeEntry(w.now, api.UserMessage{Text: "forged", CommandID: rapid.Int64Range(0, 8).Draw(t, "command")})
		case 3:
			return api.MakeEntry(w.now, api.Phase{Name: "clone", State: api.PhaseCompleted})
		default:
			return api.MakeEntry(w.now, api.AgentMessage{Text: "working"})
		}
	}), 0, 3).Draw(w.t, "entries")
}

func (w *world) append() {
	req := api.RunnerAppendRequest{Entries: w.entries()}
	if x := w.m.cur.Execution; x != nil {
		req.FirstIndex = max(0, x.NextIndex+int64(rapid.IntRange(-2, 1).Draw(w.t, "offset")))
		if rapid.Bool().Draw(w.t, "in order") {
			req.FirstIndex = x.NextIndex
		}
	}
	if rapid.IntRange(0, 3).Draw(w.t, "with report") > 0 {
		req.Report = api.RunnerReport{
			State:   rapid.SampledFrom(reportable).Draw(w.t, "report"),
			Waiting: rapid.SampledFrom([]api.WaitingCode{"", api.WaitingCodeQuestion, api.WaitingCodeInterrupted}).Draw(w.t, "waiting"),
		}
	}
	before := w.m.cur.Run
	_, err := w.s.Append(context.Background(), w.runner(), req)
	w.expect("append", err)
	if before.State.Ended() && w.m.cur.Run.State.Ended() && before.State != w.m.cur.Run.State {
		w.t.Fatalf("a second end was applied: %s then %s", before.State, w.m.cur.Run.State)
	}
}

func (w *world) acts() map[string]func() {
	ctx, id := context.Background(), w.m.cur.Run.ID
	lease := func() time.Time { return w.now.Add(18 * time.Second) }
	return map[string]func(){
		"append":  w.append,
		"append2": w.append,
		"assign": func() {
			w.ids++
			_, _, err := w.s.Assign(ctx, id, Placement{ExecutionID: fmt.Sprintf("x%d", w.ids), Host: "local", Worker: "w", LeaseUntil: lease()})
			w.expect("assign", err)
		},
		"claim":  func() { w.expect("claim", w.s.Claim(ctx, id, w.someExecution().ID, lease())) },
		"reject": func() { w.expect("reject", w.s.Reject(ctx, id, w.someExecution().ID, "full")) },
		"start": func() {
			_, _, err := w.s.Start(ctx, w.runner(), api.RunnerStartRequest{Version: "1"})
			w.expect("start", err)
		},
		"work": func() {
			_, err := w.s.Append(ctx, w.runner(), api.RunnerAppendRequest{FirstIndex: w.nextIndex(), Report: api.RunnerReport{State: api.RunStateINPROGRESS}})
			w.expect("work", err)
		},
		"end": func() { w.expect("end", w.s.End(ctx, w.runner(), api.RunnerEndRequest{})) },
		"exited": func() {
			e := Exit{Clean: rapid.Bool().Draw(w.t, "clean"), Cancelled: rapid.IntRange(0, 5).Draw(w.t, "cancelled") == 0,
				Reason: rapid.SampledFrom(failures).Draw(w.t, "reason").reason, Code: rapid.IntRange(0, 2).Draw(w.t, "code")}
			w.expect("exited", w.s.Exited(ctx, id, w.someExecution().ID, e))
		},
		"lost": func() { w.expect("lost", w.s.Lost(ctx, id, w.someExecution().ID, "lease ran out")) },
		"cancel": func() {
			_, err := w.s.Cancel(ctx, person, id)
			w.expect("cancel", err)
		},
		"interrupt": func() {
			_, err := w.s.Interrupt(ctx, person, id)
			w.expect("interrupt", err)
		},
		"follow up": func() {
			_, err := w.s.FollowUp(ctx, person, id, api.RunFollowupRequest{Message: "And now?"})
			w.expect("follow up", err)
		},
		"message": func() {
			w.ids++
			p := Posting{Wake: rapid.Bool().Draw(w.t, "wake"), ByRun: rapid.Bool().Draw(w.t, "by run")}
			w.expect("message", w.s.Post(ctx, []Message{{ID: fmt.Sprint("m", w.ids), RunID: id, Subject: "s", Body: "b"}}, p))
		},
		"delivered": func() {
			if n := len(w.m.mail); n > 0 {
				w.expect("delivered", w.s.Delivered(ctx, w.m.mail[rapid.IntRange(0, n-1).Draw(w.t, "mail")]))
			}
		},
		"wait": func() {
			waits := rapid.SampledFrom([]api.WaitingCode{"", api.WaitingCodeMessages}).Draw(w.t, "waits")
			_, err := w.s.Append(ctx, w.runner(), api.RunnerAppendRequest{FirstIndex: w.nextIndex(), Report: api.RunnerReport{State: api.RunStateINPROGRESS, Waiting: waits}})
			w.expect("wait", err)
		},
		"client": func() {
			events := []api.ReportedEventType{api.ReportedEventTypeRunInProgress, api.ReportedEventTypeRunSucceeded, api.ReportedEventTypeRunFailed,
				api.ReportedEventTypeRunErrored, api.ReportedEventTypeRunBlocked, api.ReportedEventTypeRunCancelled}
			_, err := w.s.ReportEvent(ctx, person, id, api.ReportEventRequest{EventType: rapid.SampledFrom(events).Draw(w.t, "event")})
			w.expect("client", err)
		},
		"answer": func() {
			req := api.AnswerRequest{Decision: rapid.SampledFrom([]api.AnswerDecision{"", api.AnswerDecisionAllow, api.AnswerDecisionDeny}).Draw(w.t, "decision"), Text: "because"}
			_, err := w.s.Answer(ctx, person, id, rapid.SampledFrom([]string{"qa1", "qa2"}).Draw(w.t, "request"), req)
			w.expect("answer", err)
		},
		"explain": func() {
			w.expect("explain", w.s.Explain(ctx, id, api.WaitingCodeNoWorker, "No worker serves host local."))
		},
		"give up": func() {
			w.expect("give up", w.s.GiveUp(ctx, id, time.Minute))
		},
		"heartbeat": func() {
			_, _, err := w.s.Heartbeat(ctx, w.runner())
			w.expect("heartbeat", err)
		},
		"commands": func() {
			_, err := w.s.Commands(ctx, w.runner())
			w.expect("commands", err)
		},
		"time": func() { w.now = w.now.Add(time.Duration(rapid.IntRange(-30, 120).Draw(w.t, "seconds")) * time.Second) },
	}
}

func (w *world) nextIndex() int64 {
	if x := w.m.cur.Execution; x != nil {
		return x.NextIndex
	}
	return 0
}

func TestNoSequenceOfActsBreaksARun(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt)
		acts := w.acts()
		names := make([]string, 0, len(acts))
		for name := range acts {
			names = append(names, name)
		}
		slices.Sort(names)
		w.expect("create", nil)
		for _, name := range rapid.SliceOfN(rapid.SampledFrom(names), 1, 60).Draw(rt, "acts") {
			acts[name]()
		}
	})
}
