package runner

import (
	"strings"

	"github.com/cadrehq/cadre/api"
)

// skillSources are the repositories that skills of the run name ("owner/repo:skill") and that are not
// among those to be cloned anyway. In a directory of somebody's own nothing is added: there the skill
// must be at hand (contract cli section 15).
func (r *execution) skillSources(sources []api.SourceRepo) []api.SourceRepo {
	if !r.own() {
		return nil
	}
	cfg := r.assignment.Config
	var more []api.SourceRepo
	for _, spec := range append([]string{cfg.SkillSpec}, cfg.Skills...) {
		repo, _, named := strings.Cut(spec, ":")
		owner, name, full := strings.Cut(repo, "/")
		if !named || !full || owner == "" || name == "" || strings.Contains(name, "/") {
			continue
		}
		s := api.SourceRepo{CodeForge: api.SourceRepoCodeForge(r.assignment.Environment.CodeForge), Owner: owner, Repo: name}
		if !holds(sources, s) && !holds(more, s) {
			more = append(more, s)
		}
	}
	return more
}

// holds reports whether a repository is among others, by its name or by the end of their URL.
func holds(all []api.SourceRepo, s api.SourceRepo) bool {
	want := strings.ToLower("/" + s.Owner + "/" + strings.TrimSuffix(s.Repo, ".git"))
	for _, other := range all {
		if strings.EqualFold(other.Owner, s.Owner) && strings.EqualFold(strings.TrimSuffix(other.Repo, ".git"), strings.TrimSuffix(s.Repo, ".git")) {
			return true
		}
		address := strings.TrimSuffix(strings.TrimRight(other.CloneURL(), "/"), ".git")
		if strings.HasSuffix(strings.ToLower(address), want) {
			return true
		}
	}
	return false
}
