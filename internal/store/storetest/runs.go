package storetest

import (
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// fullRun has a value in every member.
func fullRun() run.New {
	n := plainRun()
	r := &n.Run
	minutes := int32(7)
	r.Message, r.ErrorCode, r.Retryable = "working on it", api.PlatformErrorCodeInternalError, true
	r.Waiting = api.RunWaiting{Code: api.WaitingCodeNoWorker, Message: "nobody serves the host", Since: noon.Add(time.Second)}
	r.ParentID, r.ConversationID, r.SessionID = newID(), newID(), newID()
	r.Config = api.AmbientAgentConfig{
		Name: "fixer", ModelId: "scripted", EnvironmentId: "env-1234567890123456789", WorkerHost: "local",
		Harness: api.Harness{Type: api.HarnessTypeOz}, IdleTimeoutMinutes: &minutes, Skills: []string{"a", "b"},
	}
	r.Skill, r.ScheduleID = "org/repo:fix", "sched-1"
	r.Metadata = map[string]string{"ticket_id": "T-1", "ü": "日本"}
	r.Interactive, r.NoSnapshot = true, true
	r.Attachments = []run.Attachment{{ID: "a1", FileName: "x.png", MimeType: "image/png", BlobID: "b1", Size: 12}}
	r.StartedAt, r.EndedAt = noon.Add(2*time.Second), noon.Add(3*time.Second)
	r.Active, r.ActiveAt = 1234567*time.Microsecond, noon.Add(4*time.Second)
	r.Attempts = 2
	r.Usage = run.Totals{InputTokens: 1 << 40, OutputTokens: 2, CacheReadTokens: 3, CacheWriteTokens: 4,
		InputUSD: 0.125, OutputUSD: 0.25, CacheReadUSD: 0.5, CacheWriteUSD: 1, Unpriced: 5}
	return n
}

func testInsert(b *bundle) {
	n := fullRun()
	n.Entries = append(n.Entries, api.NewEntry{Type: api.EntryTypeNotice, Data: raw(`{"level":"info","text":"héllo\u0000 \\ 'x'"}`)})
	before := time.Now().Add(-time.Second)
	b.ok(b.runs.Insert(b.ctx, n))

	want := n.Run
	want.LastSeq = 2
	got, err := b.runs.Get(b.ctx, n.Run.ID)
	b.ok(err)
	same(b, "run", got, want)

	entries, err := b.sessions.Entries(b.ctx, n.Run.ID, 0, 10)
	b.ok(err)
	if len(entries) != 2 || entries[0].Seq != 1 || entries[1].Seq != 2 {
		b.Fatalf("entries %+v, want numbers 1 and 2", entries)
	}
	same(b, "first entry", entries[0], api.Entry{Seq: 1, Type: n.Entries[0].Type, CreatedAt: noon, Data: n.Entries[0].Data})
	same(b, "data of the second entry", string(entries[1].Data), string(n.Entries[1].Data))
	if entries[1].CreatedAt.Before(before) {
		b.Fatalf("an entry without a time got %v, want the store's clock", entries[1].CreatedAt)
	}

	events, err := b.runs.Events(b.ctx, n.Run.ID)
	b.ok(err)
	same(b, "events", events, []run.Event{{Seq: 1, RunID: n.Run.ID, TeamUID: red.UID, Type: run.EventCreated,
		State: api.RunStateQUEUED, At: noon}})
}

func testInsertTwice(b *bundle) {
	n := plainRun()
	b.ok(b.runs.Insert(b.ctx, n))
	again := n
	again.Run.Title = "another"
	b.code(b.runs.Insert(b.ctx, again), api.PlatformErrorCodeConflict)

	got, err := b.runs.Get(b.ctx, n.Run.ID)
	b.ok(err)
	same(b, "title", got.Title, n.Run.Title)
	events, err := b.events.After(b.ctx, 0, 10)
	b.ok(err)
	same(b, "events", len(events), 1)
}

func testInsertLocal(b *bundle) {
	n := plainRun()
	n.Run.Location, n.Run.State = api.RunExecutionLocationLOCAL, api.RunStateINPROGRESS
	n.Run.Execution, n.Run.Live = 1, true
	x := run.Execution{ID: newID(), RunID: n.Run.ID, Number: 1, State: run.ExecutionStarted, Host: "laptop",
		Backend: "direct", LeaseUntil: noon.Add(time.Minute), CreatedAt: noon, ClaimedAt: noon, StartedAt: noon,
		NextIndex: 3, Acted: true, Snapshot: "snap", SnapshotSeq: 7}
	n.Execution = &x
	n.Event.ExecutionID, n.Event.Data = x.ID, raw(`{"a":1}`)
	b.ok(b.runs.Insert(b.ctx, n))

	list, err := b.runs.Executions(b.ctx, n.Run.ID)
	b.ok(err)
	same(b, "executions", list, []run.Execution{x})
	_, err = b.runs.Change(b.ctx, n.Run.ID, func(c run.Current) (run.Change, error) {
		same(b, "current execution", c.Execution, &x)
		return run.Change{}, nil
	})
	b.ok(err)
	events, err := b.events.After(b.ctx, 0, 10)
	b.ok(err)
	same(b, "event data", string(events[0].Data), `{"a":1}`)
	same(b, "event execution", events[0].ExecutionID, x.ID)
}

func testGetUnknown(b *bundle) {
	_, err := b.runs.Get(b.ctx, newID())
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.sessions.Head(b.ctx, newID())
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.runs.Artifact(b.ctx, newID())
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	entries, err := b.sessions.Entries(b.ctx, newID(), 0, 10)
	b.ok(err)
	same(b, "entries", len(entries), 0)
}

func testChangeEverything(b *bundle) {
	r := b.insert(nil)
	x := b.assign(r.ID, "conn-1", noon.Add(18*time.Second))

	var next run.Run
	x2 := x
	done, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		same(b, "current execution", c.Execution, &x)
		next = c.Run
		next.Host, next.SessionID = "other", newID()
		next.State, next.Message, next.ErrorCode, next.Retryable = api.RunStateINPROGRESS, "at it", "", true
		next.Waiting = api.RunWaiting{Code: api.WaitingCodeNoWorker, Message: "m", Since: noon.Add(time.Minute)}
		next.UpdatedAt, next.QueuedAt = noon.Add(time.Hour), noon.Add(2*time.Hour)
		next.StartedAt, next.EndedAt = noon.Add(3*time.Hour), noon.Add(4*time.Hour)
		next.Active, next.ActiveAt, next.Attempts = time.Minute, noon.Add(5*time.Hour), 3
		x2.State, x2.ClaimedAt, x2.StartedAt = run.ExecutionStarted, noon.Add(time.Second), noon.Add(2*time.Second)
		x2.NextIndex, x2.Acted, x2.LeaseUntil, x2.Snapshot, x2.SnapshotSeq = 2, true, noon.Add(time.Hour), "snap", 2
		return run.Change{
			Run: &next, Execution: &x2, By: 1, Entries: []api.NewEntry{note("one"), note("two")},
			Events:    []run.Event{{Type: run.EventInProgress, State: next.State, ExecutionID: x.ID, At: noon, RefID: "ref", Message: "msg"}, has[0]},
			Commands:  []run.Command{{Kind: api.CommandKindFollowUp, Text: "go on", CreatedAt: noon}},
			Requests:  []run.Request{{Request: api.Request{ID: "q1", Kind: api.RequestKindQuestion, Prompt: "which?"}, Seq: 3, CreatedAt: noon}},
			Artifacts: []run.Artifact{{UID: newID(), Type: api.ArtifactTypeFILE, CreatedAt: noon, Data: api.ArtifactData{Filename: "f"}}},
		}, nil
	})
	b.ok(err)
	next.LastSeq = 3
	same(b, "changed", done, run.Changed{Run: next, Execution: &x2, FirstSeq: 2, LastSeq: 3})

	got, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "stored run", got, next)
	entries, err := b.sessions.Entries(b.ctx, r.ID, 1, 10)
	b.ok(err)
	same(b, "entries", entries, []api.Entry{
		{Seq: 2, Type: api.EntryTypeNotice, CreatedAt: noon, Execution: 1, Data: note("one").Data},
		{Seq: 3, Type: api.EntryTypeNotice, CreatedAt: noon, Execution: 1, Data: note("two").Data},
	})
	list, err := b.runs.Executions(b.ctx, r.ID)
	b.ok(err)
	same(b, "executions", list, []run.Execution{x2})
	events, err := b.runs.Events(b.ctx, r.ID)
	b.ok(err)
	same(b, "events", events[2], run.Event{Seq: 3, RunID: r.ID, TeamUID: red.UID, ExecutionID: x.ID,
		Type: run.EventInProgress, State: next.State, Message: "msg", RefID: "ref", At: noon})
	_, err = b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		same(b, "current run", c.Run, next)
		same(b, "commands", c.Commands, []run.Command{{ID: 1, RunID: r.ID, Kind: api.CommandKindFollowUp, Text: "go on", CreatedAt: noon}})
		same(b, "requests", len(c.Requests), 1)
		return run.Change{}, nil
	})
	b.ok(err)
}

func testChangeRefused(b *bundle) {
	r := b.insert(nil)
	refusal := errors.New("no")
	done, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		c.Run.State = api.RunStateCANCELLED
		return run.Change{Run: &c.Run, Entries: []api.NewEntry{note("x")}}, refusal
	})
	if err != refusal {
		b.Fatalf("error is %v, want the decision's own", err)
	}
	same(b, "changed", done, run.Changed{})
	b.unchanged(r)
}

// unchanged fails the test unless the run is as it was inserted.
func (b *bundle) unchanged(r run.Run) {
	b.Helper()
	got, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "run", got, r)
	entries, err := b.sessions.Entries(b.ctx, r.ID, 0, 10)
	b.ok(err)
	same(b, "entries", len(entries), 1)
	events, err := b.runs.Events(b.ctx, r.ID)
	b.ok(err)
	same(b, "events", len(events), 1)
	same(b, "notices", len(b.notices.of(r.ID)), 1)
}

// testChangeFailsLate: a change whose last part cannot be stored stores nothing of the rest.
func testChangeFailsLate(b *bundle) {
	other := b.insert(nil)
	taken := newID()
	_, err := b.runs.Change(b.ctx, other.ID, func(run.Current) (run.Change, error) {
		return run.Change{Events: has, Artifacts: []run.Artifact{{UID: taken, Type: api.ArtifactTypeFILE}}}, nil
	})
	b.ok(err)

	r := b.insert(nil)
	_, err = b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		c.Run.State = api.RunStateCANCELLED
		return run.Change{
			Run: &c.Run, Entries: []api.NewEntry{note("x")}, Events: []run.Event{{Type: run.EventCancelled}, has[0]},
			Commands:  []run.Command{{Kind: api.CommandKindCancel}},
			Artifacts: []run.Artifact{{UID: taken, Type: api.ArtifactTypeFILE}},
		}, nil
	})
	b.code(err, api.PlatformErrorCodeConflict)
	b.unchanged(r)
	commands, err := b.runs.Commands(b.ctx, r.ID)
	b.ok(err)
	same(b, "commands", len(commands), 0)
}

func testChangeUnknown(b *bundle) {
	_, err := b.runs.Change(b.ctx, newID(), func(run.Current) (run.Change, error) {
		b.Error("decided on a run that does not exist")
		return run.Change{}, nil
	})
	b.code(err, api.PlatformErrorCodeResourceNotFound)
}

func testChangeNothing(b *bundle) {
	r := b.insert(nil)
	done, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		return run.Change{Run: &c.Run}, nil
	})
	b.ok(err)
	same(b, "changed", done, run.Changed{Run: r, FirstSeq: 1, LastSeq: 1})
	b.unchanged(r)
}

func testChangeMovesTheList(b *bundle) {
	first := b.insert(nil)
	second := b.insert(func(n *run.New) { n.Run.UpdatedAt = noon.Add(time.Second) })
	b.change(first.ID, func(r *run.Run) { r.State, r.UpdatedAt = api.RunStateFAILED, noon.Add(time.Minute) })
	same(b, "order", b.ids(run.Query{TeamUIDs: []string{red.UID}}), []string{first.ID, second.ID})
}

// testChangeUnheard: what lists remember does not change without an event to tell them.
func testChangeUnheard(b *bundle) {
	r := b.insert(nil)
	for what, edit := range map[string]func(*run.Change){
		"title":    func(c *run.Change) { c.Run.Title, c.Events = "another", has },
		"state":    func(c *run.Change) { c.Run.State = api.RunStateFAILED },
		"time":     func(c *run.Change) { c.Run.UpdatedAt = noon.Add(time.Minute) },
		"artifact": func(c *run.Change) { c.Artifacts = []run.Artifact{{UID: newID(), Type: api.ArtifactTypeFILE}} },
	} {
		_, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
			change := run.Change{Run: &c.Run}
			edit(&change)
			return change, nil
		})
		if err == nil {
			b.Errorf("another %s was stored, and nobody told", what)
		}
	}
	b.unchanged(r)
}

// testChangeFenced: a decision sees the latest execution, so that an older one is refused.
func testChangeFenced(b *bundle) {
	r := b.insert(nil)
	first := b.assign(r.ID, "conn-1", noon)
	second := b.assign(r.ID, "conn-2", noon)
	stale := api.Fail(api.PlatformErrorCodeConflict, "superseded")
	_, err := b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		if c.Execution.ID == first.ID {
			b.Error("the first execution still counts as the latest")
		}
		same(b, "latest", c.Execution.ID, second.ID)
		return run.Change{Entries: []api.NewEntry{note("late")}}, stale
	})
	if !errors.Is(err, stale) {
		b.Fatalf("error is %v, want the refusal", err)
	}
	head, err := b.sessions.Head(b.ctx, r.ID)
	b.ok(err)
	same(b, "last entry", head.LastSeq, 1)
	list, err := b.runs.Executions(b.ctx, r.ID)
	b.ok(err)
	same(b, "executions", list, []run.Execution{first, second})
}

// testChangeKeepsLease: a decision that does not speak of the lease does not undo a renewal.
func testChangeKeepsLease(b *bundle) {
	r := b.insert(nil)
	x := b.assign(r.ID, "conn-1", noon)
	_, err := b.dispatch.Renew(b.ctx, []string{x.ID}, noon.Add(time.Minute))
	b.ok(err)
	_, err = b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		x := *c.Execution
		x.NextIndex++
		return run.Change{Execution: &x}, nil
	})
	b.ok(err)
	list, err := b.runs.Executions(b.ctx, r.ID)
	b.ok(err)
	same(b, "lease", list[0].LeaseUntil, noon.Add(time.Minute))
	same(b, "next index", list[0].NextIndex, 1)
}

func testBadText(b *bundle) {
	for _, title := range []string{"nul \x00 inside", "not \xff utf-8"} {
		n := plainRun()
		n.Run.Title = title
		err := b.runs.Insert(b.ctx, n)
		if err == nil {
			continue // the engine keeps it
		}
		b.code(err, api.PlatformErrorCodeInvalidRequest)
	}
	b.insert(nil) // and nobody else suffers
}
