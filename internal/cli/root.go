package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// The sections of the top-level help.
const (
	sectionRun    = "run"
	sectionWork   = "work"
	sectionConfig = "config"
)

// root builds the whole command tree.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   a.name(),
		Short: "Run, watch and steer background coding agents",
		Long: `Cadre starts coding agents, runs them in sandboxes on machines you own, and lets you watch, steer
and account for every one of them.

Exit codes: 0 success, 1 failure, 2 a command line that makes no sense.
Settings: flag, then environment variable, then what 'login' or 'config set' saved, then default.`,
		Example: `  # start everything on this machine and watch a first run
  cadre up --demo

  # start a run and follow it
  cadre agent run-cloud --prompt "fix the failing test" --no-environment --follow

  # what is going on?
  cadre run list`,
		Version:           a.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.prepare,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE:              a.group,
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetVersionTemplate("{{.Version}}\n")
	// A group is only runnable to complain about a missing subcommand.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .Runnable}}", `{{if and .Runnable (or (not .HasAvailableSubCommands) .Annotations.body)}}`, 1))
	root.Flags().BoolP("version", "V", false, "print the version")
	root.PersistentFlags().SortFlags = false
	a.globalFlags(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: sectionRun, Title: "Servers:"},
		&cobra.Group{ID: sectionWork, Title: "Runs:"},
		&cobra.Group{ID: sectionConfig, Title: "Settings and help:"},
	)
	root.SetHelpCommandGroupID(sectionConfig)
	a.add(root, sectionRun, a.upCommand(), a.serverCommand(), a.workerCommand(), a.demoCommand(), a.devCommand())
	a.add(root, sectionWork, a.agentCommand(), a.runCommand(), a.environmentCommand(), a.computeRunnerCommand(), a.promptCommand(), a.mcpCommand(), a.rulesCommand(), a.scheduleCommand(), a.memoryCommand(), a.memoryStoreCommand(), a.secretCommand(), a.artifactCommand(), a.modelCommand(), a.federateCommand(), a.harnessSupportCommand())
	a.add(root, sectionConfig, a.loginCommand(), a.loginLinkCommand(), a.apiKeyCommand(), a.teamCommand(), a.userCommand(), a.signInCommand(), a.logoutCommand(), a.whoamiCommand(), a.configCommand(),
		a.completionCommand(), a.versionCommand(), a.debugInfoCommand())
	return root
}

func (a *app) add(root *cobra.Command, section string, cmds ...*cobra.Command) {
	for _, c := range cmds {
		c.GroupID = section
		root.AddCommand(c)
	}
}

// group is the body of a command that only has subcommands.
func (a *app) group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		if cmd.HasParent() {
			_ = cmd.Usage() // to stderr: the line was incomplete
			return usagef("%s needs a subcommand", cmd.CommandPath())
		}
		return cmd.Help()
	}
	msg := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		msg += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("%s", msg)}
}

// newGroup makes a command that only has subcommands.
func (a *app) newGroup(c *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = a.group
	c.SuggestionsMinimumDistance = 2
	c.AddCommand(subs...)
	return c
}

// newCommand makes a command with a body. Flags keep the order they were declared in.
func (a *app) newCommand(c *cobra.Command, body func(cmd *cobra.Command, args []string) error) *cobra.Command {
	if c.Args == nil {
		c.Args = cobra.NoArgs
	}
	c.Flags().SortFlags = false
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations["body"] = "yes"
	c.RunE = func(cmd *cobra.Command, args []string) error {
		a.running = true
		return body(cmd, args)
	}
	return c
}

func (a *app) versionCommand() *cobra.Command {
	return a.newCommand(&cobra.Command{Use: "version", Short: "Print the version"},
		func(*cobra.Command, []string) error {
			if a.settings.format.machine() {
				return a.printObject(map[string]string{"version": a.Version})
			}
			_, err := fmt.Fprintln(a.Stdout, a.Version)
			return err
		})
}

func (a *app) completionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "completion [bash|zsh|fish|powershell]",
		Aliases: []string{"completions"},
		Short:   "Print a shell completion script",
		Long: `Prints a script that completes commands and flags in your shell. Without an argument the shell is
taken from $SHELL.`,
		Example: `  # bash
  source <(cadre completion bash)

  # zsh
  cadre completion zsh > "${fpath[1]}/_cadre"`,
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs),
	}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		shell := a.Getenv("SHELL")
		shell = shell[strings.LastIndexByte(shell, '/')+1:]
		if len(args) == 1 {
			shell = args[0]
		}
		switch root := cmd.Root(); shell {
		case "bash":
			return root.GenBashCompletionV2(a.Stdout, true)
		case "zsh":
			return root.GenZshCompletion(a.Stdout)
		case "fish":
			return root.GenFishCompletion(a.Stdout, true)
		case "powershell":
			return root.GenPowerShellCompletionWithDesc(a.Stdout)
		}
		return usagef("name a shell: bash, zsh, fish or powershell ($SHELL is %q)", shell)
	})
}
