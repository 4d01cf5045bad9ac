package oz

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/skill"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// maxProblems bounds the malformed skills reported.
const maxProblems = 10

// loadSkills finds the skills in scope and reports those that cannot be used, once per run.
func (a *Agent) loadSkills(ctx context.Context, dir string) (*skill.Set, error) {
	set := skill.Discover(skill.Scope{Home: a.s.Home, Workspace: a.s.Workdir, Dir: dir, Extra: a.s.SkillDirs})
	if len(set.Problems) == 0 || a.conv.turn > 0 {
		return set, nil
	}
	var lines []string
	for i, p := range set.Problems {
		if i == maxProblems {
			lines = append(lines, fmt.Sprintf("… and %d more", len(set.Problems)-i))
			break
		}
		lines = append(lines, p.Error())
	}
	return set, a.notice(ctx, api.NoticeWarning, "Skills that cannot be used:\n%s", strings.Join(lines, "\n"))
}

// baseSkills resolves the skills the run was configured with; one that is missing fails the run.
func (a *Agent) baseSkills(set *skill.Set) ([]*skill.Skill, error) {
	cfg := a.s.Assignment.Config
	var out []*skill.Skill
	seen := map[string]bool{}
	for i, spec := range append([]string{cfg.SkillSpec}, cfg.Skills...) {
		if spec == "" || seen[spec] {
			continue
		}
		seen[spec] = true
		sk, err := set.Resolve(spec)
		if err != nil {
			field := "config.skill_spec"
			if i > 0 {
				field = fmt.Sprintf("config.skills[%d]", i-1)
			}
			return nil, api.Fail(api.PlatformErrorCodeEnvironmentSetupFailed, "%s: %v", field, err)
		}
		out = append(out, sk)
	}
	return out, nil
}

// skillTool lets the model load a skill.
type skillTool struct{ set *skill.Set }

type skillInput struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Spec describes the tool.
func (t *skillTool) Spec() tool.Spec {
	return tool.Spec{Name: "skill", Category: api.ActionCategorySkill, ReadOnly: true,
		Description: "Load the instructions of a skill listed in the system prompt, before doing what it is for.",
		Schema: json.RawMessage(`{"type":"object","properties":{"name":{"type":"string"},
			"arguments":{"type":"string","description":"What to apply it to."}},"required":["name"]}`)}
}

// Subject is the skill's name.
func (t *skillTool) Subject(input json.RawMessage) (named, real string) {
	var in skillInput
	_ = json.Unmarshal(input, &in)
	return in.Name, ""
}

// Run renders the skill.
func (t *skillTool) Run(_ context.Context, c tool.Call) (tool.Result, error) {
	var in skillInput
	if err := json.Unmarshal(c.Input, &in); err != nil {
		return tool.Failf("invalid arguments: %v", err), nil
	}
	sk, err := t.set.Resolve(in.Name)
	if err != nil {
		return tool.Failf("%v", err), nil
	}
	return tool.Result{Text: skillText(sk, in.Arguments), Detail: map[string]string{"name": sk.Name, "path": sk.Path}}, nil
}

func skillText(sk *skill.Skill, arguments string) string {
	text, placed := sk.Render(arguments)
	if arguments != "" && !placed {
		text += "\n\nArguments: " + arguments
	}
	return fmt.Sprintf("Skill %s. Its files are in %s.\n\n%s", sk.Name, sk.Dir(), text)
}
