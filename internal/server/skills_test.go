package server_test

import (
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/gittest"
	"github.com/cadrehq/cadre/internal/server"
)

// TestSkills: the skills of environments' repositories are listed for those who may use the
// environments, with what last ran.
func TestSkills(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	url := git.Repo("app", map[string]string{
		".agents/skills/review/SKILL.md": "---\nname: review\ndescription: Reads diffs.\n---\nRead it.\n",
		".agents/skills/bad/SKILL.md":    "nothing",
	})
	w := newWorld(t, func(c *server.Config) { c.Egress.AllowPrivate = true })
	environment := decode[api.CloudEnvironment](w.post("/agent/environments", api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{
		Name: "app", SourceRepos: []api.SourceRepo{{Owner: "acme", Repo: "app", Url: url}, {Owner: "acme", Repo: "gone", Url: git.URL() + "/gone.git"}},
	}}).want(201))
	w.post("/agent/runs", api.RunAgentRequest{Skill: "acme/app:review", Config: api.AmbientAgentConfig{EnvironmentId: environment.Uid}}).want(200)

	list := decode[api.ListAgentsResponse](w.get("/agent").want(200))
	if len(list.Agents) != 1 || len(list.Agents[0].Variants) != 1 {
		t.Fatalf("%+v", list)
	}
	v := list.Agents[0].Variants[0]
	if list.Agents[0].Name != "review" || v.Id != "acme/app:.agents/skills/review/SKILL.md" || v.BasePrompt != "Read it.\n" ||
		len(v.Environments) != 1 || v.Environments[0].Uid != environment.Uid || v.LastRunTimestamp == nil {
		t.Errorf("%+v", v)
	}
	if r := list.Repositories; len(r) != 2 || r[0].State != api.SkillRepositoryStateReady || r[1].State != api.SkillRepositoryStateFailed || r[1].Error == "" {
		t.Errorf("%+v", r)
	}
	all := decode[api.ListAgentsResponse](w.get("/agent?include_malformed_skills=true&repo=acme/app&sort_by=last_run").want(200))
	if len(all.Agents) != 2 || all.Agents[0].Name != "review" || all.Agents[1].Variants[0].Error == "" {
		t.Errorf("%+v", all)
	}
	w.get("/agent?repo=..%2Fx").wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "repo")
}

// TestSkillsOfPrivateAddresses: unless the operator says so, nobody makes the server call its own
// network by naming a repository there.
func TestSkillsOfPrivateAddresses(t *testing.T) {
	t.Parallel()
	git := gittest.New(t)
	url := git.Repo("app", map[string]string{".agents/skills/a/SKILL.md": "---\nname: a\ndescription: A.\n---\n"})
	w := newWorld(t)
	w.post("/agent/environments", api.EnvironmentRequest{Config: api.CloudEnvironmentConfig{SourceRepos: []api.SourceRepo{{Owner: "o", Repo: "app", Url: url}}}}).want(201)
	list := decode[api.ListAgentsResponse](w.get("/agent").want(200))
	if len(list.Agents) != 0 || len(list.Repositories) != 1 || !strings.Contains(list.Repositories[0].Error, "--allow-private-addresses") {
		t.Errorf("%+v", list)
	}
}
