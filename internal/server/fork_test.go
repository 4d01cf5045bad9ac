package server_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// spoken makes a run with some entries, of which every agent message is an exchange.
func (w *world) spoken(messages int) api.LocalRunResponse {
	w.t.Helper()
	local := w.localRun("the task")
	w.as(local.RunToken).post("/runner/start", api.RunnerStartRequest{Version: "t"}).want(200)
	for first := 0; first < messages; first += 250 {
		var entries []api.EntryData
		for i := first; i < min(first+250, messages); i++ {
			entries = append(entries, api.AgentMessage{Text: fmt.Sprintf("message %d", i)})
		}
		w.say(local.RunToken, int64(first), api.RunStateINPROGRESS, entries...).want(200)
	}
	return local
}

// words is what was said in a run, in order.
func (w *world) words(id string) (words []string) {
	w.t.Helper()
	for after, more := int64(0), true; more; {
		page := decode[api.ListEntriesResponse](w.get(fmt.Sprintf("/agent/runs/%s/entries?limit=1000&after=%d", id, after)).want(200))
		for _, e := range page.Entries {
			var said struct{ Text string }
			if err := json.Unmarshal(e.Data, &said); err != nil {
				w.t.Fatal(err)
			}
			if e.Type == api.EntryTypeUserMessage || e.Type == api.EntryTypeAgentMessage {
				words = append(words, said.Text)
			}
			if e.Seq != after+1 {
				w.t.Fatalf("entry %d comes after %d", e.Seq, after)
			}
			after = e.Seq
		}
		more = len(page.Entries) > 0
	}
	return words
}

func TestFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, viewer := w.person("vic", identity.RoleViewer)
	mel, member := w.person("mel", identity.RoleMember)
	local := w.spoken(3)
	original := w.words(local.RunId)
	fork := "/agent/runs/" + local.RunId + "/fork"

	seq := int64(0)
	for _, e := range decode[api.ListEntriesResponse](w.get("/agent/runs/" + local.RunId + "/entries").want(200)).Entries {
		if e.Type == api.EntryTypeAgentMessage && seq == 0 {
			seq = e.Seq
		}
	}
	// Mel forks somebody else's run at an exchange, and says what to do.
	got := decode[api.RunAgentResponse](w.as(member).post(fork, api.ForkRunRequest{AtSeq: seq, Prompt: "go on", Title: "mine"}).want(200))
	if want := []string{"the task", "message 0", "go on"}; strings.Join(w.words(got.RunId), "|") != strings.Join(want, "|") {
		t.Errorf("the fork has %q, want %q", w.words(got.RunId), want)
	}
	item := w.run(got.RunId)
	if item.State != api.RunStateQUEUED || item.ForkedFrom.RunId != local.RunId || item.ForkedFrom.Seq != seq || item.Title != "mine" ||
		item.ConversationId != got.RunId || item.Creator.Uid != mel.UID || item.AgentConfig.ModelId != w.run(local.RunId).AgentConfig.ModelId {
		t.Errorf("the fork is %+v", item)
	}
	if again := w.words(local.RunId); strings.Join(again, "|") != strings.Join(original, "|") {
		t.Errorf("the original became %q", again)
	}

	// Without a prompt it waits for one.
	waits := decode[api.RunAgentResponse](w.post(fork, api.ForkRunRequest{}).want(200)).RunId
	if r := w.run(waits); r.State != api.RunStateBLOCKED || r.Waiting.Code != api.WaitingCodeInput || r.ForkedFrom.Seq != w.run(local.RunId).LastSeq {
		t.Errorf("a fork without a prompt is %+v", r)
	}
	w.post("/agent/runs/"+waits+"/followups", api.RunFollowupRequest{Message: "now"}).want(200)
	if r := w.run(waits); r.State != api.RunStateQUEUED {
		t.Errorf("after a message the fork is %s", r.State)
	}
	// The same request again is one fork.
	header := map[string][]string{"Idempotency-Key": {"k1"}}
	once := func() string {
		return decode[api.RunAgentResponse](w.do(request{method: "POST", path: api.BasePath + fork, key: w.key, body: api.ForkRunRequest{}, header: header}).want(200)).RunId
	}
	if a, b := once(), once(); a != b {
		t.Errorf("one request made forks %s and %s", a, b)
	}

	// By conversation, and in the caller's own process.
	copied := decode[api.ForkConversationResponse](w.post("/agent/conversations/"+local.RunId+"/fork", api.ForkConversationRequest{Title: "c"}).want(200))
	if r := w.run(copied.ForkedConversationId); r.Title != "c" || r.ConversationId != copied.ForkedConversationId || r.ForkedFrom.RunId != local.RunId {
		t.Errorf("the copied conversation is %+v", r)
	}
	here := decode[api.LocalRunResponse](w.post("/agent/local-runs", api.LocalRunRequest{Prompt: "here", ForkRunId: local.RunId, ForkAtSeq: seq}).want(200))
	if got := w.words(here.RunId); strings.Join(got, "|") != "the task|message 0|here" || w.run(here.RunId).ForkedFrom.RunId != local.RunId {
		t.Errorf("a local fork has %q", got)
	}

	w.as(viewer).post(fork, api.ForkRunRequest{}).want(403)
	w.post("/agent/runs/"+uuid.NewString()+"/fork", api.ForkRunRequest{}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	w.post("/agent/conversations/"+uuid.NewString()+"/fork", nil).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	w.post(fork, `{"at_seq":9999}`).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "at_seq")
	w.post(fork, `{"at_seq":-1}`).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "at_seq")
	w.post(fork, `{"environment_id":"nope"}`).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	w.post("/agent/local-runs", api.LocalRunRequest{Prompt: "x", ForkRunId: local.RunId, ConversationId: local.RunId}).
		wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "fork_run_id")
}

// TestForkOfALongRun is copied in many operations, and there only when it is whole.
func TestForkOfALongRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.spoken(2000)
	got := decode[api.RunAgentResponse](w.post("/agent/runs/"+local.RunId+"/fork", api.ForkRunRequest{Prompt: "go on"}).want(200)).RunId
	words := w.words(got)
	if len(words) != 2002 || words[2000] != "message 1999" || words[2001] != "go on" {
		t.Errorf("the fork has %d messages", len(words))
	}
	if r := w.run(got); r.State != api.RunStateQUEUED || r.Title != "the task" {
		t.Errorf("the fork is %+v", r)
	}
	if got := w.listed("q=task"); !strings.Contains(got, local.RunId) || len(strings.Fields(got)) != 2 {
		t.Errorf("listed %q", got)
	}
	// Deleting the original leaves the fork whole.
	w.say(local.RunToken, 2000, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
	w.erase("/agent/runs/" + local.RunId).want(200)
	if n := len(w.words(got)); n != 2002 {
		t.Errorf("the fork has %d messages after its original was deleted", n)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// One that never began goes on as itself.
	id := w.ended(api.RunAgentRequest{Prompt: "the task", Metadata: map[string]string{"k": "v"}})
	if got := decode[api.RunAgentResponse](w.post("/agent/runs/"+id+"/retry", nil).want(200)); got.RunId != id || w.run(id).State != api.RunStateQUEUED {
		t.Errorf("retried as %+v", got)
	}
	w.post("/agent/runs/"+id+"/retry", nil).wantProblem(api.PlatformErrorCodeConflict, 409, "QUEUED")

	// One that began stays, and another begins where it began.
	worker := w.connect("local")
	task := worker.claim(id)
	token := task.EnvVars["WARP_API_KEY"]
	w.as(token).post("/runner/start", api.RunnerStartRequest{}).want(200)
	w.say(token, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "on it"}).want(200)
	w.post("/agent/runs/"+id+"/cancel", nil).want(200)
	again := decode[api.RunAgentResponse](w.post("/agent/runs/"+id+"/retry", nil).want(200)).RunId
	if r := w.run(again); again == id || r.RetryOf != id || r.Prompt != "the task" || r.Metadata["k"] != "v" || r.ConversationId != again {
		t.Errorf("retried as %+v", r)
	}
	if got := strings.Join(w.words(again), "|"); got != "the task" {
		t.Errorf("the retry begins with %q", got)
	}
	if r := w.run(id); r.State != api.RunStateCANCELLED {
		t.Errorf("the first try became %+v", r)
	}

	local := w.localRun("x")
	w.post("/agent/runs/"+local.RunId+"/retry", nil).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "")
	w.post("/agent/runs/"+uuid.NewString()+"/retry", nil).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
}
