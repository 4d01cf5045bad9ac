package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Bounds of a definition: characters of the two texts people read, bytes of ids, and counts.
const (
	maxName        = 100
	maxDescription = 1000
	maxUID         = 128
	maxHost        = 256
	maxSecrets     = 100
)

// asUpdate is what a new agent's request changes of an agent without any properties.
func asUpdate(r api.CreateAgentRequest) api.UpdateAgentRequest {
	return api.UpdateAgentRequest{
		Name: &r.Name, Description: &r.Description, AgentType: &r.AgentType, Prompt: &r.Prompt, Secrets: &r.Secrets,
		Skills: &r.Skills, McpServers: &r.McpServers, BaseModel: &r.BaseModel, Harness: harnessOf(r),
		HarnessAuthSecrets: &r.HarnessAuthSecrets, InferenceProviders: &r.InferenceProviders,
		EnvironmentId: &r.EnvironmentId, WorkerHost: &r.WorkerHost, DefaultRunnerUid: &r.DefaultRunnerUid,
		CredentialStrategy: &r.CredentialStrategy, OnBehalfOfEnabled: &r.OnBehalfOfEnabled,
		Memory: api.UpdateAgentMemory{AttachedStores: &r.Memory.AttachedStores},
	}
}

// harnessOf is the harness of a new agent, which older clients name by its type alone.
func harnessOf(r api.CreateAgentRequest) *api.Harness {
	h := r.Harness
	h.Type = cmp.Or(h.Type, api.HarnessType(r.BaseHarness)) //nolint:staticcheck // deprecated on the wire, but accepted
	return &h
}

// define makes an agent what a request says, and checks the whole of it.
func (s *Service) define(ctx context.Context, actor identity.Actor, a *Agent, req api.UpdateAgentRequest) error {
	if err := a.change(actor, req); err != nil {
		return err
	}
	if err := s.checkModel(*a, req); err != nil {
		return err
	}
	if refs := req.Memory.AttachedStores; refs != nil {
		team := identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID}
		if err := s.cfg.Memory.CheckRefs(ctx, actor, team, "memory.attached_stores", *refs); err != nil {
			return err
		}
	}
	if req.EnvironmentId == nil {
		return nil // one that was deleted since does not keep the rest from changing
	}
	return s.checkEnvironment(ctx, actor, "environment_id", a.EnvironmentID)
}

// change is apply by an actor, who may not be allowed all of it.
func (a *Agent) change(actor identity.Actor, req api.UpdateAgentRequest) error {
	had := a.OnBehalfOf
	if err := a.apply(req); err != nil {
		return err
	}
	if a.OnBehalfOf && !had && !actor.May(identity.PermAdminister) {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "on_behalf_of_enabled: only admins of the team may turn it on")
	}
	return nil
}

// apply takes over the members of a request that are there, and checks what can be without looking
// anything up.
func (a *Agent) apply(req api.UpdateAgentRequest) error {
	if req.Name != nil {
		a.Name = strings.TrimSpace(*req.Name)
	}
	if req.Secrets != nil {
		a.Secrets = nil
		for _, r := range *req.Secrets {
			a.Secrets = append(a.Secrets, r.Name)
		}
	}
	if req.WorkerHost != nil {
		a.WorkerHost = strings.TrimSpace(*req.WorkerHost)
	}
	if b := req.BaseHarness; b != nil && req.Harness == nil { //nolint:staticcheck // deprecated on the wire, but accepted
		a.Harness = api.Harness{Type: api.HarnessType(*b)}
	}
	set(&a.Description, req.Description)
	set(&a.Type, req.AgentType)
	set(&a.Prompt, req.Prompt)
	set(&a.MCP, req.McpServers)
	set(&a.Model, req.BaseModel)
	set(&a.Harness, req.Harness)
	set(&a.HarnessAuthSecrets, req.HarnessAuthSecrets)
	set(&a.InferenceProviders, req.InferenceProviders)
	set(&a.EnvironmentID, req.EnvironmentId)
	set(&a.RunnerUID, req.DefaultRunnerUid)
	set(&a.CredentialStrategy, req.CredentialStrategy)
	set(&a.Stores, req.Memory.AttachedStores)
	set(&a.OnBehalfOf, req.OnBehalfOfEnabled)
	var err error
	if req.Skills != nil {
		if a.Skills, err = normalize(*req.Skills); err != nil {
			return err
		}
	}
	return a.check()
}

// set replaces a member that a request brings.
func set[T any](member *T, v *T) {
	if v != nil {
		*member = *v
	}
}

// check refuses what is wrong with an agent by itself, naming the member.
func (a *Agent) check() error {
	switch {
	case a.Name == "":
		return api.Invalid("name", "is required")
	case utf8.RuneCountInString(a.Name) > maxName:
		return api.Invalid("name", "must be at most %d characters long", maxName)
	case strings.ContainsFunc(a.Name, unicode.IsControl):
		return api.Invalid("name", "contains control characters")
	case utf8.RuneCountInString(a.Description) > maxDescription:
		return api.Invalid("description", "must be at most %d characters long", maxDescription)
	case a.Model != "" && a.Harness.Type != "" && a.Harness.Type != api.HarnessTypeOz:
		return api.Invalid("base_model", "must be empty with harness %q, whose model is harness.model_id", a.Harness.Type)
	case a.Type != "" && !a.Type.Valid():
		return api.Invalid("agent_type", "%.64q is not a type of agent", string(a.Type))
	case a.CredentialStrategy != "" && !a.CredentialStrategy.Valid():
		return api.Invalid("credential_strategy", "must be CREATOR or EXECUTOR")
	}
	for _, w := range []struct {
		field, word string
		limit       int
	}{
		{"base_model", a.Model, 256}, {"environment_id", a.EnvironmentID, maxUID}, {"worker_host", a.WorkerHost, maxHost},
		{"default_runner_uid", a.RunnerUID, maxUID}, {"harness.model_id", a.Harness.ModelId, 256},
		{"harness.reasoning_level", a.Harness.ReasoningLevel, 256},
	} {
		if err := catalog.CheckWord(w.field, w.word, w.limit); err != nil {
			return err
		}
	}
	for _, err := range []error{
		catalog.CheckText("description", a.Description, 4*maxDescription),
		catalog.CheckText("prompt", a.Prompt, catalog.MaxPrompt),
		catalog.CheckHarness("harness", a.Harness),
		catalog.CheckSkills("skills", a.Skills),
		catalog.CheckMCP("mcp_servers", a.MCP),
		checkSecrets(a.Secrets),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSecrets refuses names that cannot be those of secrets, and any that is there twice.
func checkSecrets(names []string) error {
	if len(names) > maxSecrets {
		return api.Invalid("secrets", "may be at most %d", maxSecrets)
	}
	for i, name := range names {
		field := fmt.Sprintf("secrets[%d].name", i)
		if name == "" {
			return api.Invalid(field, "is required")
		}
		if err := catalog.CheckWord(field, name, 256); err != nil {
			return err
		}
		if slices.Contains(names[:i], name) {
			return api.Invalid(field, "%.80q is named twice", name)
		}
	}
	return nil
}

// normalize writes every skill in one way, and drops repetitions: without spaces around it or needless
// parts of its path. What leads out of a repository is refused.
func normalize(specs []string) ([]string, error) {
	var out []string
	for i, spec := range specs {
		field := fmt.Sprintf("skills[%d]", i)
		spec = strings.TrimSpace(spec)
		if len(spec) > catalog.MaxSkillSpec {
			return nil, api.Invalid(field, "must be at most %d bytes", catalog.MaxSkillSpec)
		}
		repo, file, qualified := strings.Cut(spec, ":")
		if !qualified {
			repo, file = "", spec
		}
		file = strings.TrimSpace(file)
		repo = strings.TrimSuffix(strings.TrimSpace(repo), "/")
		clean := path.Clean(file)
		switch {
		case file == "":
			return nil, api.Invalid(field, "must name a skill")
		case path.IsAbs(clean) || clean == "." || clean == ".." || strings.HasPrefix(clean, "../"):
			return nil, api.Invalid(field, "%.80q leads out of its repository", spec)
		case qualified && (repo == "" || strings.Count(repo, "/") > 1 || strings.HasPrefix(repo, "/") || strings.ContainsFunc(repo, unicode.IsSpace)):
			return nil, api.Invalid(field, "%.80q is no skill: write name, repo:name or owner/repo:name", spec)
		}
		if qualified {
			clean = repo + ":" + clean
		}
		if !slices.Contains(out, clean) {
			out = append(out, clean)
		}
	}
	return out, nil
}

// checkModel refuses a model that a request names and nobody serves.
func (s *Service) checkModel(a Agent, req api.UpdateAgentRequest) error {
	if req.BaseModel == nil || a.Model == "" {
		return nil
	}
	return s.model("base_model", a.Model)
}

func (s *Service) model(field, id string) error {
	_, err := s.cfg.Models.Resolve(id, api.HarnessTypeOz)
	var f *api.Failure
	if errors.As(err, &f) && f.Code == api.PlatformErrorCodeInvalidRequest {
		return api.Invalid(field, "%s", strings.TrimPrefix(f.Detail, f.Field+": "))
	}
	return err
}

// checkEnvironment refuses an environment that the team's runs could not use.
func (s *Service) checkEnvironment(ctx context.Context, actor identity.Actor, field, uid string) error {
	if uid == "" {
		return nil
	}
	e, err := s.cfg.Environments.Get(ctx, uid)
	if err != nil {
		return err
	}
	switch {
	case !actor.Sees(e.Owner):
		return api.NotFound("environment", uid)
	case e.Owner.Type != api.ScopeTypeTeam:
		return api.Invalid(field, "must be an environment of the team, not a personal one")
	}
	return nil
}
