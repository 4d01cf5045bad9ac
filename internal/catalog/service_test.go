package catalog_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

func TestUIDShape(t *testing.T) {
	t.Parallel()
	shape, seen := regexp.MustCompile(`^[A-Za-z0-9]{22}$`), map[string]bool{}
	for range 1000 {
		uid := catalog.NewUID()
		if !shape.MatchString(uid) || seen[uid] {
			t.Fatalf("uid %q", uid)
		}
		seen[uid] = true
	}
}

// TestRefusals reach no store: a nil one would panic.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := catalog.New(catalog.Config{}).Environments
	admin := identity.Actor{Kind: identity.KindUser, UID: "u", TeamUID: "t", Role: identity.RoleAdmin}
	for field, c := range map[string]api.CloudEnvironmentConfig{
		"config.name":              {Name: "a\x1bb"},
		"config.github_repos":      {GithubRepos: make([]api.GitHubRepo, 51)},
		"config.source_repos":      {SourceRepos: make([]api.SourceRepo, 51)},
		"config.setup_commands":    {SetupCommands: make([]string, 101)},
		"config.setup_commands[0]": {SetupCommands: []string{strings.Repeat("x", 17<<10)}},
	} {
		_, err := s.Create(t.Context(), admin, catalog.Request[api.CloudEnvironmentConfig]{Config: c})
		if api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("%s: %v", field, err)
		}
	}
	viewer := identity.Actor{Kind: identity.KindUser, UID: "u", TeamUID: "t", Role: identity.RoleViewer}
	for name, err := range map[string]error{
		"delete": s.Delete(t.Context(), viewer, "x"),
		"create": second(s.Create(t.Context(), viewer, catalog.Request[api.CloudEnvironmentConfig]{})),
		"update": second(s.Update(t.Context(), viewer, "x", catalog.Request[api.CloudEnvironmentConfig]{})),
	} {
		if api.CodeOf(err) != api.PlatformErrorCodeNotAuthorized {
			t.Errorf("%s by a viewer: %v", name, err)
		}
	}
}

func second(_ catalog.Environment, err error) error { return err }
