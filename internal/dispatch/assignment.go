package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// assignment makes the frame that offers an execution to a worker.
func (d *Dispatcher) assignment(ctx context.Context, r run.Run, x run.Execution, info WorkerInfo, machines machines) ([]byte, error) {
	token, err := d.cfg.Tokens.Mint(r, x)
	if err != nil {
		return nil, fmt.Errorf("mint run token: %w", err)
	}
	at, err := machines(ctx, r.Config)
	if err != nil {
		return nil, err
	}
	root := info.RootURL
	if root == "" {
		root = d.cfg.RootURL
	}
	a, err := Assignment(r, x, token, root)
	if err != nil {
		return nil, err
	}
	a.DockerImage, a.InstanceShape, a.SidecarImage = at.image, at.shape, d.cfg.SidecarImage
	return frameOf(api.WorkerAssignment, a)
}

// machine is what a worker is told of the machine a run wants.
type machine struct {
	image string
	shape *api.InstanceShape
}

// machines finds the machine that a run's config names; the zero machine when it names none.
type machines func(context.Context, api.AmbientAgentConfig) (machine, error)

// machines reads each environment and runner once, however many runs of a round name them. One that is gone
// is the runner process's to report.
func (d *Dispatcher) machines() machines {
	type names struct{ environment, runner string }
	known := map[names]machine{{}: {}}
	return func(ctx context.Context, c api.AmbientAgentConfig) (machine, error) {
		key := names{c.EnvironmentId, c.RunnerId}
		at, ok := known[key]
		if ok || d.cfg.Places == nil {
			return at, nil
		}
		e, m, err := d.cfg.Places.Place(ctx, c)
		if err != nil && api.CodeOf(err) != api.PlatformErrorCodeEnvironmentSetupFailed {
			return machine{}, fmt.Errorf("find environment and runner: %w", err)
		}
		if err == nil {
			at.image = catalog.Image(m, e)
			if shape := m.InstanceShape; shape.Vcpus > 0 {
				at.shape = &api.InstanceShape{VCPUs: shape.Vcpus, MemoryGB: shape.MemoryGb}
			}
		}
		known[key] = at
		return at, nil
	}
}

// Assignment is what a worker is told of an execution (contract worker-protocol section 3). token
// authenticates its runner at the server, which it reaches at rootURL.
func Assignment(r run.Run, x run.Execution, token, rootURL string) (api.TaskAssignment, error) {
	snapshot, err := json.Marshal(snapshotOf(r))
	if err != nil {
		return api.TaskAssignment{}, fmt.Errorf("encode agent config: %w", err)
	}
	raw := json.RawMessage(snapshot)
	env := map[string]string{
		"CADRE_API_KEY":        token,
		"WARP_API_KEY":         token,
		"CADRE_SERVER_URL":     rootURL,
		"WARP_SERVER_ROOT_URL": rootURL,
		"OZ_RUN_ID":            r.ID,
	}
	if r.ParentID != "" {
		env["OZ_PARENT_RUN_ID"] = r.ParentID
	}
	return api.TaskAssignment{
		TaskID:      r.ID,
		ExecutionID: x.ID,
		Task: &api.WorkerTask{
			ID:                  r.ID,
			Title:               r.Title,
			TaskDefinition:      api.TaskDefinition{Prompt: r.Prompt},
			CreatedAt:           r.CreatedAt,
			UpdatedAt:           r.UpdatedAt,
			Owner:               ownerOf(r.Owner),
			AgentConfigSnapshot: &raw,
			AgentConversationID: r.ConversationID,
		},
		EnvVars: env,
	}, nil
}

// configSnapshot is the part of the config that workers read. Its keys and types are the contract's:
// a worker drops an assignment whose snapshot has a member of another type.
type configSnapshot struct {
	EnvironmentID      string                         `json:"environment_id,omitempty"`
	BasePrompt         string                         `json:"base_prompt,omitempty"`
	ModelID            string                         `json:"model_id,omitempty"`
	ProfileID          string                         `json:"profile_id,omitempty"`
	SkillSpec          string                         `json:"skill_spec,omitempty"`
	MCPServers         map[string]api.MCPServerConfig `json:"mcp_servers,omitempty"`
	ComputerUse        *bool                          `json:"computer_use_enabled,omitempty"`
	IdleTimeoutMinutes *int32                         `json:"idle_timeout_minutes,omitempty"`
	Harness            *snapshotHarness               `json:"harness,omitempty"`
	AuthSecrets        *snapshotSecrets               `json:"harness_auth_secrets,omitempty"`
	Inference          *snapshotInference             `json:"inference_providers,omitempty"`
	SessionSharing     *snapshotSharing               `json:"session_sharing,omitempty"`
	SnapshotDisabled   bool                           `json:"snapshot_disabled,omitempty"`
}

type (
	snapshotHarness struct {
		Type string `json:"type"`
	}
	snapshotSecrets struct {
		Claude string `json:"claude_auth_secret_name"`
	}
	snapshotInference struct {
		AWS snapshotAWS `json:"aws"`
	}
	snapshotAWS struct {
		Disabled bool   `json:"disabled"`
		RoleARN  string `json:"role_arn,omitempty"`
		Region   string `json:"region,omitempty"`
	}
	snapshotSharing struct {
		PublicAccess string `json:"public_access"`
	}
)

func snapshotOf(r run.Run) configSnapshot {
	c := r.Config
	s := configSnapshot{
		EnvironmentID:      c.EnvironmentId,
		BasePrompt:         c.BasePrompt,
		ModelID:            c.ModelId,
		ProfileID:          c.ProfileId,
		SkillSpec:          c.SkillSpec,
		MCPServers:         c.McpServers,
		ComputerUse:        c.ComputerUseEnabled,
		IdleTimeoutMinutes: c.IdleTimeoutMinutes,
		SnapshotDisabled:   r.NoSnapshot,
	}
	if c.Harness.Type != "" {
		s.Harness = &snapshotHarness{string(c.Harness.Type)}
	}
	if name := c.HarnessAuthSecrets.ClaudeAuthSecretName; name != "" {
		s.AuthSecrets = &snapshotSecrets{name}
	}
	if aws := c.InferenceProviders.Aws; aws != (api.AwsInferenceProvider{}) {
		s.Inference = &snapshotInference{snapshotAWS{aws.Disabled, aws.RoleArn, aws.Region}}
	}
	if access := c.SessionSharing.PublicAccess; access != "" {
		s.SessionSharing = &snapshotSharing{string(access)}
	}
	return s
}

// ownerOf names an owner by number, as the contract does. Ours have text ids: the number is derived
// from it and means nothing beyond being the same for the same owner.
func ownerOf(o identity.Owner) api.TaskOwner {
	h := fnv.New64a()
	h.Write([]byte(o.UID)) // never fails
	// 53 bits: every JSON reader keeps them exactly.
	owner := api.TaskOwner{Type: "USER", ID: int64(h.Sum64() >> 11)}
	if o.Type == api.ScopeTypeTeam {
		owner.Type = "TEAM"
	}
	return owner
}
