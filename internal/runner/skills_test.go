package runner

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
)

func TestSkillSources(t *testing.T) {
	t.Parallel()
	r := &execution{assignment: api.RunnerAssignment{
		Config: api.AmbientAgentConfig{
			SkillSpec: "acme/tools:release",
			Skills: []string{"acme/tools:release", "Acme/Tools.git:other", "plain", "app:local", "have/one:x", "have/two:y", "a/b/c:z", "/x:y",
				"other/lib:.agents/skills/q/SKILL.md"},
		},
		Environment: api.CloudEnvironmentConfig{CodeForge: api.CloudEnvironmentConfigCodeForgeGITLAB},
	}}
	sources := []api.SourceRepo{{Owner: "have", Repo: "one"}, {Url: "https://git.example.com/have/two.git/"}}
	want := []api.SourceRepo{
		{CodeForge: api.SourceRepoCodeForgeGITLAB, Owner: "acme", Repo: "tools"},
		{CodeForge: api.SourceRepoCodeForgeGITLAB, Owner: "other", Repo: "lib"},
	}
	if diff := cmp.Diff(want, r.skillSources(sources)); diff != "" {
		t.Error(diff)
	}
	r.cfg.Local = true
	if got := r.skillSources(nil); got != nil {
		t.Errorf("in a directory of one's own: %v", got)
	}
}
