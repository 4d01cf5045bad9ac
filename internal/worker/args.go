package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// snapshotConfig is what of a run's configuration shapes the runner's command line.
type snapshotConfig struct {
	EnvironmentID string                     `json:"environment_id"`
	ModelID       string                     `json:"model_id"`
	ProfileID     string                     `json:"profile_id"`
	SkillSpec     string                     `json:"skill_spec"`
	MCPServers    map[string]json.RawMessage `json:"mcp_servers"`
	ComputerUse   *bool                      `json:"computer_use_enabled"`
	IdleMinutes   int                        `json:"idle_timeout_minutes"`
	Harness       struct {
		Type string `json:"type"`
	} `json:"harness"`
	Inference struct {
		AWS struct {
			Disabled bool   `json:"disabled"`
			RoleARN  string `json:"role_arn"`
			Region   string `json:"region"`
		} `json:"aws"`
	} `json:"inference_providers"`
	Sharing struct {
		PublicAccess string `json:"public_access"`
	} `json:"session_sharing"`
	NoSnapshot     bool `json:"snapshot_disabled"`
	SnapshotUpload int  `json:"snapshot_upload_timeout_secs"`
	SnapshotScript int  `json:"snapshot_script_timeout_secs"`
}

// builtinHarness is the harness whose model is given on the command line.
const builtinHarness = "oz"

// runnerArgs is the runner's command line (contract worker-protocol section 6).
func (c *Config) runnerArgs(a api.TaskAssignment) ([]string, error) {
	args := []string{"agent", "run"}
	if a.Task.Owner.Type == "TEAM" {
		args = append(args, "--share", "team:edit")
	}
	args = append(args, "--task-id", a.Task.ID, "--sandboxed", "--server-root-url", c.ServerRootURL)
	idle := 0
	if raw := a.Task.AgentConfigSnapshot; raw != nil && string(*raw) != "null" {
		var s snapshotConfig
		if err := json.Unmarshal(*raw, &s); err != nil {
			return nil, fmt.Errorf("agent config: %w", err)
		}
		idle = s.IdleMinutes
		args = append(args, s.args()...)
	}
	args = append(args, a.AdditionalOzArgs...)
	args = append(args, "--idle-on-complete")
	switch {
	case idle > 0:
		args = append(args, fmt.Sprintf("%dm", idle))
	case c.IdleOnComplete != nil:
		args = append(args, c.IdleOnComplete.Truncate(time.Second).String())
	}
	return args, nil
}

func (s snapshotConfig) args() []string {
	var args []string
	given := func(flag, value string) {
		if strings.TrimSpace(value) != "" {
			args = append(args, flag, value)
		}
	}
	builtin := s.Harness.Type == "" || s.Harness.Type == builtinHarness
	if builtin {
		given("--model", s.ModelID)
	}
	given("--profile", s.ProfileID)
	given("--skill", s.SkillSpec)
	if len(s.MCPServers) > 0 {
		if text, err := json.Marshal(s.MCPServers); err == nil {
			var compact bytes.Buffer
			_ = json.Compact(&compact, text) // json.Marshal wrote valid JSON
			args = append(args, "--mcp", compact.String())
		}
	}
	use := builtin
	if s.ComputerUse != nil {
		use = *s.ComputerUse
	}
	if use {
		args = append(args, "--computer-use")
	} else {
		args = append(args, "--no-computer-use")
	}
	if aws := s.Inference.AWS; !aws.Disabled && aws.RoleARN != "" {
		args = append(args, "--bedrock-inference-role", aws.RoleARN)
		given("--bedrock-role-region", aws.Region)
	}
	given("--harness", s.Harness.Type)
	switch s.Sharing.PublicAccess {
	case "VIEWER":
		args = append(args, "--share", "public:view")
	case "EDITOR":
		args = append(args, "--share", "public:edit")
	}
	if s.NoSnapshot {
		args = append(args, "--no-snapshot")
	}
	if s.SnapshotUpload > 0 {
		args = append(args, "--snapshot-upload-timeout", fmt.Sprintf("%ds", s.SnapshotUpload))
	}
	if s.SnapshotScript > 0 {
		args = append(args, "--snapshot-script-timeout", fmt.Sprintf("%ds", s.SnapshotScript))
	}
	given("--environment", s.EnvironmentID)
	return args
}

// runnerEnv is what the runner's environment holds beside what its backend adds; later wins.
func (c *Config) runnerEnv(a api.TaskAssignment) map[string]string {
	env := map[string]string{
		"TASK_ID": a.Task.ID, "GIT_TERMINAL_PROMPT": "0", "GH_PROMPT_DISABLED": "1",
		"WARP_SERVER_ROOT_URL": c.ServerRootURL, "CADRE_SERVER_URL": c.ServerRootURL,
	}
	maps.Copy(env, a.EnvVars)
	maps.Copy(env, c.Env)
	if a.ExecutionID != "" {
		env[api.EnvExecutionID] = a.ExecutionID
	}
	env[api.EnvWorkerBackend], env["OZ_WORKER_BACKEND"] = c.Backend.Name(), c.Backend.Name()
	// The worker renews the lease of what it runs, so its runners need not.
	env[api.EnvWorkerManaged] = "1"
	// A little less than the worker waits, so that a runner in time is not killed while it reports.
	env[api.EnvSandboxGrace] = (c.Grace * 4 / 5).String()
	return env
}
