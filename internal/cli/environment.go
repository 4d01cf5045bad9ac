package cli

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) environmentCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "environment", Aliases: []string{"e", "env"}, Short: "Define where runs work: image, repositories, setup commands",
		Example: `  cadre environment create --name backend --repo acme/backend --setup-command "go mod download"
  cadre environment create --name mirror --repo http://git.internal/acme/backend.git`},
		a.environmentCreateCommand(), a.environmentGetCommand(), a.environmentListCommand(),
		a.environmentUpdateCommand(), a.environmentDeleteCommand(), a.environmentImageCommand())
}

// environmentInfo is the CLI's JSON shape of an environment.
type environmentInfo struct {
	ID            string           `json:"id"`
	Name          string           `json:"name"`
	Description   string           `json:"description,omitempty"`
	BaseImage     baseImage        `json:"base_image"`
	GithubRepos   []api.GitHubRepo `json:"github_repos"`
	SourceRepos   []api.SourceRepo `json:"source_repos,omitempty"`
	SetupCommands []string         `json:"setup_commands"`
	CreatorEmail  string           `json:"creator_email,omitempty"`
	LastEdited    time.Time        `json:"last_edited"`
	Scope         string           `json:"scope,omitempty"`
}

type baseImage struct {
	DockerImage string `json:"docker_image"`
}

func newEnvironmentInfo(e api.CloudEnvironment) environmentInfo {
	c := e.Config
	return environmentInfo{e.Uid, c.Name, c.Description, baseImage{c.DockerImage}, append([]api.GitHubRepo{}, c.GithubRepos...),
		c.SourceRepos, append([]string{}, c.SetupCommands...), e.Creator.Email, e.LastUpdated, string(e.Scope.Type)}
}

// repos lists the repositories of an environment as they are given on the command line.
func (e environmentInfo) repos() []string {
	var out []string
	for _, r := range e.GithubRepos {
		out = append(out, r.Owner+"/"+r.Repo)
	}
	for _, r := range e.SourceRepos {
		out = append(out, firstNonEmpty(r.Url, r.Owner+"/"+r.Repo))
	}
	return out
}

func (a *app) environmentListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List environments, latest change first"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		envs, err := cl.Environments(cmd.Context())
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"ID", "Name", "Description", "Base image", "Git repos", "Setup commands", "Creator", "Last edited", "Scope"}},
			empty: "No environments found."}
		for _, e := range envs {
			info := newEnvironmentInfo(e)
			l.items = append(l.items, info)
			l.table.Rows = append(l.table.Rows, []string{info.ID, info.Name, info.Description, info.BaseImage.DockerImage,
				strings.Join(info.repos(), ", "), strings.Join(info.SetupCommands, "; "), who(e.Creator),
				info.LastEdited.UTC().Format(time.RFC3339), info.Scope})
		}
		return a.printListFiltered(l, jq)
	})
}

func (a *app) environmentGetCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "get ID", Short: "Show one environment", Args: arguments(1, 1)}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		e, err := cl.Environment(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		info := newEnvironmentInfo(e)
		if jq.code != nil || a.settings.format.machine() {
			b, err := marshal(info)
			return passThrough(a, jq)(b, err)
		}
		return a.printFields([]field{{"ID", info.ID}, {"Name", info.Name}, {"Description", info.Description},
			{"Base image", info.BaseImage.DockerImage}, {"Git repos", strings.Join(info.repos(), ", ")},
			{"Setup commands", strings.Join(info.SetupCommands, "; ")}, {"Creator", who(e.Creator)},
			{"Last edited", info.LastEdited.UTC().Format(time.RFC3339)}, {"Scope", info.Scope}})
	})
}

// scopeFlags say whose a new thing is.
type scopeFlags struct{ team, personal bool }

func (s *scopeFlags) register(c *cobra.Command) {
	c.Flags().BoolVar(&s.team, "team", false, "belongs to your team (the default when you are in exactly one)")
	c.Flags().BoolVar(&s.personal, "personal", false, "belongs to you alone")
	c.MarkFlagsMutuallyExclusive("team", "personal")
}

// value is nil when no flag was given.
func (s *scopeFlags) value() *bool {
	if s.team == s.personal {
		return nil
	}
	return &s.team
}

func (a *app) environmentCreateCommand() *cobra.Command {
	var cfg api.CloudEnvironmentConfig
	var repos []string
	var scope scopeFlags
	c := &cobra.Command{Use: "create", Short: "Define an environment",
		Long: `Repositories are cloned into the workspace and setup commands run there before the agent starts.
A worker with the direct backend needs no image and says so in the session.`,
		Example: "  cadre environment create --name backend --repo acme/backend --setup-command \"make deps\""}
	fs := c.Flags()
	fs.StringVarP(&cfg.Name, "name", "n", "", "`name` (required)")
	fs.StringVar(&cfg.Description, "description", "", "`text` of at most 240 characters")
	fs.StringVarP(&cfg.DockerImage, "docker-image", "d", "", "`image` the sandbox is made from")
	fs.StringArrayVarP(&repos, "repo", "r", nil, "`owner/repo` or clone URL (repeatable)")
	fs.StringArrayVarP(&cfg.SetupCommands, "setup-command", "c", nil, "shell `command` run after cloning (repeatable, in order)")
	scope.register(c)
	_ = c.MarkFlagRequired("name")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if err := addRepos(&cfg, repos); err != nil {
			return err
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		e, err := cl.CreateEnvironment(cmd.Context(), api.EnvironmentRequest{Config: cfg, Team: scope.value()})
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(newEnvironmentInfo(e))
		}
		_, err = fmt.Fprintf(a.Stdout, "Environment created successfully with ID: %s\n", term.CleanLine(e.Uid))
		return err
	})
}

// addRepos adds repositories given as owner/repo or as a clone URL.
func addRepos(cfg *api.CloudEnvironmentConfig, repos []string) error {
	for _, s := range repos {
		if strings.Contains(s, "://") {
			r, err := repoOfURL(s)
			if err != nil {
				return err
			}
			cfg.SourceRepos = append(cfg.SourceRepos, r)
			continue
		}
		owner, name, ok := strings.Cut(s, "/")
		if !ok || owner == "" || name == "" || strings.Contains(name, "/") || strings.ContainsAny(owner, "@:") || owner == "." {
			return usagef("--repo %q: want owner/repo or a clone URL (https://, http://, or file:///path of a repository on the worker's host)", s)
		}
		cfg.GithubRepos = append(cfg.GithubRepos, api.GitHubRepo{Owner: owner, Repo: strings.TrimSuffix(name, ".git")})
	}
	return nil
}

// repoOfURL names a repository after the last two parts of its clone URL's path.
func repoOfURL(s string) (api.SourceRepo, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" && u.Scheme != "file" {
		return api.SourceRepo{}, usagef("--repo %q: this is no clone URL", s)
	}
	if u.User != nil {
		return api.SourceRepo{}, usagef("--repo %s: leave user and password out; they would be stored with the environment", u.Redacted())
	}
	at := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/.git") // a work tree's own directory
	name := strings.TrimSuffix(path.Base(at), ".git")
	owner := path.Base(path.Dir(at))
	if name == "" || name == "." || name == "/" {
		return api.SourceRepo{}, usagef("--repo %q: the URL names no repository", s)
	}
	if owner == "/" || owner == "." {
		owner = u.Hostname()
	}
	return api.SourceRepo{Owner: owner, Repo: name, Url: s}, nil
}

type environmentChanges struct {
	name, description, image                     string
	repos, commands, removeRepos, removeCommands []string
	removeDescription, force                     bool
	nameSet, descriptionSet, imageSet            bool
}

func (a *app) environmentUpdateCommand() *cobra.Command {
	var ch environmentChanges
	c := &cobra.Command{Use: "update ID", Short: "Change an environment", Args: arguments(1, 1),
		Long: "Changes only what is named. Repositories and setup commands are added to those there are."}
	fs := c.Flags()
	fs.StringVarP(&ch.name, "name", "n", "", "new `name`")
	fs.StringVar(&ch.description, "description", "", "new `text`")
	fs.BoolVar(&ch.removeDescription, "remove-description", false, "remove the description")
	fs.StringVarP(&ch.image, "docker-image", "d", "", "new `image`")
	fs.StringArrayVarP(&ch.repos, "repo", "r", nil, "add `owner/repo` or a clone URL (repeatable)")
	fs.StringArrayVarP(&ch.commands, "setup-command", "c", nil, "append a shell `command` (repeatable)")
	fs.StringArrayVar(&ch.removeRepos, "remove-repo", nil, "remove `owner/repo` or a clone URL (repeatable)")
	fs.StringArrayVar(&ch.removeCommands, "remove-setup-command", nil, "remove a shell `command` (repeatable)")
	fs.BoolVar(&ch.force, "force", false, "accepted for compatibility; changes are never refused for being in use")
	c.MarkFlagsMutuallyExclusive("description", "remove-description")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		ch.nameSet, ch.descriptionSet, ch.imageSet = fs.Changed("name"), fs.Changed("description"), fs.Changed("docker-image")
		return a.updateEnvironment(cmd.Context(), args[0], ch)
	})
}

func (a *app) updateEnvironment(ctx context.Context, uid string, ch environmentChanges) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	e, err := cl.Environment(ctx, uid)
	if err != nil {
		return err
	}
	if err := ch.apply(&e.Config); err != nil {
		return err
	}
	if e, err = cl.UpdateEnvironment(ctx, uid, api.EnvironmentRequest{Config: e.Config}); err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(newEnvironmentInfo(e))
	}
	_, err = fmt.Fprintln(a.Stdout, "Environment updated successfully!")
	return err
}

func (ch environmentChanges) apply(cfg *api.CloudEnvironmentConfig) error {
	if ch.nameSet {
		cfg.Name = ch.name
	}
	if ch.descriptionSet || ch.removeDescription {
		cfg.Description = ch.description
	}
	if ch.imageSet {
		cfg.DockerImage = ch.image
	}
	for _, s := range ch.removeRepos {
		before := len(cfg.GithubRepos) + len(cfg.SourceRepos)
		cfg.GithubRepos = slices.DeleteFunc(cfg.GithubRepos, func(r api.GitHubRepo) bool { return r.Owner+"/"+r.Repo == s })
		cfg.SourceRepos = slices.DeleteFunc(cfg.SourceRepos, func(r api.SourceRepo) bool { return r.Url == s || r.Owner+"/"+r.Repo == s })
		if len(cfg.GithubRepos)+len(cfg.SourceRepos) == before {
			return fmt.Errorf("--remove-repo %q: the environment has no such repository", s)
		}
	}
	for _, s := range ch.removeCommands {
		i := slices.Index(cfg.SetupCommands, s)
		if i < 0 {
			return fmt.Errorf("--remove-setup-command %q: the environment has no such command", s)
		}
		cfg.SetupCommands = slices.Delete(cfg.SetupCommands, i, i+1)
	}
	cfg.SetupCommands = append(cfg.SetupCommands, ch.commands...)
	return addRepos(cfg, ch.repos)
}

func (a *app) environmentDeleteCommand() *cobra.Command {
	c := &cobra.Command{Use: "delete ID", Short: "Delete an environment", Args: arguments(1, 1)}
	c.Flags().Bool("force", false, "accepted for compatibility; deletion never asks")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		if err := cl.DeleteEnvironment(cmd.Context(), args[0]); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"id": args[0], "deleted": true})
		}
		_, err = fmt.Fprintln(a.Stdout, "Environment deleted successfully")
		return err
	})
}
