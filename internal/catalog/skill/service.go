// Package skill finds the skills in the repositories of environments, so that people can choose one
// without knowing where it is.
//
// It owns reading repositories, remembering what was found, and the list that GET /agent shows. It
// refuses to run skills, which is the runner's work, and to use anybody's credentials: what needs one is
// read only if the repository's URL holds it.
package skill

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/skillfile"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// Found is a skill in a repository, or why it is none.
type Found struct {
	// Path is its SKILL.md in the repository.
	Path  string
	Skill skillfile.File
	// Err says what is wrong with the file; empty when it is a skill.
	Err string
}

// Reader reads the skills of a repository. Its errors are shown to whoever may see the environment.
type Reader interface {
	Read(ctx context.Context, url, ref string) ([]Found, error)
}

// Environments lists the environments an actor may use: catalog.Environments.
type Environments interface {
	List(ctx context.Context, actor identity.Actor, byName bool) ([]catalog.Environment, error)
}

// Runs tells when skills last ran.
type Runs interface {
	// LastOfSkills returns when the newest run of each skill was created, among those of the owners.
	// Skills that never ran are left out.
	LastOfSkills(ctx context.Context, owners []identity.Owner, skills []string) (map[string]time.Time, error)
}

// Config is what a Service needs. All of it.
type Config struct {
	Reader       Reader
	Environments Environments
	Runs         Runs
	Now          func() time.Time
}

// maxRepositories bounds the repositories of one list.
const maxRepositories = 200

// Patience is how long a list waits for repositories nothing is known of yet. What takes longer goes on
// and is in a later list.
const Patience = 20 * time.Second

// Service lists skills.
type Service struct {
	cfg   Config
	cache *cache
}

// New makes a service. It must be closed.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, cache: newCache(cfg.Reader, cfg.Now)}
}

// Close ends what is being read and returns when it has ended.
func (s *Service) Close() { s.cache.close() }

// Query says which skills to list.
type Query struct {
	// Repo is "owner/repo", or empty for the repositories of all environments. One that no environment
	// has is looked for on GitHub.
	Repo string
	// Refresh reads repositories again, at most once in MinAge each.
	Refresh bool
	// ByLastRun puts what ran last first; otherwise skills come by name.
	ByLastRun bool
	// Malformed includes files that are no skills, with the reason.
	Malformed bool
}

// place is a repository at a ref, with the environments that have it.
type place struct {
	repo         api.SourceRepo
	environments []api.AgentListEnvironment
	result       result
}

// List returns the skills an actor may use, and how it stands with each repository.
func (s *Service) List(ctx context.Context, actor identity.Actor, q Query) (api.ListAgentsResponse, error) {
	places, err := s.places(ctx, actor, q.Repo)
	if err != nil {
		return api.ListAgentsResponse{}, err
	}
	for _, p := range places {
		p.result = s.cache.get(p.repo.CloneURL(), p.repo.CheckoutRef, q.Refresh)
	}
	patience, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	answer := api.ListAgentsResponse{Agents: []api.AgentListItem{}}
	names := map[string][]api.AgentListVariant{}
	for _, p := range places {
		r := p.result.wait(patience)
		answer.Repositories = append(answer.Repositories, p.show(r))
		for _, f := range r.found {
			if f.Err == "" || q.Malformed {
				name := cmp.Or(f.Skill.Name, path.Base(path.Dir(f.Path)))
				names[name] = append(names[name], p.variant(f))
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return api.ListAgentsResponse{}, context.Cause(ctx)
	}
	for name, variants := range names {
		slices.SortFunc(variants, func(a, b api.AgentListVariant) int { return strings.Compare(a.Id, b.Id) })
		answer.Agents = append(answer.Agents, api.AgentListItem{Name: name, Variants: variants})
	}
	if err := s.addLastRuns(ctx, actor, answer.Agents); err != nil {
		return api.ListAgentsResponse{}, err
	}
	slices.SortFunc(answer.Agents, func(a, b api.AgentListItem) int {
		if q.ByLastRun {
			if c := lastRun(b).Compare(lastRun(a)); c != 0 {
				return c
			}
		}
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.Name, b.Name))
	})
	return answer, nil
}

// places gathers the repositories in question, each once.
func (s *Service) places(ctx context.Context, actor identity.Actor, repo string) ([]*place, error) {
	owner, name, err := split(repo)
	if err != nil {
		return nil, err
	}
	list, err := s.cfg.Environments.List(ctx, actor, false)
	if err != nil {
		return nil, err
	}
	var all []*place
	byKey := map[string]*place{}
	for _, e := range list {
		for _, r := range e.Config.Repositories() {
			r.Owner, r.Repo = fullName(r)
			if repo != "" && !(strings.EqualFold(r.Owner, owner) && strings.EqualFold(r.Repo, name)) {
				continue
			}
			key := keyOf(r.CloneURL(), r.CheckoutRef)
			if byKey[key] == nil && len(all) < maxRepositories {
				byKey[key] = &place{repo: r}
				all = append(all, byKey[key])
			}
			if p := byKey[key]; p != nil {
				p.environments = append(p.environments, api.AgentListEnvironment{Uid: e.UID, Name: e.Config.Name})
			}
		}
	}
	if repo != "" && len(all) == 0 {
		all = append(all, &place{repo: api.SourceRepo{Owner: owner, Repo: name}})
	}
	return all, nil
}

func split(repo string) (owner, name string, err error) {
	if repo == "" {
		return "", "", nil
	}
	owner, name, ok := strings.Cut(repo, "/")
	if !ok || owner == "" || name == "" || len(repo) > 200 || strings.ContainsAny(repo, "\\:@?#% ") || strings.Contains(name, "/") ||
		strings.ContainsFunc(repo, func(r rune) bool { return r < ' ' || r > '~' }) || owner[0] == '.' || name[0] == '.' {
		return "", "", api.Invalid("repo", "must be owner/repo")
	}
	return owner, strings.TrimSuffix(name, ".git"), nil
}

// fullName is owner and name of a repository, taken from its URL where they are not said.
func fullName(r api.SourceRepo) (owner, name string) {
	owner, name = r.Owner, strings.TrimSuffix(r.Repo, ".git")
	parts := strings.Split(strings.TrimSuffix(strings.TrimRight(r.Url, "/"), ".git"), "/")
	if name == "" && len(parts) > 0 {
		name = parts[len(parts)-1]
	}
	if owner == "" && len(parts) > 4 { // scheme, nothing, host, owner, …
		owner = parts[len(parts)-2]
	}
	return owner, name
}

func (p *place) variant(f Found) api.AgentListVariant {
	return api.AgentListVariant{
		Id: fmt.Sprintf("%s/%s:%s", p.repo.Owner, p.repo.Repo, f.Path), Description: f.Skill.Description, BasePrompt: f.Skill.Body,
		Source:       api.AgentListSource{Owner: p.repo.Owner, Name: p.repo.Repo, SkillPath: f.Path},
		Environments: append([]api.AgentListEnvironment{}, p.environments...), Error: f.Err,
	}
}

func (p *place) show(r reading) api.SkillRepository {
	v := api.SkillRepository{
		Owner: p.repo.Owner, Name: p.repo.Repo, CheckoutRef: p.repo.CheckoutRef, ReadAt: r.at,
		Environments: append([]api.AgentListEnvironment{}, p.environments...),
	}
	switch {
	case r.err != nil:
		v.State, v.Error = api.SkillRepositoryStateFailed, r.err.Error()
	case r.at.IsZero():
		v.State = api.SkillRepositoryStateReading
	default:
		v.State = api.SkillRepositoryStateReady
	}
	return v
}

// addLastRuns tells of each skill when it last ran, under whichever of its names.
func (s *Service) addLastRuns(ctx context.Context, actor identity.Actor, agents []api.AgentListItem) error {
	var asked []string
	for _, a := range agents {
		for _, v := range a.Variants {
			asked = append(asked, specs(a.Name, v)...)
		}
	}
	if len(asked) == 0 {
		return nil
	}
	owners := []identity.Owner{{Type: api.ScopeTypeUser, UID: actor.UID}}
	if actor.TeamUID != "" {
		owners = append(owners, identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID})
	}
	last, err := s.cfg.Runs.LastOfSkills(ctx, owners, asked)
	if err != nil {
		return err
	}
	for _, a := range agents {
		for i := range a.Variants {
			v := &a.Variants[i]
			for _, spec := range specs(a.Name, *v) {
				if t, ok := last[spec]; ok && (v.LastRunTimestamp == nil || t.After(*v.LastRunTimestamp)) {
					v.LastRunTimestamp = &t
				}
			}
		}
	}
	return nil
}

// specs are the ways in which runs name a variant by its repository.
func specs(name string, v api.AgentListVariant) []string {
	repo := v.Source.Owner + "/" + v.Source.Name
	return []string{v.Id, repo + ":" + name}
}

func lastRun(a api.AgentListItem) (last time.Time) {
	for _, v := range a.Variants {
		if v.LastRunTimestamp != nil && v.LastRunTimestamp.After(last) {
			last = *v.LastRunTimestamp
		}
	}
	return last
}
