package run

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// pinShared makes a config say by uid which runner and which MCP servers it means. The runner is the
// request's, else the environment's.
func (s *Service) pinShared(ctx context.Context, actor identity.Actor, owner identity.Owner, c *api.AmbientAgentConfig, e api.CloudEnvironmentConfig) (err error) {
	switch {
	case c.RunnerId != "":
		if c.RunnerId, err = s.cfg.Shared.RunnerFor(ctx, actor, owner, c.RunnerId); err != nil {
			return err
		}
	case e.DefaultRunnerUid != "":
		c.RunnerId, err = s.cfg.Shared.RunnerFor(ctx, actor, owner, e.DefaultRunnerUid)
		if api.CodeOf(err) == api.PlatformErrorCodeInvalidRequest {
			return api.Invalid("config.environment_id", "the environment's default runner is gone or not for this run: name another in the environment, or one in config.runner_id")
		}
		if err != nil {
			return err
		}
	}
	if len(c.McpServers) > 0 {
		c.McpServers, err = s.cfg.Shared.Pin(ctx, actor, owner, c.McpServers)
	}
	return err
}

// savedPrompt puts the text of the saved prompt that a request names into the request.
func (s *Service) savedPrompt(ctx context.Context, actor identity.Actor, req *api.RunAgentRequest) error {
	req.Config.SavedPromptId = "" // not for callers to say
	switch {
	case req.SavedPrompt == "" && len(req.SavedPromptArguments) > 0:
		return api.Invalid("saved_prompt_arguments", "goes with saved_prompt only")
	case req.SavedPrompt == "":
		return nil
	case req.Prompt != "":
		return api.Invalid("saved_prompt", "cannot be given together with prompt")
	}
	err := checkWord("saved_prompt", req.SavedPrompt, 4*maxName)
	if err != nil {
		return err
	}
	req.Prompt, req.Config.SavedPromptId, err = s.cfg.Shared.Prompt(ctx, actor, req.SavedPrompt, req.SavedPromptArguments)
	return err
}

// Ruled says whose rules the run's agent is told: the team's it was made in, and those of the person who
// started it. What starts by itself for a team gets no person's rules, since the team cannot see them.
func (r Run) Ruled() (teamUID, userUID string) {
	byPerson := r.Creator.Type == api.UserProfileTypeUser && (r.Owner.Type == api.ScopeTypeUser || r.ScheduleID == "")
	if byPerson {
		userUID = r.Creator.Uid
	}
	return r.TeamUID, userUID
}

// nothingShared is Shared where there is nothing.
type nothingShared struct{}

func (nothingShared) RunnerFor(context.Context, identity.Actor, identity.Owner, string) (string, error) {
	return "", api.Invalid("config.runner_id", "names no runner you can see here")
}

func (nothingShared) Prompt(context.Context, identity.Actor, string, map[string]string) (text, uid string, err error) {
	return "", "", api.Invalid("saved_prompt", "names no saved prompt you can see here")
}

func (nothingShared) Pin(_ context.Context, _ identity.Actor, _ identity.Owner, servers map[string]api.MCPServerConfig) (map[string]api.MCPServerConfig, error) {
	for name, m := range servers {
		if m.WarpId != "" {
			return nil, api.Invalid("config.mcp_servers."+name+".warp_id", "names no MCP server you can see here")
		}
	}
	return servers, nil
}
