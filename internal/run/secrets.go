package run

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/secret"
)

// personal are the sources that mean that somebody asked for the run themselves. Any other, a schedule
// or an integration that acts by itself, gets nobody's personal secrets.
var personal = map[api.RunSourceType]bool{
	api.RunSourceTypeAPI: true, api.RunSourceTypeCLI: true, api.RunSourceTypeWEBAPP: true, api.RunSourceTypeLOCAL: true,
	api.RunSourceTypeCLOUDMODE: true, api.RunSourceTypeGITHUBACTION: true, api.RunSourceTypeSLACK: true, api.RunSourceTypeLINEAR: true,
}

// personOf is who triggered a run by a call of their own; "" when nobody did. A run's children inherit
// from it: see adopt.
func personOf(actor identity.Actor, source api.RunSourceType) string {
	if actor.Kind == identity.KindUser && personal[source] {
		return actor.UID
	}
	return ""
}

// Reach is the run as far as it decides about its secrets.
func (r Run) Reach() secret.Reach {
	return secret.Reach{RunID: r.ID, Execution: r.Execution, Owner: r.Owner, Person: r.Person}
}

// ModelKey is a key of a model vendor that a run brings along: the member that names it, the secret and
// its type.
type ModelKey struct {
	Field, Name string
	Type        api.SecretType
}

// ModelKeys are those a configuration names.
func ModelKeys(c api.AmbientAgentConfig) []ModelKey {
	var out []ModelKey
	add := func(member, name string, t api.SecretType) {
		if name != "" {
			out = append(out, ModelKey{"config.harness_auth_secrets." + member, name, t})
		}
	}
	add("claude_auth_secret_name", c.HarnessAuthSecrets.ClaudeAuthSecretName, api.SecretTypeANTHROPICAPIKEY)
	add("codex_auth_secret_name", c.HarnessAuthSecrets.CodexAuthSecretName, api.SecretTypeOPENAIAPIKEY)
	return out
}

// checkModelKeys refuses keys that the run could not use.
func (s *Service) checkModelKeys(ctx context.Context, r Run) error {
	for _, k := range ModelKeys(r.Config) {
		if s.cfg.Secrets == nil {
			return api.Invalid(k.Field, "this server keeps no secrets")
		}
		if err := s.cfg.Secrets.CheckModelKey(ctx, r.Reach(), k.Field, k.Name, k.Type); err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets checks what a configuration says of secrets by itself.
func checkSecrets(c api.AmbientAgentConfig) error {
	for _, k := range ModelKeys(c) {
		if err := checkWord(k.Field, k.Name, maxName); err != nil {
			return err
		}
	}
	if c.Secrets == nil {
		return nil
	}
	return catalog.CheckSecrets("config.secrets", *c.Secrets)
}

// Secrets returns the values that the runner's execution gets in a phase. A run in a directory of one's
// own gets none: whoever started it holds its token, and would read what nobody may read.
func (s *Service) Secrets(ctx context.Context, actor identity.Actor, phase api.SecretPhase) (api.RunnerSecretsResponse, error) {
	none := api.RunnerSecretsResponse{Secrets: []api.RunnerSecret{}}
	if err := runner(actor); err != nil {
		return none, err
	}
	r, err := s.cfg.Store.Get(ctx, actor.RunID)
	if err != nil {
		return none, err
	}
	if r.Execution != actor.Execution || !r.Live {
		return none, edge(ErrFenced)
	}
	if r.Location == api.RunExecutionLocationLOCAL || s.cfg.Secrets == nil {
		return none, nil
	}
	lists, err := s.secretLists(ctx, r)
	if err != nil {
		return none, err
	}
	return s.cfg.Secrets.Deliver(ctx, r.Reach(), lists, phase)
}

// secretLists are what narrows a run's secrets. An environment that is gone narrows them to none.
func (s *Service) secretLists(ctx context.Context, r Run) (secret.Lists, error) {
	lists := secret.Lists{Run: r.Config.Secrets}
	if s.cfg.AgentSecrets != nil && r.Executor.Type == api.UserProfileTypeServiceAccount {
		names, err := s.cfg.AgentSecrets(ctx, r.TeamUID, r.Executor.Uid)
		if err != nil {
			return lists, err
		}
		if len(names) > 0 {
			refs := make([]api.SecretRef, len(names))
			for i, name := range names {
				refs[i].Name = name
			}
			lists.Agent = &refs
		}
	}
	id := r.Config.EnvironmentId
	if id == "" || id == EmptyEnvironment {
		return lists, nil
	}
	e, err := s.cfg.Environments.Get(ctx, id)
	switch {
	case err == nil:
		lists.Environment = e.Config.Secrets
	case api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound: // deleted: what it allowed is not known any more
		lists.Environment, err = &[]api.SecretRef{}, nil
	}
	return lists, err
}
