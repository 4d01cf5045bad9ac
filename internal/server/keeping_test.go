package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// ended makes a run that was cancelled.
func (w *world) ended(req api.RunAgentRequest) string {
	w.t.Helper()
	id := w.create(req)
	w.post("/agent/runs/"+id+"/cancel", nil).want(200)
	return id
}

func (w *world) listed(query string) string {
	w.t.Helper()
	var ids []string
	for _, r := range decode[api.ListRunsResponse](w.get("/agent/runs?limit=500&sort_by=created_at&sort_order=asc&" + query).want(200)).Runs {
		ids = append(ids, r.RunId)
	}
	return strings.Join(ids, " ")
}

func (w *world) erase(path string) answer {
	w.t.Helper()
	return w.do(request{method: http.MethodDelete, path: api.BasePath + path, key: w.key})
}

func TestArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parent := w.create(api.RunAgentRequest{Prompt: "parent"})
	child := w.create(api.RunAgentRequest{Prompt: "child", ParentRunId: parent})
	other := w.create(api.RunAgentRequest{Prompt: "other"})
	archive := "/agent/runs/" + parent + "/archive"
	w.post(archive, nil).wantProblem(api.PlatformErrorCodeConflict, 409, "has not ended")
	w.post("/agent/runs/"+parent+"/cancel", nil).want(200)
	refused := w.post(archive, nil)
	refused.wantProblem(api.PlatformErrorCodeConflict, 409, child)
	if refused.header.Get("x-should-retry") != "false" {
		t.Error("asking again archives nothing")
	}
	w.post("/agent/runs/"+child+"/cancel", nil).want(200)
	if got := decode[api.KeptRun](w.post(archive, nil).want(200)); got.Runs != 2 || got.RunId != parent {
		t.Errorf("archived %+v, want parent and child", got)
	}
	if got := decode[api.KeptRun](w.post(archive, nil).want(200)); got.Runs != 0 {
		t.Errorf("archived %+v again", got)
	}
	for query, want := range map[string]string{
		"": other, "archived=exclude": other, "archived=only": parent + " " + child, "archived=include": parent + " " + child + " " + other,
		"archived=only&q=child": child, "q=child": "", "ancestor_run_id=" + parent + "&archived=include": child,
		"parent_run_id=" + parent + "&archived=include": child, "parent_run_id=" + parent: "", "parent_run_id=" + child + "&ancestor_run_id=" + parent: "",
	} {
		if got := w.listed(query); got != want {
			t.Errorf("%q lists %q, want %q", query, got, want)
		}
	}
	if got := w.run(parent); !got.Archived || got.Children[0] != child {
		t.Errorf("an archived run: %+v", got)
	}
	// Who is spoken to comes back, alone.
	w.post("/agent/runs/"+parent+"/followups", api.RunFollowupRequest{Message: "go on"}).want(200)
	if got := w.listed(""); got != parent+" "+other {
		t.Errorf("listed %q after a message", got)
	}
	w.post("/agent/runs/"+child+"/unarchive", nil).want(200)
	if got := w.listed("archived=only"); got != "" {
		t.Errorf("still archived: %q", got)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("work")
	runner := w.as(local.RunToken)
	runner.post("/runner/start", api.RunnerStartRequest{Version: "t"}).want(200)
	put := func() string {
		a := w.do(request{method: "POST", path: api.BasePath + "/runner/blobs?kind=output&name=o", key: local.RunToken, body: "the bytes",
			header: http.Header{"Content-Type": {"application/octet-stream"}}})
		return decode[api.BlobRef](a.want(200)).BlobId
	}
	blob := put()
	w.say(local.RunToken, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "hello"}).want(200)
	id, path := local.RunId, "/agent/runs/"+local.RunId
	w.erase(path).wantProblem(api.PlatformErrorCodeConflict, 409, "has not ended")
	w.say(local.RunToken, 1, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
	runner.post("/runner/end", api.RunnerEndRequest{}).want(204)

	links := []string{w.get(path + "/transcript").want(302).header.Get("Location"), w.get(path + "/blobs/" + blob).want(302).header.Get("Location")}
	for _, link := range links {
		w.do(request{method: "GET", path: link}).want(200)
	}
	_, member := w.person("mel", identity.RoleMember)
	w.as(member).erase(path).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "only who started a run")
	if got := decode[api.KeptRun](w.erase(path).want(200)); got.Runs != 1 {
		t.Errorf("deleted %+v", got)
	}
	for _, gone := range []string{path, path + "/entries", path + "/transcript", path + "/conversation", path + "/timeline", path + "/blobs/" + blob} {
		w.get(gone).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	}
	for _, link := range links {
		w.do(request{method: "GET", path: link}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	}
	if a := w.get("/agent/conversations/" + id); a.status != 404 {
		t.Errorf("its conversation: %s", a)
	}
	w.erase(path).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "")
	w.post(path+"/followups", api.RunFollowupRequest{Message: "are you there"}).want(404)
	if got := w.listed("archived=include"); got != "" {
		t.Errorf("listed %q", got)
	}
	bytes := filepath.Join(w.cfg.DataDir, "blobs", blob[len(blob)-2:], blob)
	// The rest goes behind the answer.
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(bytes); os.IsNotExist(err) {
			return
		}
	}
	t.Error("the bytes of its files stay")
}

// TestDeleteEndsAWaitingSandbox: the run has ended, but its sandbox waits for somebody to go on.
func TestDeleteEndsAWaitingSandbox(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	local := w.localRun("work")
	runner := w.as(local.RunToken)
	runner.post("/runner/start", api.RunnerStartRequest{Version: "t"}).want(200)
	w.say(local.RunToken, 0, api.RunStateINPROGRESS, api.AgentMessage{Text: "hello"}).want(200)
	w.say(local.RunToken, 1, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
	if !w.run(local.RunId).IsSandboxRunning {
		t.Fatal("the sandbox does not wait")
	}
	w.erase("/agent/runs/" + local.RunId).want(200)
	if a := runner.post("/runner/heartbeat", nil); a.status < 400 || a.status >= 500 {
		t.Errorf("the runner of a deleted run goes on: %s", a)
	}
	if a := w.say(local.RunToken, 2, "", api.AgentMessage{Text: "more"}); a.status < 400 || a.status >= 500 {
		t.Errorf("the runner of a deleted run writes: %s", a)
	}
}

func TestKeepMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, member := w.person("mel", identity.RoleMember)
	var mine []string
	for range 5 {
		mine = append(mine, w.ended(api.RunAgentRequest{Prompt: "old", Metadata: map[string]string{"k": "v"}}))
	}
	theirs := w.as(member).ended(api.RunAgentRequest{Prompt: "theirs"})
	working := w.create(api.RunAgentRequest{Prompt: "old", Metadata: map[string]string{"k": "v"}})
	filter := api.RunFilter{Metadata: map[string]string{"k": "v"}}
	do := func(key, verb string, req any) api.KeptRuns {
		t.Helper()
		return decode[api.KeptRuns](w.as(key).post("/agent/runs/"+verb, req).want(200))
	}

	if got := do(w.key, "archive", api.KeepRunsRequest{Filter: filter, DryRun: true}); got.Matched != 5 || got.Changed != 5 || !got.DryRun || got.More {
		t.Errorf("a dry run: %+v", got)
	}
	if got := w.listed("archived=only"); got != "" {
		t.Errorf("a dry run archived %q", got)
	}
	two := 2
	req, pages := api.KeepRunsRequest{Filter: filter, Limit: &two}, 0
	for changed := 0; ; pages++ {
		got := do(w.key, "archive", req)
		changed += got.Changed
		if req.Cursor = got.NextCursor; req.Cursor == "" {
			if changed != 5 || pages != 2 {
				t.Errorf("archived %d in %d pages", changed, pages+1)
			}
			break
		}
	}
	if got := w.listed("archived=only"); got != strings.Join(mine, " ") {
		t.Errorf("archived %q", got)
	}
	if got := do(w.key, "unarchive", api.KeepRunsRequest{RunIds: mine[:2]}); got.Changed != 2 {
		t.Errorf("unarchived %+v", got)
	}
	// Mel may delete her own only, and is told of the others.
	ids := []string{mine[0], theirs, working, "0198c0de-0000-7000-8000-000000000001"}
	if got := do(member, "delete", api.KeepRunsRequest{RunIds: ids, DryRun: true}); got.Changed != 1 || len(got.Skipped) != 3 {
		t.Errorf("a member would delete %+v", got)
	}
	if got := do(member, "delete", api.KeepRunsRequest{RunIds: ids}); got.Changed != 1 || len(got.Skipped) != 3 {
		t.Errorf("a member deleted %+v", got)
	}
	w.get("/agent/runs/" + theirs).want(404)
	if got := do(w.key, "delete", api.KeepRunsRequest{Filter: filter}); got.Changed != 5 || len(got.Skipped) != 0 {
		t.Errorf("deleted %+v", got)
	}
	if got := w.listed("archived=include"); got != working {
		t.Errorf("left %q", got)
	}

	for body, words := range map[string]string{
		`{}`: "run_ids", `{"filter":{}}`: "run_ids", `{"run_ids":["x"]}`: "UUID", `{"run_ids":["` + working + `"],"filter":{"q":"x"}}`: "filter",
		`{"filter":{"state":["QUEUED"]}}`: "state", `{"filter":{"q":"x"},"limit":501}`: "limit", `{"filter":{"q":"x"},"cursor":"x"}`: "cursor",
		`{"filter":{"state":["NONE"]}}`: "state",
	} {
		w.post("/agent/runs/delete", body).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, words)
	}
}
