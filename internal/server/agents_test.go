package server_test

import (
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
)

// agents is where agents are kept.
const agents = "/agent/identities"

func (w *world) put(path string, body any) answer {
	w.t.Helper()
	return w.do(request{method: "PUT", path: api.BasePath + path, key: w.key, body: body})
}

func (w *world) remove(path string) answer {
	w.t.Helper()
	return w.do(request{method: "DELETE", path: api.BasePath + path, key: w.key})
}

// agent creates an agent of the world's team.
func (w *world) agent(req map[string]any) api.AgentResponse {
	w.t.Helper()
	return decode[api.AgentResponse](w.post(agents, req).want(201))
}

// agentKey makes a key that acts as an agent.
func (w *world) agentKey(uid string) string {
	w.t.Helper()
	key, _, err := w.srv.Identity().CreateKey(w.t.Context(), w.me(), identity.KeyRequest{Name: "k", Owner: identity.OwnerAgent, AgentUID: uid})
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// TestAgentStory is an agent's life over the wire: what is absent stays, what is empty goes.
func TestAgentStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := decode[api.CloudEnvironment](w.post("/agent/environments", map[string]any{"config": map[string]any{"name": "e"}}).want(201))
	a := w.agent(map[string]any{
		"name": " reviewer ", "description": "d", "prompt": "Be strict.", "agent_type": "REVIEW", "secrets": []any{map[string]any{"name": "TOKEN"}},
		"skills": []string{" acme/tools:./review ", "acme/tools:review", "lint"}, "environment_id": env.Uid, "worker_host": " build ",
		"mcp_servers": map[string]any{"m": map[string]any{"command": "x"}}, "base_model": "scripted", "credential_strategy": "CREATOR",
		"on_behalf_of_enabled": true, "default_runner_uid": "r", "factory_uid": "f", "harness_auth_secrets": map[string]any{"claude_auth_secret_name": "s"},
		"inference_providers": map[string]any{"aws": map[string]any{"region": "eu"}},
	})
	if a.Name != "reviewer" || !a.Available || a.IsDefault || strings.Join(a.Skills, " ") != "acme/tools:review lint" || a.WorkerHost != "build" ||
		len(a.Secrets) != 1 || !a.OnBehalfOfEnabled || a.CredentialStrategy != api.CredentialStrategyCREATOR || a.InferenceProviders.Aws.Region != "eu" {
		t.Errorf("created %+v", a)
	}
	path := agents + "/" + a.Uid
	for _, same := range []map[string]any{{}, {"name": nil, "skills": nil, "prompt": nil, "harness": nil, "memory": nil}, {"environment_id": nil, "on_behalf_of_enabled": nil}} {
		got := decode[api.AgentResponse](w.put(path, same).want(200))
		if got.Name != a.Name || len(got.Skills) != 2 || got.Prompt != a.Prompt || got.EnvironmentId != env.Uid || !got.OnBehalfOfEnabled || len(got.McpServers) != 1 {
			t.Errorf("%v made of it %+v", same, got)
		}
	}
	cleared := decode[api.AgentResponse](w.put(path, map[string]any{
		"description": "", "prompt": "", "agent_type": "", "secrets": []any{}, "skills": []any{}, "environment_id": "", "worker_host": "",
		"mcp_servers": map[string]any{}, "base_model": "", "credential_strategy": "", "on_behalf_of_enabled": false, "default_runner_uid": "",
		"harness_auth_secrets": map[string]any{}, "inference_providers": map[string]any{}, "harness": map[string]any{"type": "claude", "model_id": "opus"},
	}).want(200))
	if cleared.Name != "reviewer" || cleared.Description+cleared.Prompt+cleared.EnvironmentId+cleared.WorkerHost+cleared.BaseModel+cleared.DefaultRunnerUid != "" ||
		cleared.Secrets == nil || len(cleared.Secrets)+len(cleared.Skills)+len(cleared.McpServers) != 0 || cleared.OnBehalfOfEnabled ||
		cleared.Harness.ModelId != "opus" || cleared.HarnessAuthSecrets.ClaudeAuthSecretName != "" {
		t.Errorf("cleared %+v", cleared)
	}
	w.put(path, map[string]any{"base_model": "scripted"}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "base_model")
	w.put(path, map[string]any{"harness": map[string]any{}, "base_model": "scripted"}).want(200)

	list := decode[api.ListAgentIdentitiesResponse](w.get(agents).want(200)).Agents
	if len(list) != 2 || !list[0].IsDefault || list[1].Uid != a.Uid {
		t.Fatalf("list %+v", list)
	}
	if list := decode[api.ListAgentIdentitiesResponse](w.get(agents + "?factory_uid=f").want(200)).Agents; len(list) != 1 || list[0].Uid != a.Uid {
		t.Errorf("of the factory %+v", list)
	}
	w.remove(agents+"/"+list[0].Uid).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "default")
	w.put(agents+"/"+list[0].Uid, map[string]any{"name": "Everyday"}).want(200)
	w.remove(path).want(204)
	w.remove(path).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
	w.get(path).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
	w.put(path, map[string]any{}).want(404)
}

// TestAgentRefusals: everything wrong is refused, and named.
func TestAgentRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := decode[api.CloudEnvironment](w.post("/agent/environments", map[string]any{"team": false, "config": map[string]any{"name": "e"}}).want(201))
	w.agent(map[string]any{"name": "taken"})
	b := w.agent(map[string]any{"name": "b"})
	long := strings.Repeat("x", 1001)
	for names, change := range map[string]map[string]any{
		"name":                          {"name": " "},
		"name: \"taken\"":               {"name": "taken"},
		"name: must be at most":         {"name": long},
		"name: contains":                {"name": "a\x1bb"},
		"description":                   {"description": long},
		"secrets[1].name":               {"secrets": []any{map[string]any{"name": "A"}, map[string]any{"name": "A"}}},
		"secrets[0].name":               {"secrets": []any{map[string]any{"name": ""}}},
		"skills[0]: \"../../etc":        {"skills": []string{"../../etc/passwd"}},
		"skills[0]: must name":          {"skills": []string{"acme/tools: "}},
		"skills[1]: \"a/b/c:x\"":        {"skills": []string{"ok", "a/b/c:x"}},
		"mcp_servers.m":                 {"mcp_servers": map[string]any{"m": map[string]any{"command": "x", "url": "http://x"}}},
		"base_model: must be empty":     {"base_model": "scripted", "harness": map[string]any{"type": "codex"}},
		"base_model":                    {"base_model": "no such model"},
		"harness.type":                  {"harness": map[string]any{"type": "emacs"}},
		"agent_type":                    {"agent_type": "BOSS"},
		"credential_strategy":           {"credential_strategy": "NOBODY"},
		"environment_id: must be":       {"environment_id": mine.Uid},
		"worker_host":                   {"worker_host": strings.Repeat("h", 300)},
		"on_behalf_of_enabled: must be": {"on_behalf_of_enabled": "yes"},
	} {
		change["name"] = firstOf(change["name"], "fresh")
		w.post(agents, change).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, names)
		if change["name"] == "fresh" {
			delete(change, "name")
		}
		w.put(agents+"/"+b.Uid, change).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, names)
	}
	w.post(agents, map[string]any{"name": "n", "environment_id": "nope"}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "environment")
}

func firstOf(v, def any) any {
	if v == nil {
		return def
	}
	return v
}

// TestAgentsArePeoplesToManage: nothing that acts without a person changes agents, and only admins let
// their keys speak for others.
func TestAgentsArePeoplesToManage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agent(map[string]any{"name": "a"})
	teamKey, _, err := w.srv.Identity().CreateKey(t.Context(), w.me(), identity.KeyRequest{Name: "t", Owner: identity.OwnerTeam, Role: identity.RoleAdmin})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{teamKey, w.agentKey(a.Uid), w.keyWith(identity.RoleViewer)} {
		w := w.as(key)
		w.post(agents, map[string]any{"name": "b"}).want(403)
		w.put(agents+"/"+a.Uid, map[string]any{"prompt": "p"}).want(403)
		w.remove(agents + "/" + a.Uid).want(403)
		w.get(agents + "/" + a.Uid).want(200)
	}
	member := w.as(w.keyWith(identity.RoleMember))
	member.post(agents, map[string]any{"name": "b", "on_behalf_of_enabled": true}).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "on_behalf_of_enabled")
	member.put(agents+"/"+a.Uid, map[string]any{"on_behalf_of_enabled": true}).want(403)
	w.put(agents+"/"+a.Uid, map[string]any{"on_behalf_of_enabled": true}).want(200)
	if got := decode[api.AgentResponse](member.put(agents+"/"+a.Uid, map[string]any{"on_behalf_of_enabled": true, "prompt": "p"}).want(200)); !got.OnBehalfOfEnabled || got.Prompt != "p" {
		t.Errorf("a member made of it %+v", got)
	}
	other := decode[api.Team](w.post("/teams", api.RenameRequest{Name: "other"}).want(201))
	w.do(request{method: "GET", path: api.BasePath + agents + "/" + a.Uid, key: w.keyOf(identity.User{UID: w.me().UID}, other.Uid)}).want(404)
}

// TestAgentKeyEndsWithItsAgent at once, without waiting for anything that is remembered.
func TestAgentKeyEndsWithItsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agent(map[string]any{"name": "ci"})
	key := w.agentKey(a.Uid)
	who := decode[api.WhoamiResponse](w.as(key).get("/whoami").want(200))
	if who.Type != api.WhoamiResponseTypeServiceAccount || who.Uid != a.Uid || who.DisplayName != "ci" || who.TeamUids[0] != w.team() {
		t.Errorf("who am I: %+v", who)
	}
	w.remove(agents + "/" + a.Uid).want(204)
	w.as(key).get("/whoami").want(401)
	for _, k := range decode[api.ListApiKeysResponse](w.get("/api-keys").want(200)).ApiKeys {
		if k.OwnerUid == a.Uid {
			t.Errorf("its key is still listed: %+v", k)
		}
	}
	w.post("/api-keys", api.CreateApiKeyRequest{Name: "x", AgentUid: a.Uid}).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
}

// TestAgentsBeyondTheLimit are there and cannot be used.
func TestAgentsBeyondTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.MaxAgents = 3 })
	first, second := w.agent(map[string]any{"name": "first"}), w.agent(map[string]any{"name": "second"})
	w.post(agents, map[string]any{"name": "third"}).wantProblem(api.PlatformErrorCodeOperationNotSupported, 422, "3 agents")
	key := w.agentKey(second.Uid)
	w.cfg.MaxAgents = 2
	w.restart()
	available := func(uid string) bool { return decode[api.AgentResponse](w.get(agents + "/" + uid).want(200)).Available }
	if !available(first.Uid) || available(second.Uid) {
		t.Error("the wrong one is beyond the limit")
	}
	w.as(key).get("/whoami").wantProblem(api.PlatformErrorCodeFeatureNotAvailable, 403, "second")
	w.remove(agents + "/" + first.Uid).want(204)
	w.as(key).get("/whoami").want(200)
}

// TestTeamDefaults are the team's to see and its admins' to change.
func TestTeamDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := "/teams/" + w.team() + "/defaults"
	if d := decode[api.TeamDefaults](w.get(path).want(200)); d != (api.TeamDefaults{}) {
		t.Errorf("at first %+v", d)
	}
	w.put(path, map[string]any{"model_id": "scripted", "worker_host": " h "}).want(200)
	if d := decode[api.TeamDefaults](w.put(path, map[string]any{"model_id": nil, "environment_id": ""}).want(200)); d.ModelId != "scripted" || d.WorkerHost != "h" {
		t.Errorf("changed to %+v", d)
	}
	w.put(path, map[string]any{"model_id": "no such model"}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "model_id")
	w.put(path, map[string]any{"environment_id": "nope"}).want(404)
	w.as(w.keyWith(identity.RoleMember)).put(path, map[string]any{"worker_host": ""}).want(403)
	w.get("/teams/other/defaults").want(404)
	w.put("/teams/other/defaults", map[string]any{}).want(404)
}

// TestTeamsHaveLimitsOfTheirOwn: how many runs work at once is each team's, within what the server allows,
// and a raised limit starts what waits.
func TestTeamsHaveLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *server.Config) { c.TeamLimit = 3 })
	theirs := w.as(w.otherTeam())
	limit := func(w *world, n int) answer {
		return w.put("/teams/"+w.team()+"/defaults", map[string]any{"max_concurrent_runs": n})
	}
	limit(theirs, 4).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "max_concurrent_runs")
	limit(w, -1).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "max_concurrent_runs")
	limit(theirs, 2).want(200)
	limit(w, 1).want(200)
	ours, far := w.connect("local"), theirs.connect("local")
	start := func(w *world, full bool) string {
		got := decode[api.RunAgentResponse](w.post("/agent/runs", api.RunAgentRequest{Prompt: "work"}).want(200))
		if got.AtCapacity != full {
			t.Errorf("at capacity: %v, want %v", got.AtCapacity, full)
		}
		return got.RunId
	}
	far.claim(start(theirs, false))
	far.claim(start(theirs, false))
	start(theirs, true)
	ours.claim(start(w, false))
	second := start(w, true)
	if got := w.run(second).Waiting; got.Code != api.WaitingCodeAtCapacity || got.Message != "All 1 places of the team are taken; waiting for one." {
		t.Errorf("waits for %+v", got)
	}
	if d := decode[api.TeamDefaults](limit(w, 4).want(200)); d.MaxConcurrentRuns != 4 { // an operator may
		t.Errorf("changed to %+v", d)
	}
	ours.claim(second)
	if d := decode[api.TeamDefaults](limit(w, 0).want(200)); d != (api.TeamDefaults{}) {
		t.Errorf("left to the server: %+v", d)
	}
}

// TestRunsAsAgents: whom a run is asked by and whom it runs as, and what it is made from.
func TestRunsAsAgents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := decode[api.CloudEnvironment](w.post("/agent/environments", map[string]any{"config": map[string]any{"name": "e"}}).want(201))
	machine := decode[api.ComputeRunner](w.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "r"}}).want(201)).Uid
	a := w.agent(map[string]any{
		"name": "fixer", "prompt": "Be brief.", "skills": []string{"lint"}, "environment_id": env.Uid, "worker_host": "theirs",
		"mcp_servers":        map[string]any{"x": map[string]any{"command": "agents"}, "y": map[string]any{"command": "agents"}},
		"default_runner_uid": machine, "harness": map[string]any{"reasoning_level": "high"},
	})
	w.put("/teams/"+w.team()+"/defaults", map[string]any{"worker_host": "team-host", "model_id": "scripted"}).want(200)

	me := w.me()
	plain := w.run(w.create(api.RunAgentRequest{Prompt: "p"}))
	if plain.Creator != plain.Executor || plain.AgentConfig.WorkerHost != "team-host" || plain.AgentConfig.EnvironmentId != "" {
		t.Errorf("a person's own run %+v", plain)
	}
	bare := w.run(w.create(api.RunAgentRequest{Prompt: "p", AgentIdentityUid: a.Uid}))
	c := bare.AgentConfig
	if bare.Creator.Uid != me.UID || bare.Executor != (api.UserProfile{Type: api.UserProfileTypeServiceAccount, Uid: a.Uid, DisplayName: "fixer"}) {
		t.Errorf("creator %+v, executor %+v", bare.Creator, bare.Executor)
	}
	if c.BasePrompt != "Be brief." || c.EnvironmentId != env.Uid || c.WorkerHost != "theirs" || c.RunnerId != machine || c.Harness.ReasoningLevel != "high" ||
		len(c.Skills) != 1 || c.Skills[0] != "lint" || c.SkillSpec != "" || bare.AgentSkill.Name != "" || len(c.McpServers) != 2 || c.Name != "fixer" ||
		c.CredentialStrategy != api.AmbientAgentConfigCredentialStrategyEXECUTOR {
		t.Errorf("made from the agent: %+v", c)
	}
	own := w.run(w.create(api.RunAgentRequest{Prompt: "p", AgentIdentityUid: a.Uid, Skill: "mine", Config: api.AmbientAgentConfig{
		BasePrompt: "Mine.", EnvironmentId: "none", WorkerHost: "warp", McpServers: map[string]api.MCPServerConfig{"x": {Command: "runs"}},
		CredentialStrategy: api.AmbientAgentConfigCredentialStrategyCREATOR,
	}}))
	c = own.AgentConfig
	if c.BasePrompt != "Mine." || c.EnvironmentId != "" || c.WorkerHost != "local" || strings.Join(c.Skills, " ") != "mine lint" || own.AgentSkill.Name != "mine" ||
		c.McpServers["x"].Command != "runs" || c.McpServers["y"].Command != "agents" || c.CredentialStrategy != api.AmbientAgentConfigCredentialStrategyCREATOR {
		t.Errorf("made from the request: %+v", c)
	}
	w.put(agents+"/"+a.Uid, map[string]any{"name": "renamed", "prompt": "Changed.", "skills": []string{}}).want(200)
	if again := w.run(bare.RunId); again.AgentConfig.BasePrompt != "Be brief." || again.Executor.DisplayName != "fixer" {
		t.Errorf("a change of the agent changed its run: %+v", again)
	}

	key := w.as(w.agentKey(a.Uid))
	asked := w.run(key.create(api.RunAgentRequest{Prompt: "p"}))
	if asked.Creator.Uid != a.Uid || asked.Executor.Uid != a.Uid || asked.AgentConfig.BasePrompt != "Changed." {
		t.Errorf("by the agent's key %+v", asked)
	}
	listed := decode[api.ListRunsResponse](w.get("/agent/runs?executor=" + a.Uid).want(200)).Runs
	if len(listed) != 3 {
		t.Errorf("%d runs as the agent", len(listed))
	}
	if listed := decode[api.ListRunsResponse](w.get("/agent/runs?executor=" + a.Uid + "&creator=" + me.UID).want(200)).Runs; len(listed) != 2 {
		t.Errorf("%d runs as the agent that I asked for", len(listed))
	}
}

// TestWhoMayRunAsAgent, and for whom.
func TestWhoMayRunAsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.agent(map[string]any{"name": "a"}), w.agent(map[string]any{"name": "b"})
	as := func(w *world, uid string) answer {
		return w.post("/agent/run", api.RunAgentRequest{Prompt: "p", AgentIdentityUid: uid})
	}
	as(w.as(w.keyWith(identity.RoleMember)), a.Uid).want(200)
	as(w.as(w.keyWith(identity.RoleViewer)), a.Uid).want(403)
	key := w.as(w.agentKey(a.Uid))
	as(key, a.Uid).want(200)
	as(key, b.Uid).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "agent_identity_uid")
	as(w, "nobody").wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
	other := decode[api.Team](w.post("/teams", api.RenameRequest{Name: "other"}).want(201))
	as(w.as(w.keyOf(identity.User{UID: w.me().UID}, other.Uid)), a.Uid).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
	no := false
	w.post("/agent/run", api.RunAgentRequest{Prompt: "p", AgentIdentityUid: a.Uid, Team: &no}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "team")
	key.post("/agent/run", api.RunAgentRequest{Prompt: "p", Team: &no}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "team")

	// A run has children as what it is itself, asked for by whoever asked for it.
	local := decode[api.LocalRunResponse](key.post("/agent/local-runs", api.LocalRunRequest{Prompt: "p"}).want(200))
	inside := w.as(local.RunToken)
	as(inside, b.Uid).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "agent_identity_uid")
	child := w.run(decode[api.RunAgentResponse](as(inside, a.Uid).want(200)).RunId)
	if child.Executor.Uid != a.Uid || child.Executor.Type != api.UserProfileTypeServiceAccount || child.ParentRunId != local.RunId {
		t.Errorf("child %+v", child)
	}
	mine := w.localRun("p")
	as(w.as(mine.RunToken), a.Uid).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "agent_identity_uid")
	child = w.run(w.as(mine.RunToken).create(api.RunAgentRequest{Prompt: "p"}))
	if child.Creator != child.Executor || child.Executor.Uid != w.me().UID {
		t.Errorf("child of a person's run %+v", child)
	}
	w.remove(agents + "/" + a.Uid).want(204)
	as(inside, "").wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
}

// TestOnBehalfOf: an agent that may names a member of its team as who asked; nobody else names anybody.
func TestOnBehalfOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	grace, graceKey := w.person("grace", identity.RoleMember)
	a := w.agent(map[string]any{"name": "a"})
	key := w.as(w.agentKey(a.Uid))
	for_ := func(w *world, who string, config api.AmbientAgentConfig) answer {
		return w.post("/agent/run", api.RunAgentRequest{Prompt: "p", OnBehalfOf: who, Config: config})
	}
	none := api.AmbientAgentConfig{}
	for _, caller := range []*world{w, w.as(graceKey), key} {
		for_(caller, grace.UID, none).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "on_behalf_of")
	}
	w.put(agents+"/"+a.Uid, map[string]any{"on_behalf_of_enabled": true}).want(200)
	for _, who := range []string{grace.UID, grace.Email, "Grace@Example.com"} {
		r := w.run(decode[api.RunAgentResponse](for_(key, who, none).want(200)).RunId)
		if r.Creator.Uid != grace.UID || r.Creator.Type != api.UserProfileTypeUser || r.Creator.Email != grace.Email || r.Executor.Uid != a.Uid {
			t.Errorf("on behalf of %s: creator %+v, executor %+v", who, r.Creator, r.Executor)
		}
	}
	creator := api.AmbientAgentConfig{CredentialStrategy: api.AmbientAgentConfigCredentialStrategyCREATOR}
	for_(key, grace.UID, creator).want(200)
	for_(key, "", creator).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "credential_strategy")
	for _, who := range []string{"nobody", "nobody@example.com", w.otherTeam(), a.Uid} {
		for_(key, who, none).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "on_behalf_of")
	}
	w.post("/users/"+grace.UID+"/disable", nil).want(200)
	for_(key, grace.UID, none).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "on_behalf_of")
	local := decode[api.LocalRunResponse](key.post("/agent/local-runs", api.LocalRunRequest{Prompt: "p"}).want(200))
	for_(w.as(local.RunToken), w.me().UID, none).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "on_behalf_of")
}

// TestScheduleAsAgent runs as its agent for as long as there is one.
func TestScheduleAsAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.agent(map[string]any{"name": "a", "prompt": "Be brief."}), w.agent(map[string]any{"name": "b"})
	plan := func(uid string) map[string]any {
		return map[string]any{"name": "n", "cron_schedule": "@daily", "prompt": "p", "enabled": true, "agent_uid": uid}
	}
	s := decode[api.ScheduledAgentItem](w.post("/agent/schedules", plan(a.Uid)).want(201))
	path := "/agent/schedules/" + s.Id
	r := w.run(decode[api.RunAgentResponse](w.post(path+"/run", nil).want(200)).RunId)
	if r.Executor.Uid != a.Uid || r.AgentConfig.BasePrompt != "Be brief." || r.Source != api.RunSourceTypeSCHEDULEDAGENT {
		t.Errorf("run of the schedule %+v", r)
	}
	w.post("/agent/schedules", plan("nobody")).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
	key := w.as(w.agentKey(a.Uid))
	key.post("/agent/schedules", plan(b.Uid)).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "agent_uid")
	own := decode[api.ScheduledAgentItem](key.post("/agent/schedules", plan("")).want(201))
	key.put("/agent/schedules/"+own.Id, plan(b.Uid)).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "agent_uid")
	w.remove(agents + "/" + a.Uid).want(204)
	w.post(path+"/run", nil).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
	w.post("/agent/schedules/"+own.Id+"/run", nil).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "agent")
}
