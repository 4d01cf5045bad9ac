package run_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/run"
)

func messages(texts ...string) (all []api.NewEntry) {
	for _, s := range texts {
		all = append(all, api.NewEntry{Type: api.EntryTypeAgentMessage, Data: json.RawMessage(`{"text":"` + s + `"}`)})
	}
	return all
}

func TestAppendIsIdempotentAndGapless(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	before := b.get(r.ID).LastSeq
	send := func(first int64, texts ...string) (run.Changed, error) {
		return b.s.Append(b.ctx, tok, api.RunnerAppendRequest{FirstIndex: first, Entries: messages(texts...)})
	}
	for _, batch := range []struct {
		first int64
		texts []string
		next  int64
	}{
		{0, []string{"a", "b"}, 2},
		{0, []string{"a", "b"}, 2},      // lost answer
		{1, []string{"b", "c", "d"}, 4}, // half of it was stored
		{4, nil, 4},
	} {
		done, err := send(batch.first, batch.texts...)
		b.ok(err)
		if done.Execution.NextIndex != batch.next || done.Run.LastSeq != before+batch.next {
			t.Fatalf("after %v: next %d, last %d", batch, done.Execution.NextIndex, done.Run.LastSeq)
		}
	}
	var gap *run.GapError
	if _, err := send(5, "x"); !errors.As(err, &gap) || gap.Want != 4 || api.CodeOf(err) != api.PlatformErrorCodeConflict {
		t.Errorf("gap: %v", err)
	}
	var said []string
	for _, e := range b.entries(r.ID)[before:] {
		said = append(said, data[api.AgentMessage](t, e).Text)
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, said); diff != "" {
		t.Errorf("stored: %s", diff)
	}
}

func TestAppendIsFenced(t *testing.T) {
	b := newBench(t, nil)
	r, old := b.in(api.RunStateINPROGRESS, true)
	b.report(old, api.RunnerReport{}, api.AgentMessage{Text: "x"})
	b.ok(b.s.Lost(b.ctx, r.ID, old.ExecutionID, "gone"))
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeWorkerLost)
	now := b.working(r)
	acts := map[string]func() error{
		"append":   func() error { _, err := b.append(old, api.RunnerReport{}, api.AgentMessage{}); return err },
		"report":   func() error { _, err := b.append(old, api.RunnerReport{State: api.RunStateFAILED}); return err },
		"start":    func() error { _, _, err := b.s.Start(b.ctx, old, api.RunnerStartRequest{}); return err },
		"end":      func() error { return b.s.End(b.ctx, old, api.RunnerEndRequest{}) },
		"commands": func() error { _, err := b.s.Commands(b.ctx, old); return err },
		"claim":    func() error { return b.s.Claim(b.ctx, r.ID, old.ExecutionID, b.clock()) },
		"heartbeat": func() error {
			_, _, err := b.s.Heartbeat(b.ctx, old)
			return err
		},
	}
	for name, act := range acts {
		err := act()
		var f *api.Failure
		if !errors.Is(err, run.ErrFenced) || !errors.As(err, &f) || f.Retryable == nil || *f.Retryable {
			t.Errorf("%s by a superseded execution: %v", name, err)
		}
	}
	// What a worker says of it is simply late.
	b.ok(b.s.Exited(b.ctx, r.ID, old.ExecutionID, run.Exit{Reason: "container_oom"}))
	b.ok(b.s.Lost(b.ctx, r.ID, old.ExecutionID, "again"))
	b.ok(b.s.Reject(b.ctx, r.ID, now.ExecutionID, "too late to refuse"))
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
}

func TestAppendRefusesHostileEntries(t *testing.T) {
	b := newBench(t, nil)
	_, tok := b.in(api.RunStateINPROGRESS, true)
	entry := func(kind api.EntryType, data string) api.RunnerAppendRequest {
		return api.RunnerAppendRequest{Entries: []api.NewEntry{{Type: kind, Data: json.RawMessage(data)}}}
	}
	report := func(r api.RunnerReport) api.RunnerAppendRequest { return api.RunnerAppendRequest{Report: r} }
	cases := map[string]struct {
		req   api.RunnerAppendRequest
		field string
	}{
		"negative index":       {api.RunnerAppendRequest{FirstIndex: -1}, "first_index"},
		"too many":             {api.RunnerAppendRequest{Entries: make([]api.NewEntry, 257)}, "entries"},
		"too large":            {entry(api.EntryTypeAgentMessage, `{"text":"`+strings.Repeat("x", 256<<10)+`"}`), "entries[0].data"},
		"a state":              {entry(api.EntryTypeState, `{"to":"SUCCEEDED"}`), "entries[0].type"},
		"an answer":            {entry(api.EntryTypeAnswer, `{"request_id":"q","decision":"allow"}`), "entries[0].type"},
		"an execution":         {entry(api.EntryTypeExecution, `{}`), "entries[0].type"},
		"unknown type":         {entry("surprise", `{}`), "entries[0]"},
		"no JSON":              {entry(api.EntryTypeAgentMessage, `{"text":`), "entries[0].data"},
		"no object":            {entry(api.EntryTypeAgentMessage, `["text"]`), "entries[0].data"},
		"wrong shape":          {entry(api.EntryTypeAgentMessage, `{"text":{}}`), "entries[0].data.text"},
		"request without id":   {entry(api.EntryTypeRequest, `{"kind":"question"}`), "entries[0].data.id"},
		"request kind":         {entry(api.EntryTypeRequest, `{"id":"q","kind":"ransom"}`), "entries[0].data.kind"},
		"artifact type":        {entry(api.EntryTypeArtifact, `{"artifact_type":"VIRUS","data":{}}`), "entries[0].data.artifact_type"},
		"script as link":       {entry(api.EntryTypeArtifact, `{"artifact_type":"PULL_REQUEST","data":{"url":"javascript:alert(1)","branch":"b"}}`), "entries[0].data.data.url"},
		"file without content": {entry(api.EntryTypeArtifact, `{"artifact_type":"FILE","data":{"filepath":"a"}}`), "entries[0].data.blob"},
		"blob of nobody":       {entry(api.EntryTypeActionResult, `{"action_id":"a","name":"bash","state":"completed","blob":"none-such"}`), "entries[0].data.blob"},
		"state not reportable": {report(api.RunnerReport{State: api.RunStateQUEUED}), "report.state"},
		"unknown state":        {report(api.RunnerReport{State: "DANCING"}), "report.state"},
		"unknown code":         {report(api.RunnerReport{State: api.RunStateFAILED, ErrorCode: "oops"}), "report.error_code"},
		"unknown wait":         {report(api.RunnerReport{State: api.RunStateBLOCKED, Waiting: "coffee"}), "report.waiting"},
	}
	for name, c := range cases {
		_, err := b.s.Append(b.ctx, tok, c.req)
		wantFailure(t, name, err, api.PlatformErrorCodeInvalidRequest, c.field)
	}
	claimed, tok := b.in(api.RunStateCLAIMED, true)
	_, err := b.append(tok, api.RunnerReport{State: api.RunStateSUCCEEDED})
	wantFailure(t, "success without work", err, api.PlatformErrorCodeInvalidRequest, "report.state")
	_, err = b.append(tok, api.RunnerReport{}, api.Request{ID: "q", Kind: api.RequestKindQuestion})
	wantFailure(t, "a question before work", err, api.PlatformErrorCodeInvalidRequest, "")
	b.wantState(claimed.ID, api.RunStateCLAIMED, api.WaitingCodeStarting)
}

func TestArtifacts(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	other, _ := b.in(api.RunStateINPROGRESS, true)
	file := func(runID string) string {
		m, err := b.blobs.Put(b.ctx, blob.Meta{RunID: runID, Kind: api.BlobKindArtifact}, strings.NewReader("12345"), 5)
		b.ok(err)
		return m.ID
	}
	_, err := b.append(tok, api.RunnerReport{}, api.ArtifactReport{ArtifactType: api.ArtifactTypeFILE, Blob: file(other.ID), Data: api.ArtifactData{Filepath: "x"}})
	wantFailure(t, "another run's blob", err, api.PlatformErrorCodeInvalidRequest, "entries[0].data.blob")

	b.report(tok, api.RunnerReport{},
		api.ArtifactReport{ArtifactType: api.ArtifactTypeFILE, Blob: file(r.ID), Data: api.ArtifactData{Filepath: "out/fix.patch", SizeBytes: 1 << 40, ArtifactUid: "mine"}},
		api.ArtifactReport{ArtifactType: api.ArtifactTypePULLREQUEST, Data: api.ArtifactData{Url: "https://forge.example/pull/1", Branch: "fix"}},
	)
	list, err := b.s.Artifacts(b.ctx, reader, r.ID)
	b.ok(err)
	if len(list) != 2 {
		t.Fatalf("artifacts %+v", list)
	}
	patch := list[0]
	if patch.Type != api.ArtifactTypeFILE {
		patch = list[1]
	}
	d := patch.Data
	if d.Filename != "fix.patch" || d.SizeBytes != 5 || d.MimeType != "application/octet-stream" || d.ArtifactUid != patch.UID || patch.UID == "mine" {
		t.Errorf("file %+v", patch)
	}
	if e := data[api.ArtifactReport](t, b.entries(r.ID)[len(b.entries(r.ID))-2]); e.Data.ArtifactUid != patch.UID {
		t.Errorf("the entry names artifact %q, stored is %q", e.Data.ArtifactUid, patch.UID)
	}
	got, err := b.s.Artifact(b.ctx, ada, patch.UID)
	b.ok(err)
	if diff := cmp.Diff(patch, got); diff != "" {
		t.Error(diff)
	}
	for name, uid := range map[string]string{"unknown": "nope", "another team's": patch.UID} {
		_, err = b.s.Artifact(b.ctx, eve, uid)
		wantFailure(t, name, err, api.PlatformErrorCodeResourceNotFound, "")
	}
}

func ask(id string, kind api.RequestKind) api.Request {
	return api.Request{ID: id, Kind: kind, Prompt: "May I?", ActionID: "act-" + id, Options: []string{"red", "blue"}}
}

func TestAnswers(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, ask("p", api.RequestKindPermission), ask("q", api.RequestKindQuestion))
	b.wantState(r.ID, api.RunStateBLOCKED, api.WaitingCodePermission)
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS}) // it cannot go on by saying so
	b.wantState(r.ID, api.RunStateBLOCKED, api.WaitingCodePermission)

	answer := func(id string, a api.AnswerRequest) error { _, err := b.s.Answer(b.ctx, bob, r.ID, id, a); return err }
	for name, c := range map[string]struct {
		id    string
		a     api.AnswerRequest
		field string
	}{
		"no decision":        {"p", api.AnswerRequest{Text: "hm"}, "decision"},
		"odd decision":       {"p", api.AnswerRequest{Decision: "perhaps"}, "decision"},
		"choices":            {"p", api.AnswerRequest{Decision: api.AnswerDecisionAllow, Choices: []string{"red"}}, "choices"},
		"decided question":   {"q", api.AnswerRequest{Decision: api.AnswerDecisionAllow}, "decision"},
		"empty":              {"q", api.AnswerRequest{Text: " "}, "text"},
		"not an option":      {"q", api.AnswerRequest{Choices: []string{"green"}}, "choices"},
		"two of one":         {"q", api.AnswerRequest{Choices: []string{"red", "blue"}}, "choices"},
		"hostile free words": {"q", api.AnswerRequest{Text: "a\x00"}, "text"},
	} {
		wantFailure(t, name, answer(c.id, c.a), api.PlatformErrorCodeInvalidRequest, c.field)
	}
	wantFailure(t, "unknown request", answer("x", api.AnswerRequest{Text: "x"}), api.PlatformErrorCodeResourceNotFound, "")

	b.ok(answer("p", api.AnswerRequest{Decision: api.AnswerDecisionAllow}))
	b.wantState(r.ID, api.RunStateBLOCKED, api.WaitingCodePermission)
	b.ok(answer("q", api.AnswerRequest{Choices: []string{"blue"}}))
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
	wantFailure(t, "answered twice", answer("q", api.AnswerRequest{Text: "red"}), api.PlatformErrorCodeConflict, "")
	// A report that crossed with the answer does not block it again.
	b.report(tok, api.RunnerReport{State: api.RunStateBLOCKED, Waiting: api.WaitingCodeQuestion})
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
	c, err := b.s.Commands(b.ctx, tok)
	b.ok(err)
	if len(c) != 2 || c[0].RequestID != "p" || c[1].RequestID != "q" || c[1].Answer.Choices[0] != "blue" {
		t.Fatalf("commands %+v", c)
	}
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS})
	if c, _ = b.s.Commands(b.ctx, tok); len(c) != 1 || c[0].RequestID != "q" {
		t.Errorf("the later answer may still be on its way, left are %+v", c)
	}
	all, err := b.s.Requests(b.ctx, reader, r.ID)
	b.ok(err)
	if len(all) != 2 || all[0].Answer.Decision != api.AnswerDecisionAllow || all[0].Answer.By.Uid != bob.UID {
		t.Errorf("requests %+v", all)
	}
}

func TestAnswerWithoutSandbox(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, ask("q", api.RequestKindQuestion))
	b.ok(b.s.Lost(b.ctx, r.ID, tok.ExecutionID, "power cut"))
	b.wantState(r.ID, api.RunStateBLOCKED, api.WaitingCodeQuestion)
	_, err := b.s.Answer(b.ctx, ada, r.ID, "q", api.AnswerRequest{Text: "green"})
	b.ok(err)
	b.wantState(r.ID, api.RunStateQUEUED, api.WaitingCodeInLine)
	next := b.working(r)
	if c, err := b.s.Commands(b.ctx, next); err != nil || len(c) != 0 {
		t.Errorf("the answer is in the entries, not among %+v (%v)", c, err)
	}
	found := false
	for _, e := range b.entries(r.ID) {
		found = found || (e.Type == api.EntryTypeAnswer && data[api.Answer](t, e).Text == "green" && e.Execution == 0)
	}
	if !found {
		t.Error("the answer is not among the entries")
	}
}

// An answer that crosses with the end of the sandbox is taken up there: a run that moves on with it
// elsewhere could not tell whether the approved command was carried out.
func TestAnswerHoldsTheSandbox(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, ask("q", api.RequestKindPermission))
	_, err := b.s.Answer(b.ctx, ada, r.ID, "q", api.AnswerRequest{Decision: api.AnswerDecisionAllow})
	b.ok(err)
	if err := b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "completed"}); !errors.Is(err, run.ErrCommandsWait) {
		t.Fatalf("ended with an answer waiting: %v", err)
	}
	b.report(tok, api.RunnerReport{State: api.RunStateINPROGRESS})
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED})
	b.ok(b.s.End(b.ctx, tok, api.RunnerEndRequest{Reason: "completed"}))
}

func TestMessageAsAnswer(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, ask("p", api.RequestKindPermission), ask("q", api.RequestKindQuestion))
	_, err := b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "Do it differently."})
	b.ok(err)
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
	c, err := b.s.Commands(b.ctx, tok)
	b.ok(err)
	if len(c) != 2 || c[0].Answer.Decision != api.AnswerDecisionDeny || c[1].Answer.Decision != "" || c[1].Answer.Text != "Do it differently." {
		t.Errorf("commands %+v", c)
	}
}

func TestWithdrawnRequest(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{}, ask("p", api.RequestKindPermission))
	b.report(tok, api.RunnerReport{}, api.ActionResult{ActionID: "act-p", Name: "bash", State: api.ActionStateFailed})
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
	b.report(tok, api.RunnerReport{}, ask("p", api.RequestKindPermission)) // the same id again
	b.wantState(r.ID, api.RunStateBLOCKED, api.WaitingCodePermission)
	b.report(tok, api.RunnerReport{State: api.RunStateERROR})
	all, err := b.s.Requests(b.ctx, ada, r.ID)
	b.ok(err)
	if len(all) != 1 || all[0].Answer == nil || all[0].Answer.Decision != "" {
		t.Errorf("after the end: %+v", all)
	}
	if got := b.get(r.ID); got.ErrorCode != api.PlatformErrorCodeInternalError || !got.Retryable {
		t.Errorf("an error without code: %+v", got)
	}
}

func TestReportsApplyOnce(t *testing.T) {
	b := newBench(t, nil)
	r, tok := b.in(api.RunStateINPROGRESS, true)
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED, Message: "first"})
	seq := b.get(r.ID).LastSeq
	for _, s := range []api.RunState{api.RunStateSUCCEEDED, api.RunStateFAILED, api.RunStateERROR, api.RunStateCANCELLED} {
		b.report(tok, api.RunnerReport{State: s, Message: "second"})
	}
	if got := b.wantState(r.ID, api.RunStateSUCCEEDED, ""); got.Message != "first" || got.LastSeq != seq {
		t.Errorf("a second end was applied: %+v", got)
	}
	_, err := b.append(tok, api.RunnerReport{State: api.RunStateINPROGRESS})
	wantFailure(t, "going on unasked", err, api.PlatformErrorCodeInvalidRequest, "report.state")

	// Success with a message waiting is only the end of a turn.
	r, tok = b.in(api.RunStateINPROGRESS, true)
	_, err = b.s.FollowUp(b.ctx, ada, r.ID, api.RunFollowupRequest{Message: "one more thing"})
	b.ok(err)
	b.report(tok, api.RunnerReport{State: api.RunStateSUCCEEDED})
	b.wantState(r.ID, api.RunStateINPROGRESS, "")
}
