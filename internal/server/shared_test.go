package server_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// local registers a run of which the test is the runner, and starts it.
func (w *world) local(req api.LocalRunRequest) (api.LocalRunResponse, api.RunnerAssignment) {
	w.t.Helper()
	r := decode[api.LocalRunResponse](w.post("/agent/local-runs", req).want(200))
	return r, decode[api.RunnerAssignment](w.as(r.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200))
}

// TestSharedThingsReachARun: what a run names of what is shared is what its sandbox is given.
func TestSharedThingsReachARun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	small := decode[api.ComputeRunner](w.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "small", SetupCommands: []string{"true"}}}).want(201))
	w.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{
		Name: "big", InstanceShape: api.RunnerShape{Vcpus: 8, MemoryGb: 16}, Linux: api.LinuxRunner{DockerImage: "golang:1.26"},
	}}).want(201)
	env := decode[api.CloudEnvironment](w.post("/agent/environments", api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{Name: "e", DefaultRunnerUid: "small"}}).want(201))
	if env.Config.DefaultRunnerUid != small.Uid {
		t.Errorf("default runner %q, want the uid %q", env.Config.DefaultRunnerUid, small.Uid)
	}
	tickets := decode[api.SharedMcpServer](w.post("/mcp-servers", api.SharedMcpServerRequest{Config: api.SharedMcpServerConfig{
		Name: "tickets", Url: "https://mcp.example.com/", Headers: map[string]string{"Authorization": "Bearer {{TOKEN}}"},
	}}).want(201))
	bob := "Bob"
	prompt := decode[api.SavedPrompt](w.post("/prompts", api.SavedPromptRequest{Config: api.SavedPromptConfig{
		Name: "greet", Text: "Greet {{ who }} with {{word}}, not {{TOKEN}}.",
		Arguments: []api.PromptArgument{{Name: "who", Default: &bob}, {Name: "word"}},
	}}).want(201))
	yes, no := true, false
	w.put("/rules", api.RulesRequest{Text: "Be brief.", Team: &yes}).want(200)
	w.put("/rules", api.RulesRequest{Text: "Be kind.", Team: &no}).want(200)

	r, a := w.local(api.LocalRunRequest{SavedPrompt: "greet", SavedPromptArguments: map[string]string{"word": "{{who}}"}, Config: api.AmbientAgentConfig{
		EnvironmentId: env.Uid, McpServers: map[string]api.MCPServerConfig{"mine": {WarpId: "tickets"}, "own": {Command: "c"}},
	}})
	item := w.run(r.RunId)
	if want := "Greet Bob with {{who}}, not {{TOKEN}}."; item.Prompt != want || a.Prompt != want || item.AgentConfig.SavedPromptId != prompt.Uid {
		t.Errorf("prompt %q of %q", item.Prompt, item.AgentConfig.SavedPromptId)
	}
	if item.AgentConfig.RunnerId != small.Uid || a.Machine.Name != "small" {
		t.Errorf("runner %q, given %+v", item.AgentConfig.RunnerId, a.Machine)
	}
	if got := item.AgentConfig.McpServers["mine"]; got.WarpId != tickets.Uid || got.Url != "" {
		t.Errorf("the run keeps %+v", got)
	}
	want := map[string]api.MCPServerConfig{"mine": {Url: "https://mcp.example.com/", Headers: map[string]string{"Authorization": "Bearer {{TOKEN}}"}}, "own": {Command: "c"}}
	if diff := cmp.Diff(want, a.Config.McpServers); diff != "" {
		t.Errorf("servers (-want +got):\n%s", diff)
	}
	if len(a.Rules) != 2 || a.Rules[0].Text != "Be brief." || a.Rules[1].Text != "Be kind." {
		t.Errorf("rules %+v", a.Rules)
	}
	// The run's own choice wins; a deleted server stays a reference that the runner process reports.
	w.remove("/mcp-servers/" + tickets.Uid).want(204)
	_, a = w.local(api.LocalRunRequest{Prompt: "p", Config: api.AmbientAgentConfig{EnvironmentId: env.Uid, RunnerId: "big"}})
	if a.Machine.Name != "big" || a.Environment.Name != "e" {
		t.Errorf("machine %+v", a.Machine)
	}
	again := decode[api.RunnerAssignment](w.as(r.RunToken).post("/runner/start", api.RunnerStartRequest{}).want(200))
	if got := again.Config.McpServers["mine"]; got.WarpId != tickets.Uid {
		t.Errorf("deleted server %+v", got)
	}
	// Without the default runner nothing starts in the environment, and the error names the way out.
	w.remove("/runners/" + small.Uid).want(204)
	w.post("/agent/runs", api.RunAgentRequest{Prompt: "p", Config: api.AmbientAgentConfig{EnvironmentId: env.Uid}}).
		wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "default runner is gone")
	// Later definitions change nothing for runs that were made.
	w.put("/prompts/"+prompt.Uid, api.SavedPromptRequest{Config: api.SavedPromptConfig{Name: "greet", Text: "Other."}}).want(200)
	if w.run(r.RunId).Prompt != item.Prompt {
		t.Error("the run's prompt changed with the saved one")
	}
}

// TestSharedRefusals names the member of each definition and reference that is wrong.
func TestSharedRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	no := false
	w.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "mine"}, Team: &no}).want(201)
	w.post("/prompts", api.SavedPromptRequest{Config: api.SavedPromptConfig{Name: "ask", Text: "{{a}}", Arguments: []api.PromptArgument{{Name: "a"}}}}).want(201)
	member := w.as(w.keyWith(identity.RoleMember))
	member.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "theirs"}}).want(201)
	long := strings.Repeat("x", 70<<10)
	for _, c := range []struct{ path, body, words string }{
		{"/runners", `{"config":{"name":" "}}`, "config.name"},
		{"/runners", `{"config":{"name":"r","os":"BEOS"}}`, "config.os"},
		{"/runners", `{"config":{"name":"r","instance_shape":{"vcpus":0,"memory_gb":1}}}`, "config.instance_shape.vcpus"},
		{"/runners", `{"config":{"name":"r","os":"MACOS","linux":{"docker_image":"i"}}}`, "config.linux"},
		{"/runners", `{"config":{"name":"r","mac":{"version":"15"}}}`, "config.mac"},
		{"/runners", `{"config":{"name":"r","linux":{"docker_image":"--privileged"}}}`, "config.linux.docker_image"},
		{"/runners", `{"config":{"name":"r","setup_commands":["` + long + `"]}}`, "config.setup_commands[0]"},
		{"/prompts", `{"config":{"name":"p","text":"` + long + `"}}`, "config.text"},
		{"/prompts", `{"config":{"name":"p","text":"x","arguments":[{"name":"a b"}]}}`, "config.arguments[0].name"},
		{"/prompts", `{"config":{"name":"p","text":"x","arguments":[{"name":"a"}]}}`, "stands nowhere"},
		{"/mcp-servers", `{"config":{"name":"a b","command":"c"}}`, "config.name"},
		{"/mcp-servers", `{"config":{"name":"s","command":"c","url":"http://h"}}`, "exactly one"},
		{"/mcp-servers", `{"config":{"name":"s","url":"http://u:p@h"}}`, "config.url"},
		{"/mcp-servers", `{"config":{"name":"s","url":"http://h","args":["x"]}}`, "args and env"},
		{"/mcp-servers", `{"config":{"name":"s","url":"http://h","headers":{"A":"x\r\nB: y"}}}`, "config.headers"},
		{"/mcp-servers", `{"config":{"name":"s","command":"c","env":{"A=B":"x"}}}`, "config.env"},
		{"/agent/environments", `{"config":{"name":"e","default_runner_uid":"mine"}}`, "config.default_runner_uid"},
		{"/agent/environments", `{"config":{"name":"e","docker_image":"a b"}}`, "config.docker_image"},
		{"/agent/runs", `{"prompt":"p","config":{"runner_id":"mine"}}`, "config.runner_id"},
		{"/agent/runs", `{"prompt":"p","config":{"runner_id":"theirs"}}`, "config.runner_id"},
		{"/agent/runs", `{"prompt":"p","config":{"mcp_servers":{"x":{"warp_id":"absent"}}}}`, "config.mcp_servers.x.warp_id"},
		{"/agent/runs", `{"saved_prompt":"absent"}`, "saved_prompt"},
		{"/agent/runs", `{"saved_prompt":"ask"}`, "saved_prompt_arguments.a"},
		{"/agent/runs", `{"saved_prompt":"ask","saved_prompt_arguments":{"a":"1","b":"2"}}`, "no argument"},
		{"/agent/runs", `{"saved_prompt":"ask","prompt":"p"}`, "together with prompt"},
		{"/agent/runs", `{"prompt":"p","saved_prompt_arguments":{"a":"1"}}`, "saved_prompt_arguments"},
		{"/agent/schedules", `{"name":"n","cron_schedule":"@daily","saved_prompt":"ask"}`, "saved_prompt_arguments.a"},
	} {
		w.do(request{method: "POST", path: api.BasePath + c.path, key: w.key, body: c.body}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, c.words)
	}
	// Personal things serve personal runs.
	w.post("/agent/runs", api.RunAgentRequest{Prompt: "p", Team: &no, Config: api.AmbientAgentConfig{RunnerId: "mine"}}).want(200)
	w.put("/rules", api.RulesRequest{Text: long}).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "text")
	yes := true
	member.put("/rules", api.RulesRequest{Text: "x", Team: &yes}).wantProblem(api.PlatformErrorCodeNotAuthorized, 403, "administer")
}

// TestDryRunsStoreNothing: they answer what would be, refuse what would be refused, and leave no trace.
func TestDryRunsStoreNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := decode[api.ComputeRunner](w.post("/runners?dry_run=true", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "r"}}).want(201))
	if r.Config.Name != "r" {
		t.Errorf("answers %+v", r)
	}
	w.get("/runners/" + r.Uid).want(404)
	w.post("/runners?dry_run=true", api.ComputeRunnerRequest{}).want(400)
	r = decode[api.ComputeRunner](w.post("/runners", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "r"}}).want(201))
	w.put("/runners/"+r.Uid+"?dry_run=true", api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: "other"}}).want(200)
	if got := decode[api.ComputeRunner](w.get("/runners/" + r.Uid).want(200)); got.Config.Name != "r" {
		t.Errorf("stored %+v", got.Config)
	}
	w.put("/rules?dry_run=true", api.RulesRequest{Text: "x"}).want(200)
	if got := decode[api.ListRulesResponse](w.get("/rules").want(200)); len(got.Rules) != 0 {
		t.Errorf("rules %+v", got.Rules)
	}
	schedule := api.CreateScheduledAgentRequest{Name: "n", CronSchedule: "@daily", Prompt: "p"}
	w.post("/agent/schedules?dry_run=true", schedule).want(201)
	if got := decode[api.ListScheduledAgentsResponse](w.get("/agent/schedules").want(200)); len(got.Schedules) != 0 {
		t.Errorf("schedules %+v", got.Schedules)
	}
	c := decode[api.ScheduledAgentItem](w.post("/agent/schedules", schedule).want(201))
	w.put("/agent/schedules/"+c.Id+"?dry_run=true", map[string]any{"name": "n", "cron_schedule": "@hourly", "enabled": false, "prompt": "q"}).want(200)
	if got := decode[api.ScheduledAgentItem](w.get("/agent/schedules/" + c.Id).want(200)); got.CronSchedule != "@daily" || !got.Enabled || got.Prompt != "p" {
		t.Errorf("changed %+v", got)
	}
}

// TestEnvironmentSaysWhetherSetUpFailed follows the latest run in it.
func TestEnvironmentSaysWhetherSetUpFailed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := decode[api.CloudEnvironment](w.post("/agent/environments", api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{Name: "e"}}).want(201))
	failed := func() (bool, string) {
		got := decode[api.CloudEnvironment](w.get("/agent/environments/" + env.Uid).want(200))
		return got.SetupFailed, got.LastTaskCreated.Id
	}
	if f, id := failed(); f || id != "" {
		t.Errorf("never used: %v %q", f, id)
	}
	in := api.LocalRunRequest{Prompt: "p", Config: api.AmbientAgentConfig{EnvironmentId: env.Uid}}
	first, _ := w.local(in)
	w.say(first.RunToken, 0, api.RunStateFAILED).want(200)
	if f, id := failed(); !f || id != first.RunId {
		t.Errorf("failed in its set-up: %v %q", f, id)
	}
	second, _ := w.local(in)
	w.say(second.RunToken, 0, api.RunStateINPROGRESS).want(200)
	w.say(second.RunToken, 0, api.RunStateFAILED).want(200)
	if f, id := failed(); f || id != second.RunId {
		t.Errorf("failed at its work: %v %q", f, id)
	}
}
