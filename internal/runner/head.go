package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// Head is where a repository of the environment is to begin: at a commit or on a branch.
type Head struct {
	Forge       api.SourceRepoCodeForge
	Owner, Repo string
	Commit      string // 40 lower-case hexadecimal digits, or empty
	Branch      string // or empty
}

// ParseHead reads a Head as the command line gives it: {"code_forge", "repo_owner", "repo_name",
// "head": {"type": "COMMIT_SHA" or "BRANCH", "value"}}. The error names the member that is wrong.
func ParseHead(text string) (h Head, err error) {
	var in struct {
		CodeForge api.SourceRepoCodeForge `json:"code_forge"`
		RepoOwner string                  `json:"repo_owner"`
		RepoName  string                  `json:"repo_name"`
		Head      struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"head"`
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return h, fmt.Errorf("not the JSON of a head: %w", err)
	}
	h = Head{Forge: in.CodeForge, Owner: in.RepoOwner, Repo: strings.TrimSuffix(in.RepoName, ".git")}
	switch {
	case h.Forge != api.SourceRepoCodeForgeGITHUB && h.Forge != api.SourceRepoCodeForgeGITLAB:
		return h, fmt.Errorf("code_forge: %q is not GITHUB or GITLAB", h.Forge)
	case h.Owner == "":
		return h, errors.New("repo_owner: required")
	case h.Repo == "":
		return h, errors.New("repo_name: required")
	}
	switch v := in.Head.Value; in.Head.Type {
	case "COMMIT_SHA":
		if len(v) != 40 || strings.Trim(v, "0123456789abcdef") != "" {
			return h, fmt.Errorf("head.value: %q is not a commit of 40 lower-case hexadecimal digits", v)
		}
		h.Commit = v
	case "BRANCH":
		if v == "" || badRef(v) {
			return h, fmt.Errorf("head.value: %q is not the name of a branch", v)
		}
		h.Branch = v
	default:
		return h, fmt.Errorf("head.type: %q is not COMMIT_SHA or BRANCH", in.Head.Type)
	}
	return h, nil
}

// badRef reports names that git could take for something else than a branch, tag or commit.
func badRef(ref string) bool {
	return strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " \x00~^:?*[\\")
}

// override puts the heads asked for into what is to be cloned. One whose repository is not among it
// fails the run: it would begin from something else than was meant.
func (r *execution) override(sources []api.SourceRepo) error {
	for _, h := range r.cfg.Heads {
		found := false
		for i, s := range sources {
			forge := s.CodeForge
			if forge == "" {
				forge = api.SourceRepoCodeForgeGITHUB
			}
			if forge == h.Forge && strings.EqualFold(s.Owner, h.Owner) && strings.EqualFold(strings.TrimSuffix(s.Repo, ".git"), h.Repo) {
				found = true
				sources[i].CheckoutRef = h.Commit + h.Branch
			}
		}
		if !found {
			return &stepError{
				message: fmt.Sprintf("the run is to begin from a head of %s/%s, which is not among its repositories", h.Owner, h.Repo),
				advice:  "Add the repository to the environment.",
			}
		}
	}
	return nil
}

// removeOrigins takes the remotes, and with them what is known of their branches, from what was cloned.
func (r *execution) removeOrigins(ctx context.Context) error {
	if !r.cfg.RemoveOrigins || len(r.repos) == 0 {
		return nil
	}
	return r.phase(ctx, "remove origins", "git remote remove origin", func(ctx context.Context, _ func(string)) (string, error) {
		for _, repo := range r.repos {
			remotes, err := r.git(repo.dir, nil, "remote").run(ctx)
			if err != nil {
				return remotes, err
			}
			for _, name := range strings.Fields(remotes) {
				if out, err := r.git(repo.dir, nil, "remote", "remove", name).run(ctx); err != nil {
					return out, err
				}
			}
		}
		return "", nil
	})
}
