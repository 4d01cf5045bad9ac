package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Kit is what a sandbox is given of all that is shared, as it is now.
type Kit struct {
	Environment api.CloudEnvironmentConfig
	Machine     api.ComputeRunnerConfig
	Servers     map[string]api.MCPServerConfig
	Rules       []Rules
}

// Kit puts together what a run's config names, with the rules of a team and of a person ("" is nobody).
// An environment or runner that was deleted since the run was made is environment_setup_failed, which
// the user can mend.
func (c *Catalog) Kit(ctx context.Context, config api.AmbientAgentConfig, teamUID, userUID string) (k Kit, err error) {
	if k.Environment, k.Machine, err = c.Place(ctx, config); err != nil {
		return Kit{}, err
	}
	if k.Servers, err = c.Servers.Resolve(ctx, config.McpServers); err != nil {
		return Kit{}, err
	}
	if k.Rules, err = c.Rules.Of(ctx, teamUID, userUID); err != nil {
		return Kit{}, fmt.Errorf("find rules: %w", err)
	}
	return k, nil
}

// Place is the environment and the machine that a run's config names.
func (c *Catalog) Place(ctx context.Context, config api.AmbientAgentConfig) (e api.CloudEnvironmentConfig, m api.ComputeRunnerConfig, err error) {
	if e, err = lookup(ctx, &c.Environments.Shelf, config.EnvironmentId); err != nil {
		return e, m, err
	}
	m, err = lookup(ctx, &c.Runners.Shelf, config.RunnerId)
	return e, m, err
}

func lookup[C any](ctx context.Context, s *Shelf[C], uid string) (config C, err error) {
	if uid == "" {
		return config, nil
	}
	d, err := s.Lookup(ctx, uid)
	if errors.Is(err, api.NotFound(s.kind.noun, uid)) {
		return config, api.Fail(api.PlatformErrorCodeEnvironmentSetupFailed, "%s %s no longer exists", s.kind.noun, uid)
	}
	if err != nil {
		return config, fmt.Errorf("find %s: %w", s.kind.noun, err)
	}
	return d.Config, nil
}

// RunnerFor returns the uid of the runner that a uid or name means for something that owner has.
func (c *Catalog) RunnerFor(ctx context.Context, actor identity.Actor, owner identity.Owner, ref string) (uid string, err error) {
	d, err := c.Runners.Find(ctx, actor, owner, "config.runner_id", ref)
	return d.UID, err
}

// Prompt is Prompts.Resolve.
func (c *Catalog) Prompt(ctx context.Context, actor identity.Actor, ref string, arguments map[string]string) (text, uid string, err error) {
	return c.Prompts.Resolve(ctx, actor, ref, arguments)
}

// Pin is Servers.Pin.
func (c *Catalog) Pin(ctx context.Context, actor identity.Actor, owner identity.Owner, servers map[string]api.MCPServerConfig) (map[string]api.MCPServerConfig, error) {
	return c.Servers.Pin(ctx, actor, owner, servers)
}
