package server_test

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server/httpapi"
)

// outcome is what an actor meets.
type outcome string

const (
	passes      outcome = "passes" // gets as far as the operation itself
	unknown     outcome = "401"
	forbidden   outcome = "403"
	hidden      outcome = "404"
	superseded  outcome = "409"
	unsigned    outcome = "no signed link"
	notJSON     outcome = "415"
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
	case a.status == 404:
		return hidden
	case a.status == 415:
		return notJSON
	case a.status == 409 && strings.Contains(p, "over or superseded"):
		return superseded
	case a.status < 500:
		return passes
	}
	return notAnswered
}

// holds says, a second time and on purpose, what each kind of caller may do at all.
var holds = map[string]string{
	"operator":   "self account read create report steer message manage employ administer worker operate",
	"admin":      "self account read create report steer message manage employ administer worker",
	"member":     "self account read create report steer message manage employ",
	"viewer":     "self account read",
	"newcomer":   "self account", // in no team
	"team key":   "self read create report steer message manage",
	"worker key": "self worker",
	"read key":   "self read",
	"runs key":   "self read create report steer message",
	"other team": "self account read create report steer message manage employ administer worker",
	"own run":    "self read create report message runner gateway",
	"other run":  "self read create report message runner gateway",
	"ended run":  "self read create report message runner gateway",
	"browser":    "self account read create report steer message manage employ", // signed in: a member
	"other site": "self account read create report steer message manage employ", // the same, but another site makes the request
}

// want is the expected outcome of an actor. Gone is for who was let in once.
func want(op httpapi.Operation, actor string) outcome {
	run := strings.HasSuffix(actor, " run")
	browser := slices.Contains([]string{"browser", "other site", "signed out"}, actor)
	switch {
	case op.ID == "getBlob" || op.ID == "downloadTranscript" || op.ID == "putUpload":
		return unsigned
	case op.Permission == "":
		return passes
	case actor == "other site" && op.Method != http.MethodGet:
		return forbidden
	case browser && op.ID == "runnerPutBlob":
		return notJSON // whatever it may: a form can send such a body
	case slices.Contains([]string{"anonymous", "garbage", "expired", "revoked", "removed", "disabled", "signed out"}, actor):
		return unknown
	case !slices.Contains(strings.Fields(holds[actor]), string(op.Permission)):
		return forbidden
	case run && op.RunTokens == httpapi.RunTokensNone:
		return forbidden
	case actor == "ended run" && op.RunTokens == httpapi.RunTokensExecution:
		return superseded
	case actor == "ended run":
		return unknown
	case actor == "other run" && op.RunTokens == httpapi.RunTokensOwnRun:
		return hidden
	case op.RunTokens == httpapi.RunTokensSpeak && op.Method == http.MethodGet && !run:
		return passes // which run is spoken for was not said
	case actor == "other team" && strings.Contains(op.Path, "{"):
		return hidden
	case op.ID == "deleteRun" && slices.Contains([]string{"member", "team key", "browser"}, actor):
		return forbidden // the run is another's
	}
	return passes
}

// TestEveryOperationForEveryActor asks the server about every row of its own table, with every kind of
// caller.
func TestEveryOperationForEveryActor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own, other, ended := w.localRun("own"), w.localRun("other"), w.localRun("ended")
	w.say(ended.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(ended.RunToken, 0, api.RunStateSUCCEEDED, api.AgentMessage{Text: "done"}).want(200)
	w.as(ended.RunToken).post("/runner/end", api.RunnerEndRequest{}).want(204)
	keys := w.everybody()
	keys["own run"], keys["other run"], keys["ended run"] = own.RunToken, other.RunToken, ended.RunToken
	ids := w.things(own.RunId)
	for _, op := range httpapi.Operations() {
		for actor, key := range keys {
			a := w.probe(op, actor, key, ids)
			got, expected := outcomeOf(a), want(op, actor)
			switch {
			case actor == "ended run" && op.ID == "runnerEnd":
				expected = passes // ending again is no offence: the first answer may have been lost
			case got == hidden && expected == passes:
				got = passes // what is asked for is not there: see probe
			}
			if got != expected {
				t.Errorf("%s as %s: %s, want %s; %s", op.ID, actor, got, expected, a)
			}
		}
	}
}

// things are ids of what the first team has, by path parameter.
func (w *world) things(runID string) map[string]string {
	w.t.Helper()
	team := decode[api.WhoamiResponse](w.get("/whoami").want(200))
	environment := decode[api.CloudEnvironment](w.post("/agent/environments", api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{Name: "e"}}).want(201))
	secret := decode[api.Secret](w.post("/secrets", api.CreateSecretRequest{Name: "S", Value: api.SecretValue{Value: "v"}}).want(201))
	key := decode[api.CreateApiKeyResponse](w.post("/api-keys", api.CreateApiKeyRequest{Name: "k", TeamId: team.TeamUids[0]}).want(201))
	invitation := decode[api.CreateInvitationResponse](w.post("/teams/"+team.TeamUids[0]+"/invitations", api.CreateInvitationRequest{Email: "i@example.com"}).want(201))
	runner := decode[api.ComputeRunner](w.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "r"}}).want(201))
	prompt := decode[api.SavedPrompt](w.post("/prompts", api.SavedPromptRequest{Config: api.SavedPromptConfig{Name: "p", Text: "t"}}).want(201))
	server := decode[api.SharedMcpServer](w.post("/mcp-servers", api.SharedMcpServerRequest{Config: api.SharedMcpServerConfig{Name: "s", Command: "c"}}).want(201))
	return map[string]string{
		"runnerUid": runner.Uid, "promptUid": prompt.Uid, "serverUid": server.Uid,
		"runId": runID, "conversationId": runID, "environmentId": environment.Uid, "teamUid": team.TeamUids[0],
		"userUid": team.Uid, "keyUid": key.ApiKey.Uid, "secretUid": secret.Uid, "invitationUid": invitation.Invitation.Uid,
	}
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

// probe makes a request that passes every check but changes nothing: its body is refused, or it names
// what is not there. Only strangers are sent to what there is, in good form: they must not find it.
func (w *world) probe(op httpapi.Operation, actor, key string, ids map[string]string) answer {
	w.t.Helper()
	item := contract().Paths.Find(op.Path).GetOperation(op.Method)
	stranger := actor == "other team" && strings.Contains(op.Path, "{")
	harmless := stranger || op.Method == "GET" || item.RequestBody != nil
	path := pathParameter.ReplaceAllStringFunc(op.Path, func(p string) string {
		name := strings.Trim(p, "{}")
		if id := ids[name]; id != "" && (harmless || name == "runId" || !strings.HasSuffix(op.Path, p)) {
			return id
		}
		if name == "blobId" {
			return "ABCDEFGHIJKLMN"
		}
		return uuid.NewString()
	})
	r := request{method: op.Method, path: api.BasePath + path, key: key}
	switch {
	case op.ID == "runnerPutBlob":
		r.path += "?kind=output"
		r.body, r.header = "x", http.Header{"Content-Type": {"application/octet-stream"}}
	case op.ID == "runnerSecrets":
		r.body = `{"phase":"setup"}`
	case op.ID == "runnerDeltas":
		r.body = `{"deltas":[]}`
	case op.ID == "runnerAppend":
		r.body = `{"first_index":0,"entries":[]}`
	case op.ID == "runnerStart", op.ID == "runnerEnd" && key == "":
		r.body = `{}`
	case op.ID == "runnerEnd":
		r.body = `{"snapshot_blob_id":"ABCDEFGHIJKLMN"}`
	case op.ID == "putUpload":
		r.path += "?expires=99999999999&signature=AAAA"
		r.body, r.header = "x", http.Header{"Content-Type": {"application/octet-stream"}}
	case op.ID == "getBlob" || op.ID == "downloadTranscript":
		r.path += "?expires=99999999999&signature=AAAA"
	case item.RequestBody != nil && stranger:
		r.body = item.RequestBody.Value.Content.Get("application/json").Example
	case item.RequestBody != nil:
		r.body = `[]`
	}
	if secret, ok := strings.CutPrefix(key, cookieKey); ok {
		site := map[string]string{"other site": "cross-site"}[actor]
		if r.header == nil {
			r.header = http.Header{}
		}
		r.key = ""
		r.header.Set("Cookie", "cadre="+secret)
		r.header.Set("Sec-Fetch-Site", cmp.Or(site, "same-origin"))
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
	if r.key != "" {
		req.Header.Set("Authorization", "Bearer "+r.key)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
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
