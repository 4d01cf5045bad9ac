package run

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// hosted is the wire's word for "a worker of the platform itself": here the default host, whatever
	// an agent or a team says.
	hosted = "warp"
	// noEnvironment asks for an empty workspace where an agent or a team has a default.
	noEnvironment = "none"
)

// resolve turns what the request says into the configuration the run carries, the request over the
// agent it runs as, over the team's defaults, over the server's; and names the skill the run is made
// from. The idle time stays open unless asked for: a worker may have its own, which stands between the
// request and the server's default.
func (s *Service) resolve(ctx context.Context, actor identity.Actor, owner identity.Owner, p parties, req api.RunAgentRequest) (api.AmbientAgentConfig, string, error) {
	c := req.Config
	skill := orElse(req.Skill, c.SkillSpec)
	if skill != "" && len(c.Skills) == 0 {
		c.Skills = []string{skill}
	}
	if skill == "" && len(c.Skills) > 0 {
		skill = c.Skills[0]
	}
	c.SkillSpec = skill
	c.Name = orElse(c.Name, skillName(skill))
	if err := s.checkMemory(ctx, actor, owner, c.MemoryStores); err != nil {
		return c, "", err
	}
	if p.agent != nil {
		fromAgent(&c, *p.agent)
	}
	if err := s.fromTeam(ctx, &c, actor.TeamUID); err != nil {
		return c, "", err
	}
	if c.EnvironmentId == noEnvironment {
		c.EnvironmentId = ""
	}
	if c.WorkerHost == "" || c.WorkerHost == hosted {
		c.WorkerHost = s.cfg.DefaultHost
	}
	if !slices.Contains(s.cfg.Harnesses, c.Harness.Type) {
		return c, "", api.Fail(api.PlatformErrorCodeOperationNotSupported, "config.harness.type: this server cannot carry out runs with harness %q", c.Harness.Type)
	}
	if c.CredentialStrategy == api.AmbientAgentConfigCredentialStrategyCREATOR && p.creator.Type != api.UserProfileTypeUser {
		return c, "", api.Invalid("config.credential_strategy", "CREATOR needs a person who asks for the run, which none did: use EXECUTOR, or on_behalf_of")
	}
	var own []api.SecretType
	for _, k := range ModelKeys(c) {
		own = append(own, k.Type)
	}
	model, err := s.cfg.Models.Resolve(c.ModelId, c.Harness.Type, own...)
	if err != nil {
		return c, "", err
	}
	c.ModelId = model
	e, err := s.environment(ctx, actor, owner, c.EnvironmentId)
	if err != nil {
		return c, "", err
	}
	return c, skill, s.pinShared(ctx, actor, owner, &c, e.Config)
}

// fromAgent fills in what the request leaves to the agent the run runs as. Skills and MCP servers come
// together; of one name, the request's wins.
func fromAgent(c *api.AmbientAgentConfig, a agent.Agent) {
	c.Name = cmp.Or(c.Name, a.Name)
	if builtIn := api.HarnessTypeOz; cmp.Or(c.Harness.Type, a.Harness.Type, builtIn) == cmp.Or(a.Harness.Type, builtIn) {
		c.Harness.Type = a.Harness.Type
		c.Harness.ModelId = cmp.Or(c.Harness.ModelId, a.Harness.ModelId)
		c.Harness.ReasoningLevel = cmp.Or(c.Harness.ReasoningLevel, a.Harness.ReasoningLevel)
		c.ModelId = cmp.Or(c.ModelId, a.Model)
	}
	c.EnvironmentId = cmp.Or(c.EnvironmentId, a.EnvironmentID)
	c.WorkerHost = cmp.Or(c.WorkerHost, a.WorkerHost)
	c.RunnerId = cmp.Or(c.RunnerId, a.RunnerUID)
	c.BasePrompt = cmp.Or(c.BasePrompt, a.Prompt)
	c.CredentialStrategy = cmp.Or(c.CredentialStrategy, api.AmbientAgentConfigCredentialStrategy(a.CredentialStrategy),
		api.AmbientAgentConfigCredentialStrategyEXECUTOR)
	c.InferenceProviders = cmp.Or(c.InferenceProviders, a.InferenceProviders)
	c.HarnessAuthSecrets = api.HarnessAuthSecrets{
		ClaudeAuthSecretName: cmp.Or(c.HarnessAuthSecrets.ClaudeAuthSecretName, a.HarnessAuthSecrets.ClaudeAuthSecretName),
		CodexAuthSecretName:  cmp.Or(c.HarnessAuthSecrets.CodexAuthSecretName, a.HarnessAuthSecrets.CodexAuthSecretName),
	}
	for _, skill := range a.Skills {
		if !slices.Contains(c.Skills, skill) {
			c.Skills = append(slices.Clip(c.Skills), skill)
		}
	}
	for _, m := range a.Memory() {
		same := func(own api.MemoryStoreRef) bool { return own.Uid == m.Uid }
		if !slices.ContainsFunc(c.MemoryStores, same) {
			c.MemoryStores = append(slices.Clip(c.MemoryStores), m)
		}
	}
	if len(a.MCP) > 0 {
		merged := maps.Clone(a.MCP)
		maps.Copy(merged, c.McpServers)
		c.McpServers = merged
	}
}

// fromTeam fills in what is still open from the team's defaults. The model is one of the built-in harness.
func (s *Service) fromTeam(ctx context.Context, c *api.AmbientAgentConfig, teamUID string) error {
	c.Harness.Type = cmp.Or(c.Harness.Type, api.HarnessTypeOz)
	whole := c.EnvironmentId != "" && c.WorkerHost != "" && c.ModelId != ""
	if s.cfg.Agents == nil || teamUID == "" || whole {
		return nil
	}
	d, err := s.cfg.Agents.TeamDefaults(ctx, teamUID)
	if err != nil {
		return err
	}
	c.EnvironmentId, c.WorkerHost = cmp.Or(c.EnvironmentId, d.EnvironmentID), cmp.Or(c.WorkerHost, d.WorkerHost)
	if c.Harness.Type == api.HarnessTypeOz {
		c.ModelId = cmp.Or(c.ModelId, d.Model)
	}
	return nil
}

// environment returns the environment of a run with this owner, and refuses one the caller may not use
// for it. The zero one stands for none.
func (s *Service) environment(ctx context.Context, actor identity.Actor, owner identity.Owner, uid string) (catalog.Environment, error) {
	if uid == "" {
		return catalog.Environment{}, nil
	}
	e, err := s.cfg.Environments.Get(ctx, uid)
	if err != nil {
		return e, err
	}
	if !actor.Sees(e.Owner) {
		return e, api.NotFound("environment", uid)
	}
	if owner.Type == api.ScopeTypeTeam && e.Owner.Type != api.ScopeTypeTeam {
		return e, api.Invalid("config.environment_id", "a team's run cannot use a personal environment")
	}
	return e, nil
}

// checkMemory refuses memory stores the caller may not give to a run with this owner. Those of its agent
// come with the agent.
func (s *Service) checkMemory(ctx context.Context, actor identity.Actor, owner identity.Owner, refs []api.MemoryStoreRef) error {
	if len(refs) == 0 {
		return nil
	}
	if s.cfg.Memory == nil {
		return api.NotFound("memory store", clip(refs[0].Uid, 128))
	}
	return s.cfg.Memory.CheckRefs(ctx, actor, owner, "config.memory_stores", refs)
}

// skillName is the last part of a skill's specification: of "org/repo:path/to/skill", "skill".
func skillName(spec string) string {
	if i := strings.LastIndexAny(spec, ":/"); i >= 0 {
		return spec[i+1:]
	}
	return spec
}

func orMode(m api.RunMode) api.RunMode {
	if m == "" {
		return api.RunModeNormal
	}
	return m
}
