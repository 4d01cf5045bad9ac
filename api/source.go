package api

import (
	"net/url"
	"strings"
)

// Repositories lists what an environment clones: its source_repos, and its github_repos as such.
func (c CloudEnvironmentConfig) Repositories() []SourceRepo {
	all := append([]SourceRepo(nil), c.SourceRepos...)
	for _, g := range c.GithubRepos {
		all = append(all, SourceRepo{CodeForge: SourceRepoCodeForge(c.CodeForge), Owner: g.Owner, Repo: g.Repo})
	}
	return all
}

// CloneURL is where the repository is cloned from: its own URL, or the code forge's for owner and repo.
func (s SourceRepo) CloneURL() string {
	if s.Url != "" {
		return s.Url
	}
	host := "github.com"
	if s.CodeForge == SourceRepoCodeForgeGITLAB {
		host = "gitlab.com"
	}
	return (&url.URL{Scheme: "https", Host: host, Path: "/" + s.Owner + "/" + strings.TrimSuffix(s.Repo, ".git") + ".git"}).String()
}
