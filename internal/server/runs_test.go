package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/server"
)

func (w *world) create(req api.RunAgentRequest) string {
	w.t.Helper()
	return decode[api.RunAgentResponse](w.post("/agent/runs", req).want(200)).RunId
}

// TestRunHasWhatClientsNeed checks the members that existing clients dereference without a guard:
// they must be there, with their types, even when they are empty.
func TestRunHasWhatClientsNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	created := decode[map[string]any](w.post("/agent/runs", api.RunAgentRequest{Prompt: "fix the test", Title: "T", Metadata: map[string]string{"ticket": "A-1"}}).want(200))
	id, _ := created["run_id"].(string)
	if uuid.Validate(id) != nil || created["task_id"] != id || created["state"] != "QUEUED" {
		t.Fatalf("created %v", created)
	}
	alias := decode[map[string]any](w.post("/agent/run", api.RunAgentRequest{Prompt: "older path"}).want(200))
	if uuid.Validate(fmt.Sprint(alias["task_id"])) != nil {
		t.Errorf("alias answered %v", alias)
	}
	list := decode[struct{ Runs []map[string]any }](w.get("/agent/runs?metadata[ticket]=A-1").want(200))
	if len(list.Runs) != 1 {
		t.Fatalf("listed %d runs", len(list.Runs))
	}
	item := decode[map[string]any](w.get("/agent/runs/" + id).want(200))
	for _, run := range []map[string]any{item, list.Runs[0]} {
		for member, want := range map[string]any{
			"run_id": id, "task_id": id, "title": "T", "state": "QUEUED", "prompt": "fix the test",
			"is_sandbox_running": false, "is_run_type_cancellable": true, "conversation_id": id, "session_id": id,
			"source": "API", "execution_location": "REMOTE",
			"session_link": w.url + "/runs/" + id,
		} {
			if run[member] != want {
				t.Errorf("%s is %v, want %v", member, run[member], want)
			}
		}
		for _, member := range []string{"created_at", "updated_at"} {
			if _, err := time.Parse(time.RFC3339, fmt.Sprint(run[member])); err != nil {
				t.Errorf("%s: %v", member, err)
			}
		}
		if list, ok := run["artifacts"].([]any); !ok || len(list) != 0 {
			t.Errorf("artifacts: %v, want []", run["artifacts"])
		}
		creator, _ := run["creator"].(map[string]any)
		if creator["type"] != "user" || creator["uid"] == "" {
			t.Errorf("creator: %v", creator)
		}
		if waiting, _ := run["waiting"].(map[string]any); waiting["since"] == nil || waiting["message"] == "" {
			t.Errorf("waiting: %v", run["waiting"])
		}
	}
	if a := w.get("/agent/runs/" + uuid.NewString()); a.status != 404 {
		t.Errorf("unknown run: %s", a)
	}
}

func TestListPagesThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var ids []string
	for i := range 7 {
		ids = append(ids, w.create(api.RunAgentRequest{Prompt: fmt.Sprintf("run %d", i)}))
	}
	var seen []string
	query := "/agent/runs?limit=3&sort_by=created_at&sort_order=asc&state=QUEUED&state=PENDING"
	for page := query; page != ""; {
		got := decode[api.ListRunsResponse](w.get(page).want(200))
		for _, r := range got.Runs {
			seen = append(seen, r.RunId)
		}
		if got.PageInfo.HasNextPage != (got.PageInfo.NextCursor != "") {
			t.Errorf("page info %+v", got.PageInfo)
		}
		page = ""
		if got.PageInfo.HasNextPage {
			page = query + "&cursor=" + got.PageInfo.NextCursor
		}
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("saw %v\nwant %v", seen, ids)
	}
	if got := decode[api.ListRunsResponse](w.get("/agent/runs?q=RUN+4").want(200)); len(got.Runs) != 1 || got.Runs[0].Prompt != "run 4" {
		t.Errorf("search found %+v", got.Runs)
	}
	none := w.get("/agent/runs?factory_uid=unknown").want(200)
	if !bytes.Contains(none.body, []byte(`"runs":[]`)) {
		t.Errorf("nothing found: %s", none)
	}
}

func TestSourceIsWhatTheClientMayClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	claim := func(path, source string, body any) api.RunItem {
		a := w.do(request{method: "POST", path: api.BasePath + path, key: w.key, body: body, header: http.Header{"X-Oz-Api-Source": {source}}})
		return w.run(decode[struct {
			RunID string `json:"run_id"`
		}](a.want(200)).RunID)
	}
	for source, want := range map[string]api.RunSourceType{
		"": "API", "API": "API", "CLI": "CLI", "WEB_APP": "WEB_APP", "CLOUD_MODE": "CLOUD_MODE", "GITHUB_ACTION": "GITHUB_ACTION",
		"SLACK": "API", "LOCAL": "API", "SCHEDULED_AGENT": "API", "AGENT_WEBHOOK": "API", "nonsense": "API",
	} {
		if got := claim("/agent/runs", source, api.RunAgentRequest{Prompt: "x"}).Source; got != want {
			t.Errorf("claimed %q: %s, want %s", source, got, want)
		}
	}
	for source, want := range map[string]api.RunSourceType{"": "CLI", "LOCAL": "LOCAL", "GITHUB_ACTION": "GITHUB_ACTION", "WEB_APP": "CLI"} {
		if got := claim("/agent/local-runs", source, api.LocalRunRequest{Prompt: "x"}).Source; got != want {
			t.Errorf("a local run claimed %q: %s, want %s", source, got, want)
		}
	}
	if got := claim("/agent/local-runs", "GITHUB_ACTION", api.LocalRunRequest{Prompt: "x", Source: "LOCAL"}).Source; got != "LOCAL" {
		t.Errorf("the body says LOCAL: %s", got)
	}

	// The list finds it, and what the contract refuses for it is refused.
	list := decode[api.ListRunsResponse](w.get("/agent/runs?source=GITHUB_ACTION&execution_location=REMOTE").want(200))
	if len(list.Runs) != 1 || list.Runs[0].IsRunTypeCancellable {
		t.Fatalf("listed: %+v", list.Runs)
	}
	path := "/agent/runs/" + list.Runs[0].RunId
	w.post(path+"/cancel", nil).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "GITHUB_ACTION")
	w.post(path+"/followups", api.RunFollowupRequest{Message: "x"}).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "GITHUB_ACTION")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create(api.RunAgentRequest{Prompt: "x"})
	w.post("/agent/runs/"+id+"/cancel", nil).want(200)
	if got := w.run(id); got.State != api.RunStateCANCELLED {
		t.Errorf("state %s", got.State)
	}
	w.post("/agent/runs/"+id+"/cancel", nil).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "already ended")
	local := w.localRun("mine")
	w.post("/agent/runs/"+local.RunId+"/cancel", nil).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "")
	w.post("/agent/runs/"+uuid.NewString()+"/cancel", nil).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
}

// TestRunnerCarriesARunOut plays the runner of a run by hand, from its start to a follow-up.
func TestRunnerCarriesARunOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("say hello")
	runner := w.as(local.RunToken)
	viewer := w.follow("/agent/runs/" + local.RunId + "/stream")
	commands := runner.follow("/runner/commands/stream")

	a := decode[api.RunnerAssignment](runner.post("/runner/start", api.RunnerStartRequest{Version: "t"}).want(200))
	if a.Prompt != "say hello" || a.Execution != 1 || a.NextIndex != 0 || a.BaseUrl != w.url || !a.Model.Scripted ||
		!strings.HasPrefix(a.Model.BaseUrl, w.url+"/gateway/") || a.Limits.HeartbeatSeconds != 200 || a.IdleSeconds != 600 {
		t.Errorf("assignment %+v", a)
	}
	w.say(local.RunToken, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "hello", Key: "m1"}).want(200)
	if got := w.run(local.RunId); got.State != api.RunStateINPROGRESS || !got.IsSandboxRunning {
		t.Errorf("working run: %+v", got)
	}
	// The same batch again is acknowledged and stored once; a gap is refused with the index wanted.
	again := decode[api.RunnerAppendResponse](w.say(local.RunToken, 0, "", api.AgentMessage{Text: "hello", Key: "m1"}).want(200))
	if again.NextIndex != 1 {
		t.Errorf("repeated batch: %+v", again)
	}
	gap := w.say(local.RunToken, 5, "", api.AgentMessage{Text: "lost"})
	gap.wantProblem(api.PlatformErrorCodeConflict, 409, "expected 1")
	if gap.header.Get("x-should-retry") != "false" {
		t.Error("a gap is not mended by asking again")
	}

	runner.post("/runner/deltas", api.RunnerDeltasRequest{Deltas: []api.Delta{{Key: "m2", Kind: api.DeltaKindText, Text: "wor"}}}).want(204)
	beat := decode[api.RunnerHeartbeatResponse](runner.post("/runner/heartbeat", nil).want(200))
	if beat.Cancelled || beat.LeaseExpiresAt.IsZero() {
		t.Errorf("heartbeat %+v", beat)
	}

	w.post("/agent/runs/"+local.RunId+"/followups", api.RunFollowupRequest{Message: "and bye"}).want(200)
	e, _ := commands.next()
	var command api.Command
	if err := json.Unmarshal([]byte(e.data), &command); err != nil || command.Text != "and bye" || command.Kind != api.CommandKindFollowUp || e.id == "" {
		t.Fatalf("command %+v, %v", e, err)
	}
	// Nobody may close the sandbox while a message waits for it; taking it up allows that.
	w.say(local.RunToken, 1, "", api.UserMessage{Text: "and bye", CommandID: command.Id}, api.AgentMessage{Text: "bye"}).want(200)
	w.say(local.RunToken, 3, api.RunStateSUCCEEDED).want(200)
	runner.post("/runner/end", api.RunnerEndRequest{}).want(204)

	var texts []string
	var last int64
	for {
		e, ok := viewer.next()
		if !ok || e.name == "end" {
			break
		}
		if e.name != "entry" {
			continue
		}
		var entry api.Entry
		if err := json.Unmarshal([]byte(e.data), &entry); err != nil || entry.Seq != last+1 {
			t.Fatalf("entry %q after %d: %v", e.data, last, err)
		}
		last = entry.Seq
		switch d, _ := entry.Decode(); d := d.(type) {
		case api.UserMessage:
			texts = append(texts, d.Text)
		case api.AgentMessage:
			texts = append(texts, d.Text)
		}
	}
	if want := []string{"say hello", "hello", "and bye", "bye"}; !slices.Equal(texts, want) {
		t.Errorf("viewer saw %q, want %q", texts, want)
	}
	done := w.run(local.RunId)
	// The end of the sandbox is on record too, after what ended the stream.
	if done.State != api.RunStateSUCCEEDED || done.IsSandboxRunning || done.LastSeq < last {
		t.Errorf("at the end: %+v", done)
	}
	w.checkRecord(local.RunId, done.LastSeq)
}

// checkRecord reads an ended run in every form it can be read in.
func (w *world) checkRecord(id string, last int64) {
	w.t.Helper()
	entries := decode[api.ListEntriesResponse](w.get("/agent/runs/" + id + "/entries").want(200))
	if int64(len(entries.Entries)) != last || entries.NextAfter != last {
		w.t.Errorf("%d entries, next_after %d, want %d", len(entries.Entries), entries.NextAfter, last)
	}
	rest := decode[api.ListEntriesResponse](w.get(fmt.Sprintf("/agent/runs/%s/entries?after=%d", id, last)).want(200))
	if len(rest.Entries) != 0 || rest.NextAfter != last {
		w.t.Errorf("after the last: %+v", rest)
	}
	conversation := decode[api.ConversationResponse](w.get("/agent/runs/" + id + "/conversation").want(200))
	if len(conversation.Steps) != 2 || conversation.ConversationId != id {
		w.t.Errorf("conversation %+v", conversation)
	}
	w.get("/agent/conversations/" + id).want(200)
	if got := decode[api.SessionRedirectResponse](w.as("").get("/agent/sessions/" + id + "/redirect").want(200)); got.ConversationId != id {
		w.t.Errorf("session redirect %+v", got)
	}
	if got := w.as("").get("/agent/conversations/" + id + "/redirect").want(200); string(bytes.TrimSpace(got.body)) != "{}" {
		w.t.Errorf("conversation redirect %s", got)
	}
	link := w.get("/agent/runs/" + id + "/transcript").want(302).header.Get("Location")
	transcript := w.do(request{method: "GET", path: link}).want(200)
	if lines := bytes.Count(transcript.body, []byte("\n")); int64(lines) != last {
		w.t.Errorf("transcript has %d lines, want %d", lines, last)
	}
	if cd := transcript.header.Get("Content-Disposition"); !strings.HasPrefix(cd, "attachment") {
		w.t.Errorf("transcript disposition %q", cd)
	}
	w.do(request{method: "GET", path: strings.Replace(link, id, uuid.NewString(), 1)}).want(403)
	timeline := decode[api.TimelineResponse](w.get("/agent/runs/" + id + "/timeline").want(200))
	if len(timeline.Events) < 3 {
		w.t.Errorf("timeline %+v", timeline)
	}
	if usage := w.get("/agent/runs/" + id + "/usage").want(200); string(bytes.TrimSpace(usage.body)) != `{"calls":[]}` {
		w.t.Errorf("usage %s", usage)
	}
}

// TestEndWaitsForCommands: the answer tells a runner to take the message, not to stop.
func TestEndWaitsForCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("x")
	w.say(local.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.post("/agent/runs/"+local.RunId+"/followups", api.RunFollowupRequest{Message: "one more"}).want(200)
	w.say(local.RunToken, 0, api.RunStateSUCCEEDED).want(200)
	a := w.as(local.RunToken).post("/runner/end", api.RunnerEndRequest{})
	a.wantProblem(api.PlatformErrorCodeConflict, 409, "wait")
	if a.header.Get("x-should-retry") != "true" {
		t.Errorf("x-should-retry %q", a.header.Get("x-should-retry"))
	}
}

func TestRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("x")
	w.say(local.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(local.RunToken, 0, api.RunStateBLOCKED, api.Request{
		ID: "q1", Kind: api.RequestKindPermission, Prompt: "May I?", Action: "bash", Input: json.RawMessage(`{"command":"rm"}`),
	}).want(200)
	open := decode[api.ListRequestsResponse](w.get("/agent/runs/" + local.RunId + "/requests").want(200))
	if len(open.Requests) != 1 || open.Requests[0].Prompt != "May I?" {
		t.Fatalf("requests %+v", open)
	}
	path := "/agent/runs/" + local.RunId + "/requests/"
	w.post(path+"q1/answer", api.AnswerRequest{}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "decision")
	w.post(path+"q2/answer", api.AnswerRequest{Decision: api.AnswerDecisionAllow}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "q2")
	ack := decode[api.Acknowledgement](w.post(path+"q1/answer", api.AnswerRequest{Decision: api.AnswerDecisionAllow}).want(200))
	if ack.State != api.RunStateINPROGRESS {
		t.Errorf("after the answer: %+v", ack)
	}
	w.post(path+"q1/answer", api.AnswerRequest{Decision: api.AnswerDecisionDeny}).wantProblem(api.PlatformErrorCodeConflict, 409, "already")
}

func TestArtifactsAndBlobs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.Limits.Blob = 1 << 20 })
	local := w.localRun("x")
	runner := w.as(local.RunToken)
	w.say(local.RunToken, 0, api.RunStateINPROGRESS).want(200)
	html := "<script>alert(1)</script>"
	put := func(kind, name, content string) api.BlobRef {
		return decode[api.BlobRef](runner.do(request{
			method: "POST", path: api.BasePath + "/runner/blobs?kind=" + kind + "&name=" + name, key: local.RunToken, body: content,
			header: http.Header{"Content-Type": {"application/octet-stream"}},
		}).want(200))
	}
	file, plan := put("artifact", "evil.html", html), put("artifact", "plan.md", "# Plan")
	if file.SizeBytes != int64(len(html)) {
		t.Errorf("stored %+v", file)
	}
	w.say(local.RunToken, 0, "",
		api.ArtifactReport{ArtifactType: api.ArtifactTypeFILE, Blob: file.BlobId, Data: api.ArtifactData{Filepath: "evil.html", Filename: "evil.html", MimeType: "text/html"}},
		api.ArtifactReport{ArtifactType: api.ArtifactTypePLAN, Blob: plan.BlobId, Data: api.ArtifactData{Title: "The plan"}},
		api.ArtifactReport{ArtifactType: api.ArtifactTypePULLREQUEST, Data: api.ArtifactData{Url: "https://example.org/pr/1", Branch: "fix"}},
	).want(200)
	list := decode[api.ListArtifactsResponse](w.get("/agent/runs/" + local.RunId + "/artifacts").want(200))
	if len(list.Artifacts) != 3 || len(w.run(local.RunId).Artifacts) != 3 {
		t.Fatalf("artifacts %+v", list)
	}
	if found := decode[api.ListRunsResponse](w.get("/agent/runs?artifact_type=PULL_REQUEST").want(200)); len(found.Runs) != 1 {
		t.Errorf("filter found %d runs", len(found.Runs))
	}
	got := decode[api.ArtifactContent](w.get("/agent/artifacts/" + list.Artifacts[0].Data.ArtifactUid).want(200))
	if got.Data.DownloadUrl == "" || got.Data.ExpiresAt == nil {
		t.Fatalf("file %+v", got)
	}
	download := w.do(request{method: "GET", path: got.Data.DownloadUrl}).want(200)
	if string(download.body) != html {
		t.Errorf("downloaded %q", download.body)
	}
	for header, want := range map[string]string{
		"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff",
		"Content-Disposition": "attachment; filename=evil.html", "Content-Length": fmt.Sprint(len(html)),
	} {
		if download.header.Get(header) != want {
			t.Errorf("%s: %q, want %q", header, download.header.Get(header), want)
		}
	}
	w.do(request{method: "GET", path: strings.Replace(got.Data.DownloadUrl, "signature=", "signature=A", 1)}).want(403)
	w.do(request{method: "GET", path: strings.Replace(got.Data.DownloadUrl, file.BlobId, plan.BlobId, 1)}).want(403)

	text := decode[api.ArtifactContent](w.get("/agent/artifacts/" + uidOf(list.Artifacts, api.ArtifactTypePLAN)).want(200))
	if text.Data.Content != "# Plan" || text.Data.ContentType != "text/markdown" {
		t.Errorf("plan %+v", text)
	}
	w.get("/agent/artifacts/"+uidOf(list.Artifacts, api.ArtifactTypePULLREQUEST)).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	// A body longer than it said, or than allowed, leaves nothing.
	runner.do(request{method: "POST", path: api.BasePath + "/runner/blobs?kind=output", key: local.RunToken, body: strings.Repeat("x", 1<<20+1)}).want(413)
}

// uidOf finds an artifact by type; only those stored as files show their uid on the run.
func uidOf(list []api.Artifact, kind api.ArtifactType) string {
	for _, a := range list {
		if a.ArtifactType == kind {
			return cmpOr(a.Data.ArtifactUid, a.Data.DocumentUid)
		}
	}
	return "none"
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func TestAttachmentsReachTheRunner(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.create(api.RunAgentRequest{Prompt: "look", Attachments: []api.AttachmentInput{{FileName: "a.png", MimeType: "image/png", Data: []byte("PNG")}}})
	worker := w.connect("local")
	task := worker.claim(id)
	a := decode[api.RunnerAssignment](w.as(task.EnvVars["WARP_API_KEY"]).post("/runner/start", api.RunnerStartRequest{}).want(200))
	if len(a.Attachments) != 1 || a.Attachments[0].FileName != "a.png" {
		t.Fatalf("attachments %+v", a.Attachments)
	}
	if got := w.do(request{method: "GET", path: a.Attachments[0].DownloadUrl}).want(200); string(got.body) != "PNG" {
		t.Errorf("attachment %q", got.body)
	}
}

func TestEnvironments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := decode[api.CloudEnvironment](w.post("/agent/environments", api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{
		Name: "web", GithubRepos: []api.GitHubRepo{{Owner: "a", Repo: "b"}}, SetupCommands: []string{"make"},
	}}).want(201))
	if len(made.Uid) != 22 || made.Scope.Type != api.ScopeTypeTeam {
		t.Errorf("made %+v", made)
	}
	path := "/agent/environments/" + made.Uid
	id := w.create(api.RunAgentRequest{Prompt: "x", Config: api.AmbientAgentConfig{EnvironmentId: made.Uid}})
	got := decode[api.CloudEnvironment](w.get(path).want(200))
	if got.LastTaskCreated.Id != id || got.Config.Name != "web" {
		t.Errorf("read %+v", got)
	}
	found := decode[api.ListRunsResponse](w.get("/agent/runs?environment_id=" + made.Uid).want(200))
	none := decode[api.ListRunsResponse](w.get("/agent/runs?environment_id=empty-environment").want(200))
	if len(found.Runs) != 1 || len(none.Runs) != 0 {
		t.Errorf("filter by environment: %d and %d runs", len(found.Runs), len(none.Runs))
	}
	changed := w.do(request{method: "PUT", path: api.BasePath + path, key: w.key, body: api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{Name: "web2"}}})
	if decode[api.CloudEnvironment](changed.want(200)).Config.Name != "web2" {
		t.Errorf("changed %s", changed)
	}
	if list := decode[api.ListEnvironmentsResponse](w.get("/agent/environments?sort_by=name").want(200)); len(list.Environments) != 1 {
		t.Errorf("listed %+v", list)
	}
	w.do(request{method: "DELETE", path: api.BasePath + path, key: w.key}).want(204)
	w.get(path).want(404)
	w.post("/agent/runs", api.RunAgentRequest{Prompt: "x", Config: api.AmbientAgentConfig{EnvironmentId: made.Uid}}).want(404)
}

func TestModels(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := decode[api.ListModelsResponse](w.get("/agent/models").want(200))
	if got.DefaultModelId != "scripted" || len(got.Models) == 0 || !got.Models[0].Scripted {
		t.Errorf("models without a key: %+v", got)
	}
	w.get("/agent").want(200)
	w.do(request{method: "GET", path: "/gateway/openai/v1/models"}).want(401)
}
