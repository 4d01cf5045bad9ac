package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// demand says who passes an operation: the first word is the permission, the second how far a run
// token gets (own run, shared, exec, no).
var demands = map[string]string{
	"createRun": "create shared", "createRunAlias": "create shared", "createLocalRun": "create shared",
	"listRuns": "read shared", "getRun": "read own", "cancelRun": "steer no", "cancelTask": "steer no",
	"followUpRun": "steer no", "interruptRun": "steer no", "getTimeline": "read own", "listUsage": "read own",
	"listArtifacts": "read own", "listHandoffAttachments": "read own", "getArtifact": "read shared",
	"listRequests": "read own", "answerRequest": "steer no", "listEntries": "read own", "streamRun": "read own", "streamRuns": "read no",
	"getRunConversation": "read own", "getConversation": "read shared", "getTranscript": "read own", "getRunBlob": "read own",
	"redirectConversation": "public", "redirectSession": "public", "getBlob": "link", "downloadTranscript": "link",
	"listModels": "read shared", "listSkills": "read shared", "listEnvironments": "read shared",
	"createEnvironment": "manage no", "getEnvironment": "read shared", "updateEnvironment": "manage no",
	"deleteEnvironment": "manage no", "listSchedules": "read no", "createSchedule": "create no", "previewSchedule": "read shared",
	"getSchedule": "read no", "updateSchedule": "create no", "deleteSchedule": "create no", "pauseSchedule": "create no",
	"resumeSchedule": "create no", "runSchedule": "create no", "listScheduleTicks": "read no", "listWorkers": "read no", "whoami": "read shared",
	"runnerStart": "runner exec", "runnerAppend": "runner exec", "runnerDeltas": "runner exec",
	"runnerHeartbeat": "runner exec", "runnerCommands": "runner exec", "runnerPutBlob": "runner exec", "runnerEnd": "runner exec",
}

// outcome is what an actor meets.
type outcome string

const (
	passes      outcome = "passes" // gets as far as the operation itself
	unknown     outcome = "401"
	forbidden   outcome = "403"
	hidden      outcome = "404"
	superseded  outcome = "409"
	unsigned    outcome = "no signed link"
	notAnswered outcome = "?"
)

func outcomeOf(a answer) outcome {
	switch p := string(a.body); {
	case a.status == 401:
		return unknown
	case a.status == 403 && strings.Contains(p, "the link"):
		return unsigned
	case a.status == 403:
		return forbidden
	case a.status == 404 && strings.Contains(p, "no run"):
		return hidden
	case a.status == 409 && strings.Contains(p, "over or superseded"):
		return superseded
	case a.status < 500:
		return passes
	}
	return notAnswered
}

// want is the expected outcome of an actor. Viewers read, members and admins do all that people do; what
// is the team's is for admins, see TestMembersLeaveTheTeamsThingsAlone.
func want(demand, actor string) outcome {
	permission, reach, _ := strings.Cut(demand, " ")
	switch {
	case permission == "public":
		return passes
	case permission == "link":
		return unsigned
	case actor == "anonymous" || actor == "garbage":
		return unknown
	case actor == "viewer" && permission != "read":
		return forbidden
	case actor == "viewer" || actor == "member" || actor == "admin":
		if permission == "runner" {
			return forbidden
		}
		return passes
	case reach == "no":
		return forbidden
	case actor == "ended run" && reach == "exec":
		return superseded
	case actor == "ended run":
		return unknown
	case actor == "other run" && reach == "own":
		return hidden
	}
	return passes
}

// TestEveryOperationForEveryActor walks openapi.yaml. An operation without a demand fails: whoever
// adds one says here who may use it.
func TestEveryOperationForEveryActor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, other, ended := w.localRun("own"), w.localRun("other"), w.localRun("ended")
	w.say(ended.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(ended.RunToken, 0, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
	w.as(ended.RunToken).post("/runner/end", api.RunnerEndRequest{}).want(204)
	keys := map[string]string{
		"anonymous": "", "garbage": "wk-1." + strings.Repeat("0", 64),
		"viewer": w.keyWith(identity.RoleViewer), "member": w.keyWith(identity.RoleMember), "admin": w.key,
		"own run": own.RunToken, "other run": other.RunToken, "ended run": ended.RunToken,
	}
	walked := 0
	for path, item := range contract().Paths.Map() {
		for method, op := range item.Operations() {
			demand, ok := demands[op.OperationID]
			if !ok {
				t.Errorf("%s has no demand in this test", op.OperationID)
				continue
			}
			for actor, key := range keys {
				walked++
				got := outcomeOf(w.probe(method, path, op.OperationID, own.RunId, key))
				expected := want(demand, actor)
				if actor == "ended run" && op.OperationID == "runnerEnd" {
					expected = passes // ending again is no offence: the first answer may have been lost
				}
				if got != expected {
					t.Errorf("%s as %s: %s, want %s", op.OperationID, actor, got, expected)
				}
			}
		}
	}
	if walked != len(demands)*len(keys) {
		t.Errorf("walked %d cells of %d", walked, len(demands)*len(keys))
	}
}

// probe makes a request that passes every check but changes nothing: its body is refused, or it
// names what is not there.
func (w *world) probe(method, path, operation, runID, key string) answer {
	w.t.Helper()
	nothing := uuid.NewString()
	path = strings.NewReplacer("{runId}", runID, "{conversationId}", runID, "{sessionUuid}", nothing, "{artifactUid}", nothing,
		"{environmentId}", "nothing", "{scheduleId}", nothing, "{requestId}", "nothing", "{blobId}", "ABCDEFGHIJKLMN").Replace(path)
	r := request{method: method, path: api.BasePath + path, key: key}
	switch {
	case slices.Contains([]string{"cancelRun", "cancelTask", "interruptRun", "runnerHeartbeat"}, operation):
		// These take no body; on this local run they are refused or harmless.
	case operation == "runnerPutBlob":
		r.path += "?kind=output"
		r.body, r.header = "x", http.Header{"Content-Type": {"application/octet-stream"}}
	case operation == "runnerDeltas":
		r.body = `{"deltas":[]}`
	case operation == "runnerAppend":
		r.body = `{"first_index":0,"entries":[]}`
	case operation == "runnerStart", operation == "runnerEnd" && key == "":
		r.body = `{}`
	case operation == "runnerEnd":
		r.body = `{"snapshot_blob_id":"ABCDEFGHIJKLMN"}`
	case method == "POST" || method == "PUT":
		r.body = `{"prompt":7,"message":7,"config":7,"decision":7}`
	case operation == "getBlob" || operation == "downloadTranscript":
		r.path += "?expires=99999999999&signature=AAAA"
	}
	if strings.HasSuffix(path, "/stream") {
		return w.peek(r)
	}
	return w.do(r)
}

// peek asks for a stream and reads no more than the answer's headers when there is one.
func (w *world) peek(r request) answer {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), r.method, w.url+r.path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	rsp, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	if rsp.StatusCode == http.StatusOK {
		_ = rsp.Body.Close()
		return answer{t: w.t, req: r, status: rsp.StatusCode, header: rsp.Header}
	}
	_ = rsp.Body.Close()
	return w.do(r)
}

// TestMembersLeaveTheTeamsThingsAlone: a worker is handed every run of the team, and an environment's
// commands run in everybody's sandboxes.
func TestMembersLeaveTheTeamsThingsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	member := w.as(w.keyWith(identity.RoleMember))
	viewer := w.as(w.keyWith(identity.RoleViewer))
	for _, who := range []*world{member, viewer} {
		if _, rsp, err := w.dial("sneaky", who.key); err == nil || rsp == nil || rsp.StatusCode != http.StatusForbidden {
			t.Errorf("connects a worker: %v %v", rsp, err)
		}
	}
	yes := true
	config := api.CloudEnvironmentConfig{Name: "e"}
	teams := decode[api.CloudEnvironment](w.post("/agent/environments", api.EnvironmentRequest{Config: config}).want(201))
	if teams.Scope.Type != api.ScopeTypeTeam {
		t.Errorf("an admin's environment belongs to %+v", teams.Scope)
	}
	own := decode[api.CloudEnvironment](member.post("/agent/environments", api.EnvironmentRequest{Config: config}).want(201))
	if own.Scope.Type != api.ScopeTypeUser {
		t.Errorf("a member's environment belongs to %+v", own.Scope)
	}
	put := func(who *world, uid string) answer {
		return who.do(request{method: "PUT", path: api.BasePath + "/agent/environments/" + uid, key: who.key, body: api.EnvironmentRequest{Config: config}})
	}
	remove := func(who *world, uid string) answer {
		return who.do(request{method: "DELETE", path: api.BasePath + "/agent/environments/" + uid, key: who.key})
	}
	member.post("/agent/environments", api.EnvironmentRequest{Config: config, Team: &yes}).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "member may not administer")
	put(member, teams.Uid).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "member may not administer")
	remove(member, teams.Uid).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "member may not administer")
	member.get("/agent/environments/" + teams.Uid).want(200)
	put(member, own.Uid).want(200)
	remove(member, own.Uid).want(204)
	put(w, teams.Uid).want(200)
	remove(w, teams.Uid).want(204)
}

func TestRunTokenReachesItsDescendants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parent, stranger := w.localRun("parent"), w.localRun("stranger")
	child := decode[api.RunAgentResponse](w.as(parent.RunToken).post("/agent/runs", api.RunAgentRequest{Prompt: "child"}).want(200))
	item := decode[api.RunItem](w.as(parent.RunToken).get("/agent/runs/" + child.RunId).want(200))
	if item.ParentRunId != parent.RunId || item.Source != api.RunSourceTypeORCHESTRATION {
		t.Errorf("child %+v", item)
	}
	w.as(stranger.RunToken).get("/agent/runs/" + child.RunId).want(404)
	list := decode[api.ListRunsResponse](w.as(parent.RunToken).get("/agent/runs").want(200))
	for _, r := range list.Runs {
		if r.RunId != parent.RunId && r.RunId != child.RunId {
			t.Errorf("a run token lists %q", r.Prompt)
		}
	}
}

func TestCredentialsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.as("").get("/whoami")
	a.wantProblem(api.PlatformErrorCodeAuthenticationRequired, 401, "required")
	if a.header.Get("WWW-Authenticate") == "" {
		t.Error("no WWW-Authenticate")
	}
	for _, header := range []string{"Basic abc", "Bearer", "Bearer  ", "wk-1.abc", "Bearer " + strings.Repeat("x", 5000)} {
		w.do(request{method: "GET", path: api.BasePath + "/whoami", header: http.Header{"Authorization": {header}}}).
			wantProblem(api.PlatformErrorCodeAuthenticationRequired, 401, "")
	}
	// The scheme's case does not matter.
	w.do(request{method: "GET", path: api.BasePath + "/whoami", header: http.Header{"Authorization": {"bearer " + w.key}}}).want(200)
}
