package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
)

// referenceMembers are the members of a schema of the reference: see api/testdata.
func referenceMembers(t *testing.T, schema string) []string {
	t.Helper()
	b, err := os.ReadFile("../../api/testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref struct {
		Schemas map[string]struct {
			Fields map[string]json.RawMessage `json:"fields"`
		} `json:"schemas"`
	}
	if err := json.Unmarshal(b, &ref); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(ref.Schemas[schema].Fields))
}

type members = map[string]any

// configSamples has a value for every member of a run's configuration.
var configSamples = members{
	"name": "n", "model_id": "scripted", "base_prompt": "b", "skill_spec": "acme/shop:review", "computer_use_enabled": true,
	"mcp_servers":          members{"m": members{"command": "serve", "args": []any{"a"}, "env": members{"A": "b"}}},
	"idle_timeout_minutes": 5.0, "worker_host": "nobody", "harness": members{"type": "oz"},
	"harness_auth_secrets": members{"claude_auth_secret_name": "KEY"}, "computer_use_model_id": "m", "credential_strategy": "CREATOR",
	"inference_providers": members{"aws": members{"disabled": true}}, "session_sharing": members{"public_access": "VIEWER"},
	"memory_stores": []any{members{"uid": "m", "access": "read_only", "instructions": "i"}}, "runner_id": "", // set by the test
	"skills": []any{"acme/shop:review"}, "profile_id": "p", "additional_source_repos": []any{members{"owner": "a", "repo": "b"}},
	"environment_id": "", // set by the test
}

// environmentSamples is the same for an environment.
var environmentSamples = members{
	"name": "n", "description": "d", "docker_image": "debian:13", "github_repos": []any{members{"owner": "a", "repo": "b"}},
	"setup_commands": []any{"true"}, "failure_session_retention_minutes": 7.0, "code_forge": "GITLAB",
	"source_repos": []any{members{"owner": "a", "repo": "b", "checkout_ref": "c"}}, "secrets": []any{}, "default_runner_uid": "", // set by the test
	"providers": members{
		"aws": members{"role_arn": "arn:aws:iam::111122223333:role/r"},
		"gcp": members{"project_number": "7", "workload_identity_federation_pool_id": "pool", "workload_identity_federation_provider_id": "prov"},
	},
}

// requestSamples is the same for a request that starts a run, beside its configuration.
var requestSamples = members{
	"prompt": "p", "skill": "acme/shop:review", "title": "t", "team": true, "interactive": true, "metadata": members{"k": "v"}, "mode": "plan",
	"attachments": []any{members{"file_name": "f", "mime_type": "text/plain", "data": "eA=="}}, "snapshot_disabled": true,
	"runtime_skills": []any{"AA=="}, "referenced_attachments": []any{"AA=="}, "orchestration_handoff": true, "config": members{},
	"agent_identity_uid": "a", "conversation_id": uuid.NewString(), "parent_run_id": uuid.NewString(), "initial_snapshot_token": "x", "on_behalf_of": "o@example.com",
}

// refused are members whose sample names what does not exist, or asks for what this caller may not. They are
// understood: the refusal says so.
var refused = map[string]string{
	"agent_identity_uid": "no agent", "conversation_id": "conversation", "parent_run_id": "parent_run_id",
	"initial_snapshot_token": "initial_snapshot_token", "on_behalf_of": "on_behalf_of",
}

// TestReferenceRequestsAreTaken sends every member that the reference's requests have, one at a time, to the
// server: it is taken, and shown again as it was sent, wherever the reference shows it.
func TestReferenceRequestsAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	env := decode[api.CloudEnvironment](w.post("/agent/environments", members{"config": members{"name": "e"}}).want(201)).Uid
	samples, environments := maps.Clone(configSamples), maps.Clone(environmentSamples)
	runner := decode[api.ComputeRunner](w.post("/runners", members{"config": members{"name": "r"}}).want(201)).Uid
	samples["environment_id"], samples["runner_id"], environments["default_runner_uid"] = env, runner, runner
	w.post("/secrets", members{"name": "KEY", "type": "ANTHROPIC_API_KEY", "value": members{"api_key": "k"}}).want(201)
	schedule := func(config members) any {
		return members{"name": "n", "cron_schedule": "@daily", "prompt": "p", "agent_config": config}
	}
	for _, name := range referenceMembers(t, "AmbientAgentConfig") {
		value, ok := samples[name]
		if !ok {
			t.Errorf("config.%s has no sample", name)
			continue
		}
		config := members{name: value}
		a := w.post("/agent/runs", members{"prompt": "p", "config": config})
		if taken(t, "config."+name, a) {
			run := decode[api.RunAgentResponse](a).RunId
			shown(t, "config."+name, value, decode[members](w.get("/agent/runs/" + run))["agent_config"], name)
		}
		if a = w.post("/agent/schedules", schedule(config)); taken(t, "agent_config."+name, a) {
			shown(t, "agent_config."+name, value, decode[members](a)["agent_config"], name)
		}
	}
	for _, name := range referenceMembers(t, "CloudEnvironmentConfig") {
		value, ok := environments[name]
		if !ok {
			t.Errorf("environment %s has no sample", name)
			continue
		}
		a := w.post("/agent/environments", members{"config": members{"name": "n", name: value}})
		if taken(t, "environment "+name, a) {
			uid := decode[api.CloudEnvironment](a).Uid
			shown(t, "environment "+name, value, decode[members](w.get("/agent/environments/" + uid))["config"], name)
		}
	}
	for _, name := range referenceMembers(t, "RunAgentRequest") {
		value, ok := requestSamples[name]
		if !ok {
			t.Errorf("request %s has no sample", name)
			continue
		}
		a := w.post("/agent/runs", members{"prompt": "p", name: value})
		if words := refused[name]; words != "" {
			if a.status < 400 || a.status >= 500 || !strings.Contains(decode[api.Error](a).Detail, words) {
				t.Errorf("request %s: %s", name, a)
			}
		} else if taken(t, "request "+name, a) {
			run := decode[members](w.get("/agent/runs/" + decode[api.RunAgentResponse](a).RunId))
			if _, same := run[name]; same {
				shown(t, "request "+name, value, run, name)
			}
		}
	}
}

// taken reports whether a request was accepted. That what it names does not exist is an answer too.
func taken(t *testing.T, what string, a answer) bool {
	t.Helper()
	if a.status != 404 && a.status >= 300 {
		t.Errorf("%s: %s", what, a)
	}
	return a.status < 300
}

// shown checks that a member of an object is as it was sent, or more than that.
func shown(t *testing.T, what string, sent, object any, name string) {
	t.Helper()
	all, _ := object.(members)
	if !covers(all[name], sent) {
		t.Errorf("%s: sent %v, shown %v", what, sent, fmt.Sprint(all[name]))
	}
}

// covers reports whether got has everything that want has.
func covers(got, want any) bool {
	w, object := want.(members)
	if !object {
		if list, ok := want.([]any); ok {
			g, _ := got.([]any)
			return len(g) == len(list) && !slices.ContainsFunc(list, func(one any) bool {
				return !slices.ContainsFunc(g, func(x any) bool { return covers(x, one) })
			})
		}
		return reflect.DeepEqual(got, want)
	}
	g, _ := got.(members)
	for name, value := range w {
		if !covers(g[name], value) {
			return false
		}
	}
	return true
}
