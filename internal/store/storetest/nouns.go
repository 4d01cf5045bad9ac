package storetest

import (
	"errors"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/session"
	"github.com/cadrehq/cadre/internal/usage"
)

func testCommands(b *bundle) {
	r := b.insert(nil)
	author := api.UserProfile{Type: api.UserProfileTypeUser, Uid: "u"}
	answer := &api.RunAnswer{Decision: api.AnswerDecisionAllow, AnsweredAt: noon, Choices: []string{"a"}}
	_, err := b.runs.Change(b.ctx, r.ID, func(run.Current) (run.Change, error) {
		return run.Change{Commands: []run.Command{
			{Kind: api.CommandKindFollowUp, Text: "more", Mode: api.RunModePlan, Author: author, CreatedAt: noon},
			{Kind: api.CommandKindAnswer, RequestID: "q1", Answer: answer, CreatedAt: noon},
		}}, nil
	})
	b.ok(err)
	want := []run.Command{
		{ID: 1, RunID: r.ID, Kind: api.CommandKindFollowUp, Text: "more", Mode: api.RunModePlan, Author: author, CreatedAt: noon},
		{ID: 2, RunID: r.ID, Kind: api.CommandKindAnswer, RequestID: "q1", Answer: answer, CreatedAt: noon},
	}
	got, err := b.runs.Commands(b.ctx, r.ID)
	b.ok(err)
	same(b, "commands", got, want)

	_, err = b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		same(b, "current commands", c.Commands, want)
		return run.Change{Consumed: []int64{1}, Commands: []run.Command{{Kind: api.CommandKindInterrupt}}}, nil
	})
	b.ok(err)
	got, err = b.runs.Commands(b.ctx, r.ID)
	b.ok(err)
	same(b, "commands left", []int64{got[0].ID, got[1].ID}, []int64{2, 3})
	if got[1].CreatedAt.IsZero() {
		b.Fatal("a command without a time did not get the store's")
	}
}

func testRequests(b *bundle) {
	r := b.insert(nil)
	ask := func(id, prompt string, seq int64) run.Request {
		return run.Request{Request: api.Request{ID: id, Kind: api.RequestKindQuestion, Prompt: prompt, Options: []string{"a"}},
			RunID: r.ID, Seq: seq, CreatedAt: noon}
	}
	first, second := ask("q1", "one?", 2), ask("q2", "two?", 3)
	_, err := b.runs.Change(b.ctx, r.ID, func(run.Current) (run.Change, error) {
		return run.Change{Requests: []run.Request{second, first}}, nil
	})
	b.ok(err)
	answered := first
	answered.Answer = &api.RunAnswer{Text: "yes", AnsweredAt: noon}
	again := ask("q2", "two, really?", 5)
	_, err = b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		same(b, "open requests", c.Requests, []run.Request{first, second})
		return run.Change{Answered: []run.Request{answered}, Requests: []run.Request{again}}, nil
	})
	b.ok(err)
	got, err := b.runs.Requests(b.ctx, r.ID)
	b.ok(err)
	same(b, "requests", got, []run.Request{answered, again})
	_, err = b.runs.Change(b.ctx, r.ID, func(c run.Current) (run.Change, error) {
		same(b, "still open", c.Requests, []run.Request{again})
		return run.Change{}, nil
	})
	b.ok(err)
}

func testArtifacts(b *bundle) {
	one, two, none := b.insert(nil), b.insert(nil), b.insert(nil)
	put := func(r run.Run, kind api.ArtifactType, at time.Time) run.Artifact {
		a := run.Artifact{UID: newID(), RunID: r.ID, Type: kind, CreatedAt: at, BlobID: "blob",
			Data: api.ArtifactData{Title: "t", SizeBytes: 5, Metadata: raw(`{"k":1}`)}}
		_, err := b.runs.Change(b.ctx, r.ID, func(run.Current) (run.Change, error) {
			return run.Change{Events: has, Artifacts: []run.Artifact{a}}, nil
		})
		b.ok(err)
		return a
	}
	late := put(one, api.ArtifactTypeFILE, noon.Add(time.Hour))
	early := put(one, api.ArtifactTypePLAN, noon)
	other := put(two, api.ArtifactTypePULLREQUEST, noon)

	got, err := b.runs.Artifacts(b.ctx, one.ID, two.ID, none.ID)
	b.ok(err)
	same(b, "artifacts", got, map[string][]run.Artifact{one.ID: {early, late}, two.ID: {other}})
	got, err = b.runs.Artifacts(b.ctx)
	b.ok(err)
	same(b, "artifacts of nothing", len(got), 0)
	a, err := b.runs.Artifact(b.ctx, late.UID)
	b.ok(err)
	same(b, "artifact", a, late)
}

func testChildren(b *bundle) {
	parent, lonely := b.insert(nil), b.insert(nil)
	var want []string
	for i := range 3 {
		c := b.insert(func(n *run.New) {
			n.Run.ParentID, n.Run.CreatedAt = parent.ID, noon.Add(-time.Duration(i)*time.Minute)
		})
		want = append([]string{c.ID}, want...)
	}
	got, err := b.runs.Children(b.ctx, parent.ID, lonely.ID)
	b.ok(err)
	same(b, "children", got, map[string][]string{parent.ID: want})
}

func testWorking(b *bundle) {
	for i, state := range api.AllRunStates {
		for _, location := range []api.RunExecutionLocation{api.RunExecutionLocationREMOTE, api.RunExecutionLocationLOCAL} {
			b.insert(func(n *run.New) {
				n.Run.State, n.Run.Live, n.Run.Location = state, i > 0, location
			})
		}
	}
	b.insert(func(n *run.New) { n.Run.State, n.Run.Live, n.Run.TeamUID = api.RunStatePENDING, true, blue.UID })
	for atMost, want := range map[int]int{0: 3, 2: 2, 5: 3} {
		n, err := b.runs.Working(b.ctx, red.UID, atMost)
		b.ok(err)
		same(b, "working", n, want)
	}
}

func testEntries(b *bundle) {
	r := b.insert(nil)
	var entries []api.NewEntry
	for range 150 { // more than one chunk of every size
		entries = append(entries, note("x"))
	}
	done, err := b.runs.Change(b.ctx, r.ID, func(run.Current) (run.Change, error) {
		return run.Change{Entries: entries, By: 4}, nil
	})
	b.ok(err)
	same(b, "numbers", []int64{done.FirstSeq, done.LastSeq}, []int64{2, 151})
	page, err := b.sessions.Entries(b.ctx, r.ID, 100, 20)
	b.ok(err)
	for i, e := range page {
		same(b, "number", e.Seq, int64(101+i))
		same(b, "execution", e.Execution, 4)
	}
	same(b, "page", len(page), 20)
	head, err := b.sessions.Head(b.ctx, r.ID)
	b.ok(err)
	same(b, "head", head.LastSeq, 151)
	same(b, "state", head.State, api.RunStateQUEUED)
	other := b.insert(nil)
	_, err = b.runs.Change(b.ctx, other.ID, func(c run.Current) (run.Change, error) {
		c.Run.Execution, c.Run.Live = 3, true
		return run.Change{Run: &c.Run, Commands: []run.Command{{Kind: api.CommandKindInterrupt}}}, nil
	})
	b.ok(err)
	heads, err := b.sessions.Heads(b.ctx, []string{other.ID, newID(), r.ID})
	b.ok(err)
	same(b, "heads", heads, map[string]session.Head{
		r.ID:     head,
		other.ID: {LastSeq: 1, State: api.RunStateQUEUED, Live: true, Execution: 3, LastCommand: 1},
	})
}

func testLedger(b *bundle) {
	r := b.insert(nil)
	call := usage.Call{ID: newID(), RunID: r.ID, ExecutionID: "x1", Execution: 1, TeamUID: red.UID, Provider: "anthropic",
		ModelID: "m", Tokens: usage.Tokens{Input: 10, Output: 20, CacheRead: 30, CacheWrite: 40},
		Cost:   usage.Cost{Input: 0.1, Output: 0.2, CacheRead: 0.3, CacheWrite: 0.4},
		Priced: true, StartedAt: noon, Duration: 1500 * time.Millisecond, Status: 200}
	unpriced := usage.Call{ID: newID(), RunID: r.ID, TeamUID: red.UID, Provider: "local", ModelID: "x",
		Tokens: usage.Tokens{Input: 1}, StartedAt: noon.Add(time.Second), Status: 529, Error: "overloaded"}
	for _, c := range []usage.Call{call, unpriced, call, call} {
		b.ok(b.ledger.Record(b.ctx, c))
	}
	got, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "totals", got.Usage, run.Totals{InputTokens: 11, OutputTokens: 20, CacheReadTokens: 30, CacheWriteTokens: 40,
		InputUSD: 0.1, OutputUSD: 0.2, CacheReadUSD: 0.3, CacheWriteUSD: 0.4, Unpriced: 1})
	calls, err := b.ledger.Calls(b.ctx, r.ID)
	b.ok(err)
	same(b, "calls", calls, []usage.Call{call, unpriced})

	b.change(r.ID, func(r *run.Run) { r.State, r.Usage = api.RunStateFAILED, run.Totals{} })
	after, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "totals after a move", after.Usage, got.Usage)
	lost := call
	lost.ID, lost.RunID = newID(), newID()
	b.code(b.ledger.Record(b.ctx, lost), api.PlatformErrorCodeResourceNotFound)
}

func testLedgerConcurrent(b *bundle) {
	r := b.insert(nil)
	each(clients, func(i int) {
		c := usage.Call{ID: "call-" + string(rune('a'+i%32)), RunID: r.ID, Tokens: usage.Tokens{Input: 1}, Priced: true}
		if err := b.ledger.Record(b.ctx, c); err != nil {
			b.Error(err)
		}
	})
	got, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "each call counted once", got.Usage.InputTokens, 32)
}

func testEnvironmentLastRuns(b *bundle) {
	in := func(env string, at time.Time) run.Run {
		return b.insert(func(n *run.New) {
			n.Run.Config.EnvironmentId, n.Run.CreatedAt, n.Run.StartedAt = env, at, at.Add(time.Second)
		})
	}
	in("e1", noon)
	last := in("e1", noon.Add(time.Minute))
	in("", noon)
	got, err := b.environments.LastRuns(b.ctx, []string{"e1", "e2", ""})
	b.ok(err)
	same(b, "last runs", got, map[string]api.EnvironmentLastTask{"e1": {Id: last.ID, Title: last.Title, State: last.State,
		CreatedAt: last.CreatedAt, UpdatedAt: last.UpdatedAt, StartedAt: last.StartedAt}})
}

func testLastOfSkills(b *bundle) {
	ran := func(skill string, o identity.Owner, at time.Time) {
		b.insert(func(n *run.New) { n.Run.Skill, n.Run.Owner, n.Run.CreatedAt = skill, o, at })
	}
	team := identity.Owner{Type: api.ScopeTypeTeam, UID: red.UID}
	own := identity.Owner{Type: api.ScopeTypeUser, UID: "somebody"}
	ran("o/r:a", team, noon)
	ran("o/r:a", team, noon.Add(time.Minute))
	ran("o/r:a", own, noon.Add(time.Hour))
	ran("o/r:b", own, noon)
	ran("o/r:b", team, noon.Add(time.Minute))
	last := func(skills []string, owners ...identity.Owner) map[string]time.Time {
		got, err := b.environments.LastOfSkills(b.ctx, owners, skills)
		b.ok(err)
		return got
	}
	same(b, "of the team", last([]string{"o/r:a", "o/r:b", "o/r:c"}, team), map[string]time.Time{"o/r:a": noon.Add(time.Minute), "o/r:b": noon.Add(time.Minute)})
	same(b, "of both", last([]string{"o/r:a"}, team, own), map[string]time.Time{"o/r:a": noon.Add(time.Hour)})
	same(b, "of nobody", last([]string{"o/r:a"}), map[string]time.Time{})
}

// testStoredBytes: what a run stores is counted with it, and bounded.
func testStoredBytes(b *bundle) {
	r := b.insert(nil)
	m := func(id string, size int64) blob.Meta {
		return blob.Meta{ID: id, RunID: r.ID, Kind: api.BlobKindSnapshot, Size: size, CreatedAt: noon}
	}
	stored := func() int64 {
		got, err := b.runs.Get(b.ctx, r.ID)
		b.ok(err)
		return got.BlobBytes
	}
	first := newID()
	b.ok(b.blobs.Insert(b.ctx, m(first, 5000), 12288))
	same(b, "two blocks", stored(), int64(8192))
	if err := b.blobs.Insert(b.ctx, m(newID(), 4096), 12288); !errors.Is(err, blob.ErrFull) {
		b.Errorf("one block too many: %v", err)
	}
	b.ok(b.blobs.Insert(b.ctx, m(newID(), 4095), 12288))
	same(b, "to the last byte", stored(), int64(12288))
	if err := b.blobs.Insert(b.ctx, m(newID(), 0), 12288); !errors.Is(err, blob.ErrFull) {
		b.Errorf("an empty blob beyond it: %v", err)
	}
	list, err := b.blobs.ByRun(b.ctx, r.ID)
	b.ok(err)
	same(b, "rows", len(list), 2)

	// A decision drops what nothing refers to any more, and counts its entries; a blob of another run
	// stays, whoever names it.
	b.ok(b.blobs.Insert(b.ctx, blob.Meta{ID: "of-another", RunID: "another", CreatedAt: noon}, 0))
	_, err = b.runs.Change(b.ctx, r.ID, func(cur run.Current) (run.Change, error) {
		next := cur.Run
		next.LastSeq, next.EntryBytes, next.BlobBytes = next.LastSeq+1, 777, 1
		return run.Change{Run: &next, Entries: []api.NewEntry{api.MakeEntry(noon, api.AgentMessage{Text: "x"})}, Dropped: []string{first, "of-another", "unknown"}}, nil
	})
	b.ok(err)
	same(b, "after the drop", stored(), int64(4096))
	got, err := b.runs.Get(b.ctx, r.ID)
	b.ok(err)
	same(b, "entries", got.EntryBytes, int64(777))
	_, err = b.blobs.Get(b.ctx, first)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	_, err = b.blobs.Get(b.ctx, "of-another")
	b.ok(err)
}

func testBlobs(b *bundle) {
	put := func(id, runID string, at time.Time) blob.Meta {
		m := blob.Meta{ID: id, RunID: runID, Kind: api.BlobKindOutput, Name: "out", MimeType: "text/plain", Size: 1 << 40, CreatedAt: at}
		b.ok(b.blobs.Insert(b.ctx, m, 0))
		return m
	}
	late, early := put("b1", "r1", noon.Add(time.Second)), put("b2", "r1", noon)
	put("b3", "", noon)
	got, err := b.blobs.Get(b.ctx, "b1")
	b.ok(err)
	same(b, "blob", got, late)
	list, err := b.blobs.ByRun(b.ctx, "r1")
	b.ok(err)
	same(b, "blobs", list, []blob.Meta{early, late})
	_, err = b.blobs.Get(b.ctx, "b9")
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	b.code(b.blobs.Insert(b.ctx, late, 0), api.PlatformErrorCodeConflict)
}

func testSpendings(b *bundle) {
	at := func(hour int, owner identity.Owner) run.Run {
		return b.insert(func(n *run.New) {
			n.Run.Owner, n.Run.CreatedAt, n.Run.Config.Name = owner, noon.Add(time.Duration(hour)*time.Hour), "fixer"
		})
	}
	blue := identity.Owner{Type: api.ScopeTypeTeam, UID: "blue"}
	first := at(0, red)
	at(1, blue)
	at(2, red)
	b.change(first.ID, func(r *run.Run) { r.State, r.Active = api.RunStateFAILED, time.Minute })
	b.ok(b.ledger.Record(b.ctx, usage.Call{ID: newID(), RunID: first.ID, Tokens: usage.Tokens{Input: 1, Output: 2, CacheRead: 3, CacheWrite: 4},
		Cost: usage.Cost{Input: 1, Output: 2, CacheRead: 3, CacheWrite: 4}, StartedAt: noon}))
	got, err := b.spendings.Spent(b.ctx, red, api.UsageByName, noon, noon.Add(2*time.Hour))
	b.ok(err)
	same(b, "spent", got, []usage.Spent{{CreatedAt: noon, State: api.RunStateFAILED, Worked: time.Minute, Tokens: 10, USD: 10, Unpriced: 1, Key: "fixer", RunID: first.ID}})
	names, err := b.spendings.Names(b.ctx, api.UsageByCreator, []string{first.ID, newID()})
	b.ok(err)
	same(b, "names", names, map[string]string{first.ID: first.Creator.DisplayName})
	for by := range map[api.UsageBy]bool{api.UsageByDay: true, api.UsageByCreator: true, api.UsageByExecutor: true, api.UsageByModel: true,
		api.UsageBySource: true, api.UsageByEnvironment: true, api.UsageByHarness: true, api.UsageBySchedule: true} {
		all, err := b.spendings.Spent(b.ctx, red, by, noon, noon.Add(3*time.Hour))
		b.ok(err)
		if len(all) != 2 {
			b.Errorf("by %s: %d runs", by, len(all))
		}
	}
}
