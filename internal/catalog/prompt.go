package catalog

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	maxPromptText = 64 << 10
	maxArguments  = 32
	maxArgument   = 16 << 10
)

// Prompt is a saved prompt.
type Prompt = Definition[api.SavedPromptConfig]

// Prompts keeps the saved prompts of teams and people.
type Prompts struct {
	*NamedShelf[api.SavedPromptConfig]
}

var promptKind = kind[api.SavedPromptConfig]{
	noun: "saved prompt", newUID: NewUID, check: checkPrompt,
	name: func(c api.SavedPromptConfig) string { return c.Name },
}

var (
	argumentName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	argumentSlot = regexp.MustCompile(`\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}`)
)

const maxArgumentName = 64

func checkPrompt(c api.SavedPromptConfig) error {
	if c.Text == "" {
		return api.Invalid("config.text", "is required")
	}
	if len(c.Arguments) > maxArguments {
		return api.Invalid("config.arguments", "must have at most %d members", maxArguments)
	}
	slots := slotsOf(c.Text)
	seen := map[string]bool{}
	for i, a := range c.Arguments {
		field := fmt.Sprintf("config.arguments[%d]", i)
		switch {
		case len(a.Name) > maxArgumentName || !argumentName.MatchString(a.Name):
			return api.Invalid(field+".name", "must be 1 to %d letters, digits and underscores, not beginning with a digit", maxArgumentName)
		case seen[a.Name]:
			return api.Invalid(field+".name", "is the name of an argument before it")
		case !slots[a.Name]:
			return api.Invalid(field+".name", "stands nowhere in the text: write {{%s}} where its value shall be", a.Name)
		}
		seen[a.Name] = true
		if a.Default != nil {
			if err := CheckText(field+".default", *a.Default, maxArgument); err != nil {
				return err
			}
		}
	}
	return firstError(checkName("config.name", c.Name), checkDescription(c.Description),
		CheckText("config.text", c.Text, maxPromptText))
}

func slotsOf(text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range argumentSlot.FindAllStringSubmatch(text, -1) {
		out[m[1]] = true
	}
	return out
}

// Resolve returns the text that a saved prompt, named by uid or name, gives with these arguments, and the
// prompt's uid. Any prompt that the actor sees may be used, whoever the run belongs to: the run keeps
// the text, not the prompt.
func (s *Prompts) Resolve(ctx context.Context, actor identity.Actor, ref string, arguments map[string]string) (text, uid string, err error) {
	d, err := s.Find(ctx, actor, identity.Owner{Type: api.ScopeTypeUser, UID: actor.UID}, "saved_prompt", ref)
	if err != nil {
		return "", "", err
	}
	values := map[string]string{}
	for _, a := range d.Config.Arguments {
		v, given := arguments[a.Name]
		switch {
		case given:
			values[a.Name] = v
		case a.Default != nil:
			values[a.Name] = *a.Default
		default:
			return "", "", api.Invalid("saved_prompt_arguments."+a.Name, "is required: the prompt %q has no default for it", d.Config.Name)
		}
		if err := CheckText("saved_prompt_arguments."+a.Name, values[a.Name], maxArgument); err != nil {
			return "", "", err
		}
	}
	for name := range arguments {
		if !slices.ContainsFunc(d.Config.Arguments, func(a api.PromptArgument) bool { return a.Name == name }) {
			return "", "", api.Invalid("saved_prompt_arguments", "the prompt %q has no argument %.64q", d.Config.Name, name)
		}
	}
	return fill(d.Config.Text, values), d.UID, nil
}

// fill puts values where their names stand. Values are not looked into again, and words in braces that
// are no argument stay: they may be secrets' names.
func fill(text string, values map[string]string) string {
	return argumentSlot.ReplaceAllStringFunc(text, func(slot string) string {
		if v, ok := values[argumentSlot.FindStringSubmatch(slot)[1]]; ok {
			return v
		}
		return slot
	})
}
