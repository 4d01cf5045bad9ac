package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) promptCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "prompt", Aliases: []string{"prompts"}, Short: "Keep prompts that runs and schedules start from",
		Long: `A saved prompt is a text with a name. Where {{name}} of a declared argument stands in it, a run puts a value.
A run keeps the text as it was; a schedule takes it as it is at each tick.`,
		Example: `  cadre prompt create --name triage --text "Triage {{issue}} and label it." --argument issue
  cadre agent run-cloud --saved-prompt triage --prompt-argument issue=acme/shop#12 --environment ENV_ID`},
		a.promptListCommand(), a.promptGetCommand(), a.promptCreateCommand(), a.promptUpdateCommand(), a.promptDeleteCommand())
}

// promptInfo is the CLI's JSON shape of a saved prompt.
type promptInfo struct {
	UID         string               `json:"uid"`
	Name        string               `json:"name"`
	Description string               `json:"description,omitempty"`
	Text        string               `json:"text"`
	Arguments   []api.PromptArgument `json:"arguments"`
	Scope       string               `json:"scope"`
	LastUpdated time.Time            `json:"last_updated"`
}

func newPromptInfo(p api.SavedPrompt) promptInfo {
	c := p.Config
	return promptInfo{p.Uid, c.Name, c.Description, c.Text, append([]api.PromptArgument{}, c.Arguments...), string(p.Scope.Type), p.LastUpdated.UTC()}
}

// arguments are those of a prompt as --argument takes them.
func (p promptInfo) arguments() string {
	words := make([]string, len(p.Arguments))
	for i, arg := range p.Arguments {
		words[i] = arg.Name
		if arg.Default != nil {
			words[i] += "=" + *arg.Default
		}
	}
	return strings.Join(words, ", ")
}

func (a *app) promptListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List saved prompts, latest change first", Example: "  cadre prompt list --jq '.[].name'"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		prompts, err := cl.Prompts(cmd.Context())
		if err != nil {
			return err
		}
		infos := make([]promptInfo, 0, len(prompts))
		for _, p := range prompts {
			infos = append(infos, newPromptInfo(p))
		}
		return a.printListFiltered(listOf(infos, "No saved prompts found.", []string{"UID", "Name", "Description", "Arguments", "Scope", "Last updated"}, func(p promptInfo) []string {
			return []string{p.UID, p.Name, p.Description, p.arguments(), p.Scope, p.LastUpdated.Format(time.RFC3339)}
		}), jq)
	})
}

func findPrompt(ctx context.Context, cl *client.Client, ref string) (api.SavedPrompt, error) {
	all, err := cl.Prompts(ctx)
	if err != nil {
		return api.SavedPrompt{}, err
	}
	return findShared("saved prompt", all, ref, func(p api.SavedPrompt) definition { return definition{p.Uid, p.Config.Name} })
}

func (a *app) promptGetCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "get UID", Short: "Show a saved prompt by uid or name", Args: arguments(1, 1),
		Example: "  cadre prompt get triage\n  cadre prompt get triage --jq .text > triage.md"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		p, err := findPrompt(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		info := newPromptInfo(p)
		if jq.code != nil || a.settings.format.machine() {
			b, err := marshal(info)
			return passThrough(a, jq)(b, err)
		}
		if err := a.printFields([]field{{"UID", info.UID}, {"Name", info.Name}, {"Description", info.Description}, {"Arguments", info.arguments()},
			{"Scope", info.Scope}, {"Last updated", info.LastUpdated.Format(time.RFC3339)}}); err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.Stdout, "\n%s\n", strings.TrimRight(term.Clean(info.Text), "\n"))
		return err
	})
}

// promptFlags are what creating and updating have in common.
type promptFlags struct {
	name, description, text, file string
	arguments                     []string
}

func (f *promptFlags) register(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVarP(&f.name, "name", "n", "", "`name` that runs use")
	fs.StringVar(&f.text, "text", "", "the `text`; {{name}} stands for an argument")
	fs.StringVarP(&f.file, "file", "f", "", "read the text from `path`; - is standard input")
	fs.StringVarP(&f.description, "description", "d", "", "`text` of at most 240 characters")
	fs.StringArrayVar(&f.arguments, "argument", nil, "`name` of a value that runs give, or name=default (repeatable)")
	c.MarkFlagsMutuallyExclusive("text", "file")
}

// apply puts what was given into a definition. Arguments replace those there are.
func (f *promptFlags) apply(a *app, fs *pflag.FlagSet, to *api.SavedPromptConfig) (err error) {
	if fs.Changed("name") {
		to.Name = f.name
	}
	if fs.Changed("description") {
		to.Description = f.description
	}
	if fs.Changed("text") {
		to.Text = f.text
	}
	if fs.Changed("file") {
		if to.Text, err = a.readText(f.file); err != nil {
			return err
		}
	}
	if !fs.Changed("argument") {
		return nil
	}
	had := to.Arguments
	to.Arguments = nil
	for _, s := range f.arguments {
		name, value, hasDefault := strings.Cut(s, "=")
		arg := api.PromptArgument{Name: name}
		if i := slices.IndexFunc(had, func(p api.PromptArgument) bool { return p.Name == name }); i >= 0 {
			arg.Description = had[i].Description
		}
		if hasDefault {
			arg.Default = &value
		}
		to.Arguments = append(to.Arguments, arg)
	}
	return nil
}

func (a *app) promptCreateCommand() *cobra.Command {
	var f promptFlags
	var scope scopeFlags
	c := &cobra.Command{Use: "create", Short: "Save a prompt",
		Example: `  cadre prompt create --name triage --text "Triage {{issue}} and label it {{label}}." --argument issue --argument label=bug
  cadre prompt create --name release -f release.md --personal`}
	f.register(c)
	scope.register(c)
	_ = c.MarkFlagRequired("name")
	c.MarkFlagsOneRequired("text", "file")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		req := api.SavedPromptRequest{Team: scope.value()}
		if err := f.apply(a, cmd.Flags(), &req.Config); err != nil {
			return err
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		p, err := cl.CreatePrompt(cmd.Context(), req)
		if err != nil {
			return err
		}
		return a.said(newPromptInfo(p), "Saved prompt created with UID: %s", p.Uid)
	})
}

func (a *app) promptUpdateCommand() *cobra.Command {
	var f promptFlags
	var none bool
	c := &cobra.Command{Use: "update UID", Short: "Change a saved prompt, named by uid or name", Args: arguments(1, 1),
		Long:    "Changes only what is named. Arguments replace those there are. Runs that were made keep their text.",
		Example: "  cadre prompt update triage -f triage.md --argument issue\n  cadre prompt update triage --name triage-issue"}
	f.register(c)
	c.Flags().BoolVar(&none, "no-arguments", false, "take every argument away")
	c.MarkFlagsMutuallyExclusive("argument", "no-arguments")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		p, err := findPrompt(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if none {
			p.Config.Arguments = nil
		}
		if err := f.apply(a, cmd.Flags(), &p.Config); err != nil {
			return err
		}
		if p, err = cl.UpdatePrompt(cmd.Context(), p.Uid, api.SavedPromptRequest{Config: p.Config}); err != nil {
			return err
		}
		return a.said(newPromptInfo(p), "Saved prompt updated")
	})
}

func (a *app) promptDeleteCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{Use: "delete UID", Short: "Delete a saved prompt, named by uid or name", Args: arguments(1, 1),
		Long: "Runs keep the text they were made with.", Example: "  cadre prompt delete triage --force"}
	forceFlag(c, &force)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		p, err := findPrompt(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if ok, err := a.confirmed(force, fmt.Sprintf("Delete the saved prompt '%s'?", p.Config.Name)); err != nil || !ok {
			return err
		}
		if err := cl.DeletePrompt(cmd.Context(), p.Uid); err != nil {
			return err
		}
		return a.said(map[string]any{"uid": p.Uid, "deleted": true}, "Saved prompt deleted")
	})
}
