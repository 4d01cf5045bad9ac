package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

func TestReposOfTheCommandLine(t *testing.T) {
	for in, want := range map[string]api.SourceRepo{
		"https://h.example/acme/shop.git": {Owner: "acme", Repo: "shop"},
		"http://h.example/shop/":          {Owner: "h.example", Repo: "shop"},
		"file:///srv/git/shop.git":        {Owner: "git", Repo: "shop"},
		"file:///home/ann/shop/.git":      {Owner: "ann", Repo: "shop"},
		"file:///home/ann/shop/.git/":     {Owner: "ann", Repo: "shop"},
		"file:///home/ann/shop":           {Owner: "ann", Repo: "shop"},
	} {
		var cfg api.CloudEnvironmentConfig
		if err := addRepos(&cfg, []string{in}); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if want.Url = in; len(cfg.SourceRepos) != 1 || cfg.SourceRepos[0] != want {
			t.Errorf("%s: %+v", in, cfg.SourceRepos)
		}
	}
	for in, advice := range map[string]string{
		"shop": "owner/repo", "/srv/git/shop": "file:///path", "./shop/.git": "file:///path", "git@h:acme/shop.git": "https://",
		"file:///": "names no repository", "https://": "no clone URL", "https://ann:pw@h/a/b": "leave user and password out", "a/b/c": "owner/repo",
	} {
		err := addRepos(&api.CloudEnvironmentConfig{}, []string{in})
		if !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), advice) {
			t.Errorf("%s: %v, want advice with %q", in, err, advice)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("shows a password: %v", err)
		}
	}
}
