package catalog

import (
	"context"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const maxRepos = 50

// Environment is a named definition of repositories, image and set-up commands. Several may have one
// name, or none.
type Environment = Definition[api.CloudEnvironmentConfig]

// EnvironmentStore keeps environments.
type EnvironmentStore interface {
	Store[api.CloudEnvironmentConfig]
	// LastRuns returns the most recent run of each environment that has one.
	LastRuns(ctx context.Context, uids []string) (map[string]api.EnvironmentLastTask, error)
}

// Environments keeps the environments of teams and people.
type Environments struct {
	Shelf[api.CloudEnvironmentConfig]
	store EnvironmentStore
}

func newEnvironments(cfg Config, runners *Runners) *Environments {
	return &Environments{store: cfg.Environments, Shelf: Shelf[api.CloudEnvironmentConfig]{
		store: cfg.Environments, cfg: cfg,
		kind: kind[api.CloudEnvironmentConfig]{
			noun: "environment", newUID: NewUID, check: checkEnvironment,
			name: func(c api.CloudEnvironmentConfig) string { return c.Name },
			refer: func(ctx context.Context, actor identity.Actor, owner identity.Owner, c *api.CloudEnvironmentConfig) error {
				if c.DefaultRunnerUid == "" {
					return nil
				}
				d, err := runners.Find(ctx, actor, owner, "config.default_runner_uid", c.DefaultRunnerUid)
				c.DefaultRunnerUid = d.UID
				return err
			},
		},
	}}
}

// LastRuns returns the most recent run of each environment that has one, by uid.
func (s *Environments) LastRuns(ctx context.Context, list ...Environment) (map[string]api.EnvironmentLastTask, error) {
	if len(list) == 0 {
		return nil, nil
	}
	uids := make([]string, len(list))
	for i, e := range list {
		uids[i] = e.UID
	}
	return s.store.LastRuns(ctx, uids)
}

// SetupFailed reports whether a run failed before its agent began to work.
func SetupFailed(t api.EnvironmentLastTask) bool {
	return t.StartedAt.IsZero() && (t.State == api.RunStateFAILED || t.State == api.RunStateERROR)
}

func checkEnvironment(c api.CloudEnvironmentConfig) error {
	switch {
	case len(c.GithubRepos) > maxRepos:
		return api.Invalid("config.github_repos", "must have at most %d members", maxRepos)
	case len(c.SourceRepos) > maxRepos:
		return api.Invalid("config.source_repos", "must have at most %d members", maxRepos)
	}
	if c.Secrets != nil {
		if err := CheckSecrets("config.secrets", *c.Secrets); err != nil {
			return err
		}
	}
	for i, r := range c.SourceRepos {
		if err := CheckCloneURL(fmt.Sprintf("config.source_repos[%d].url", i), r.Url); err != nil {
			return err
		}
	}
	return firstError(checkLine("config.name", c.Name, maxName), checkDescription(c.Description),
		checkImage("config.docker_image", c.DockerImage), checkCommands(c.SetupCommands))
}
