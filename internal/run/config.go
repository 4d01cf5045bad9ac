package run

import (
	"context"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// hosted is the wire's word for "a worker of the platform itself": here the default host.
const hosted = "warp"

// resolve turns what the request says into the configuration the run carries, request over server
// defaults, and names the skill the run is made from. The idle time stays open unless asked for: a
// worker may have its own, which stands between the request and the server's default.
func (s *Service) resolve(ctx context.Context, actor identity.Actor, owner identity.Owner, req api.RunAgentRequest) (api.AmbientAgentConfig, string, error) {
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
	if c.WorkerHost == "" || c.WorkerHost == hosted {
		c.WorkerHost = s.cfg.DefaultHost
	}
	if c.Harness.Type == "" {
		c.Harness.Type = api.HarnessTypeOz
	}
	if !slices.Contains(s.cfg.Harnesses, c.Harness.Type) {
		return c, "", api.Fail(api.PlatformErrorCodeOperationNotSupported, "config.harness.type: this server cannot carry out runs with harness %q", c.Harness.Type)
	}
	model, err := s.cfg.Models.Resolve(c.ModelId, c.Harness.Type)
	if err != nil {
		return c, "", err
	}
	c.ModelId = model
	return c, skill, s.checkEnvironment(ctx, actor, owner, c.EnvironmentId)
}

// checkEnvironment refuses an environment the caller may not use for a run with this owner.
func (s *Service) checkEnvironment(ctx context.Context, actor identity.Actor, owner identity.Owner, uid string) error {
	if uid == "" {
		return nil
	}
	e, err := s.cfg.Environments.Get(ctx, uid)
	if err != nil {
		return err
	}
	if !actor.Sees(e.Owner) {
		return api.NotFound("environment", uid)
	}
	if owner.Type == api.ScopeTypeTeam && e.Owner.Type != api.ScopeTypeTeam {
		return api.Invalid("config.environment_id", "a team's run cannot use a personal environment")
	}
	return nil
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
