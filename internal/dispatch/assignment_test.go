package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// foreignAssignment is an assignment as a worker of the original protocol declares it. A member of
// another type makes such a worker drop the assignment with only a log line.
type foreignAssignment struct {
	TaskID      string `json:"task_id"`
	ExecutionID string `json:"execution_id"`
	Task        *struct {
		ID         string `json:"id"`
		Title      string `json:"title"`
		Definition struct {
			Prompt string `json:"prompt"`
		} `json:"task_definition"`
		CreatedAt time.Time `json:"created_at"`
		UpdatedAt time.Time `json:"updated_at"`
		Owner     struct {
			Type string
			Id   int
		} `json:"owner"`
		Snapshot *struct {
			EnvironmentID string                     `json:"environment_id"`
			BasePrompt    string                     `json:"base_prompt"`
			ModelID       string                     `json:"model_id"`
			ProfileID     string                     `json:"profile_id"`
			SkillSpec     string                     `json:"skill_spec"`
			MCPServers    map[string]json.RawMessage `json:"mcp_servers"`
			ComputerUse   *bool                      `json:"computer_use_enabled"`
			Idle          *int                       `json:"idle_timeout_minutes"`
			Harness       *struct {
				Type string `json:"type"`
			} `json:"harness"`
			Secrets *struct {
				Claude *string `json:"claude_auth_secret_name"`
			} `json:"harness_auth_secrets"`
			Providers *struct {
				AWS *struct {
					Disabled bool   `json:"disabled"`
					RoleARN  string `json:"role_arn"`
					Region   string `json:"region"`
				} `json:"aws"`
			} `json:"inference_providers"`
			Sharing *struct {
				PublicAccess string `json:"public_access"`
			} `json:"session_sharing"`
			NoSnapshot bool `json:"snapshot_disabled"`
		} `json:"agent_config_snapshot"`
		ConversationID string `json:"agent_conversation_id"`
	} `json:"task"`
	DockerImage  string            `json:"docker_image"`
	SidecarImage string            `json:"sidecar_image"`
	Shape        shape             `json:"instance_shape"`
	Env          map[string]string `json:"env_vars"`
}

type shape struct {
	VCPUs    int `json:"vcpus"`
	MemoryGB int `json:"memory_gb"`
}

func fullRun() run.Run {
	yes, idle := true, int32(7)
	at := time.Date(2026, 5, 4, 3, 2, 1, 123456000, time.UTC)
	return run.Run{
		ID: "run-1", Title: "t", Prompt: "p", ParentID: "run-0", ConversationID: "conv-1", CreatedAt: at, UpdatedAt: at,
		Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: "team-1"}, NoSnapshot: true,
		Config: api.AmbientAgentConfig{
			EnvironmentId: "env-1", BasePrompt: "b", ModelId: "m", ProfileId: "pr", SkillSpec: "o/r:s",
			McpServers:         map[string]api.MCPServerConfig{"x": {Command: "npx", Args: []string{"-y"}}},
			ComputerUseEnabled: &yes, IdleTimeoutMinutes: &idle, Harness: api.Harness{Type: api.HarnessTypeClaude, ModelId: "opus"},
			HarnessAuthSecrets: api.HarnessAuthSecrets{ClaudeAuthSecretName: "key"},
			InferenceProviders: api.InferenceProviders{Aws: api.AwsInferenceProvider{RoleArn: "arn", Region: "eu"}},
			SessionSharing:     api.SessionSharing{PublicAccess: api.SessionSharingPublicAccessVIEWER},
		},
	}
}

func read(t *testing.T, frame []byte) (a foreignAssignment) {
	t.Helper()
	var m api.WorkerEnvelope
	if err := json.Unmarshal(frame, &m); err != nil {
		t.Fatal(err)
	}
	if m.Type != api.WorkerAssignment {
		t.Fatalf("type %s", m.Type)
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		t.Fatalf("a worker of the original protocol drops this: %v\n%s", err, m.Data)
	}
	return a
}

type placesFunc func() (api.CloudEnvironmentConfig, api.ComputeRunnerConfig, error)

func (f placesFunc) Place(context.Context, api.AmbientAgentConfig) (api.CloudEnvironmentConfig, api.ComputeRunnerConfig, error) {
	return f()
}

func TestAssignmentIsTheContracts(t *testing.T) {
	t.Parallel()
	d := &Dispatcher{cfg: Config{
		RootURL: "https://cadre.test", SidecarImage: "agent:1", Tokens: newWorld(),
		Places: placesFunc(func() (api.CloudEnvironmentConfig, api.ComputeRunnerConfig, error) {
			return api.CloudEnvironmentConfig{DockerImage: "golang:1.26"}, api.ComputeRunnerConfig{InstanceShape: api.RunnerShape{Vcpus: 4, MemoryGb: 8}}, nil
		}),
	}}
	r := fullRun()
	frame, err := d.assignment(t.Context(), r, run.Execution{ID: "x-1", Number: 2}, WorkerInfo{}, d.machines())
	if err != nil {
		t.Fatal(err)
	}
	a := read(t, frame)
	s := a.Task.Snapshot
	for name, pair := range map[string][2]any{
		"task id": {a.TaskID, "run-1"}, "execution": {a.ExecutionID, "x-1"}, "task": {a.Task.ID, "run-1"},
		"prompt": {a.Task.Definition.Prompt, "p"}, "created": {a.Task.CreatedAt.Equal(r.CreatedAt), true},
		"owner": {a.Task.Owner.Type, "TEAM"}, "owner id": {a.Task.Owner.Id > 0 && a.Task.Owner.Id < 1<<53, true},
		"conversation": {a.Task.ConversationID, "conv-1"}, "image": {a.DockerImage, "golang:1.26"}, "shape": {a.Shape, shape{4, 8}}, "sidecar": {a.SidecarImage, "agent:1"},
		"environment": {s.EnvironmentID, "env-1"}, "base prompt": {s.BasePrompt, "b"}, "model": {s.ModelID, "m"},
		"profile": {s.ProfileID, "pr"}, "skill": {s.SkillSpec, "o/r:s"}, "mcp": {string(s.MCPServers["x"]), `{"args":["-y"],"command":"npx"}`},
		"computer use": {*s.ComputerUse, true}, "idle": {*s.Idle, 7}, "harness": {s.Harness.Type, "claude"},
		"secret": {*s.Secrets.Claude, "key"}, "role": {s.Providers.AWS.RoleARN, "arn"}, "region": {s.Providers.AWS.Region, "eu"},
		"sharing": {s.Sharing.PublicAccess, "VIEWER"}, "no snapshot": {s.NoSnapshot, true},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
	want := map[string]string{
		"WARP_API_KEY": "token-x-1", "CADRE_API_KEY": "token-x-1", "OZ_RUN_ID": "run-1", "OZ_PARENT_RUN_ID": "run-0",
		"WARP_SERVER_ROOT_URL": "https://cadre.test", "CADRE_SERVER_URL": "https://cadre.test",
	}
	if diff := cmp.Diff(want, a.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

// What is not set is left out: an explicit empty value would mean something to a worker.
func TestBareAssignment(t *testing.T) {
	t.Parallel()
	d := &Dispatcher{cfg: Config{RootURL: "https://cadre.test", Tokens: newWorld()}}
	frame, err := d.assignment(t.Context(), run.Run{ID: "run-1", Owner: identity.Owner{Type: api.ScopeTypeUser, UID: "u"}},
		run.Execution{ID: "x-1"}, WorkerInfo{RootURL: "http://10.0.0.1:8080"}, d.machines())
	if err != nil {
		t.Fatal(err)
	}
	a := read(t, frame)
	if a.Task == nil || a.Task.Snapshot == nil || a.Task.Owner.Type != "USER" || a.Env["WARP_SERVER_ROOT_URL"] != "http://10.0.0.1:8080" {
		t.Errorf("assignment %s", frame)
	}
	if !strings.Contains(string(frame), `"agent_config_snapshot":{}`) {
		t.Errorf("snapshot of an empty config is not empty: %s", frame)
	}
}

func TestEnvironmentOfAnAssignment(t *testing.T) {
	t.Parallel()
	r := fullRun()
	for name, c := range map[string]struct {
		err  error
		fail bool
	}{
		"gone: the runner reports it": {api.Fail(api.PlatformErrorCodeEnvironmentSetupFailed, "no longer exists"), false},
		"store away: try again":       {errors.New("store is away"), true},
	} {
		d := &Dispatcher{cfg: Config{Tokens: newWorld(), Places: placesFunc(func() (api.CloudEnvironmentConfig, api.ComputeRunnerConfig, error) {
			return api.CloudEnvironmentConfig{DockerImage: "i"}, api.ComputeRunnerConfig{}, c.err
		})}}
		frame, err := d.assignment(t.Context(), r, run.Execution{ID: "x"}, WorkerInfo{}, d.machines())
		if (err != nil) != c.fail {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && read(t, frame).DockerImage != "" {
			t.Errorf("%s: has an image", name)
		}
	}
}
