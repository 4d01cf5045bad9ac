package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
)

func (a *app) computeRunnerCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "runner", Aliases: []string{"runners"}, Short: "Define shapes of machine that runs ask for",
		Long: `A runner says what machine a run wants: operating system, size, image, and what is done to it first. Runs name
one with --runner; environments and agents may have a default. See docs/configuration.md.`,
		Example: `  cadre runner create --name big --vcpus 8 --memory-gb 32 --docker-image golang:1.26
  cadre agent run-cloud --runner big --environment ENV_ID --prompt "run the benchmarks"`},
		a.runnerListCommand(), a.runnerCreateCommand(), a.runnerUpdateCommand(), a.runnerDeleteCommand())
}

// runnerInfo is the CLI's JSON shape of a runner.
type runnerInfo struct {
	UID           string    `json:"uid"`
	Name          string    `json:"name"`
	Description   string    `json:"description,omitempty"`
	OS            string    `json:"os"`
	Arch          string    `json:"arch"`
	VCPUs         int       `json:"vcpus,omitempty"`
	MemoryGB      int       `json:"memory_gb,omitempty"`
	DockerImage   string    `json:"docker_image,omitempty"`
	MacOSVersion  string    `json:"macos_version,omitempty"`
	Scope         string    `json:"scope"`
	SetupCommands []string  `json:"setup_commands"`
	LastUpdated   time.Time `json:"last_updated"`
}

var (
	runnerSystems = map[string]api.ComputeRunnerConfigOs{"linux": api.ComputeRunnerConfigOsLINUX, "macos": api.ComputeRunnerConfigOsMACOS}
	runnerArchs   = map[string]api.ComputeRunnerConfigArch{"auto": "", "x86-64": api.ComputeRunnerConfigArchX8664, "aarch64": api.ComputeRunnerConfigArchAARCH64}
	macVersions   = map[string]api.MacRunnerVersion{"14": "14", "15": "15", "26": "26", "27": "27"}
)

// wordOf is the command line's word for a value of the wire.
func wordOf[T ~string](words map[string]T, v T) string {
	for word, wire := range words {
		if wire == v {
			return word
		}
	}
	return string(v)
}

func newRunnerInfo(r api.ComputeRunner) runnerInfo {
	c := r.Config
	return runnerInfo{r.Uid, c.Name, c.Description, wordOf(runnerSystems, cmp.Or(c.Os, api.ComputeRunnerConfigOsLINUX)),
		wordOf(runnerArchs, c.Arch), c.InstanceShape.Vcpus, c.InstanceShape.MemoryGb, c.Linux.DockerImage, string(c.Mac.Version),
		string(r.Scope.Type), append([]string{}, c.SetupCommands...), r.LastUpdated.UTC()}
}

func (a *app) runnerListCommand() *cobra.Command {
	var jq filter
	var order string
	c := &cobra.Command{Use: "list", Short: "List runners, latest change first",
		Example: "  cadre runner list --sort-by name\n  cadre runner list --jq '.[] | select(.memory_gb >= 16) | .name'"}
	c.Flags().Var(choice[string]{to: &order, all: map[string]string{"name": "name", "last-updated": "last-updated"}}, "sort-by", "`key`: name or last-updated (default last-updated)")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		runners, err := cl.Runners(cmd.Context())
		if err != nil {
			return err
		}
		infos := make([]runnerInfo, 0, len(runners))
		for _, r := range runners {
			infos = append(infos, newRunnerInfo(r))
		}
		if order == "name" {
			slices.SortStableFunc(infos, func(x, y runnerInfo) int { return cmp.Compare(strings.ToLower(x.Name), strings.ToLower(y.Name)) })
		}
		return a.printListFiltered(listOf(infos, "No runners found.", []string{"UID", "Name", "Description", "OS", "Arch", "vCPUs", "Memory", "Image", "Setup commands", "Scope", "Last updated"}, runnerRow), jq)
	})
}

func runnerRow(r runnerInfo) []string {
	var cpus, memory string
	if r.VCPUs > 0 {
		cpus, memory = strconv.Itoa(r.VCPUs), fmt.Sprintf("%d GB", r.MemoryGB)
	}
	system := r.OS
	if r.MacOSVersion != "" {
		system += " " + r.MacOSVersion
	}
	return []string{r.UID, r.Name, r.Description, system, r.Arch, cpus, memory, r.DockerImage, strings.Join(r.SetupCommands, "; "), r.Scope,
		r.LastUpdated.Format(time.RFC3339)}
}

// runnerFlags are what creating and updating have in common.
type runnerFlags struct{ given api.ComputeRunnerConfig }

func (f *runnerFlags) register(fs *pflag.FlagSet) {
	g := &f.given
	fs.StringVarP(&g.Description, "description", "d", "", "`text` of at most 240 characters")
	fs.StringArrayVarP(&g.SetupCommands, "setup-command", "c", nil, "shell `command` run before those of the environment (repeatable, in order)")
	fs.Var(choice[api.ComputeRunnerConfigOs]{to: &g.Os, all: runnerSystems}, "os", "operating `system`: linux or macos (default linux)")
	fs.Var(choice[api.ComputeRunnerConfigArch]{to: &g.Arch, all: runnerArchs}, "arch", "`architecture`: auto, x86-64 or aarch64 (default auto)")
	fs.StringVar(&g.Linux.DockerImage, "docker-image", "", "`image` of the sandbox on linux; wins over the environment's")
	fs.Var(choice[api.MacRunnerVersion]{to: &g.Mac.Version, all: macVersions}, "macos-version", "`version` of macos: 14, 15, 26 or 27")
	fs.IntVar(&g.InstanceShape.Vcpus, "vcpus", 0, "`number` of processors")
	fs.IntVar(&g.InstanceShape.MemoryGb, "memory-gb", 0, "`GB` of memory")
}

// apply puts what was given into a definition. What only another operating system has goes with it.
func (f *runnerFlags) apply(fs *pflag.FlagSet, to *api.ComputeRunnerConfig) {
	g := f.given
	for name, set := range map[string]func(){
		"description":   func() { to.Description = g.Description },
		"setup-command": func() { to.SetupCommands = g.SetupCommands },
		"arch":          func() { to.Arch = g.Arch },
		"vcpus":         func() { to.InstanceShape.Vcpus = g.InstanceShape.Vcpus },
		"memory-gb":     func() { to.InstanceShape.MemoryGb = g.InstanceShape.MemoryGb },
	} {
		if fs.Changed(name) {
			set()
		}
	}
	if fs.Changed("os") && cmp.Or(to.Os, api.ComputeRunnerConfigOsLINUX) != g.Os {
		to.Os, to.Linux, to.Mac = g.Os, api.LinuxRunner{}, api.MacRunner{}
	}
	if fs.Changed("docker-image") {
		to.Linux.DockerImage = g.Linux.DockerImage
	}
	if fs.Changed("macos-version") {
		to.Mac.Version = g.Mac.Version
	}
}

func (a *app) runnerCreateCommand() *cobra.Command {
	var f runnerFlags
	var scope scopeFlags
	var name string
	c := &cobra.Command{Use: "create", Short: "Define a runner",
		Long: "What a worker's backend cannot give of it is said in the session, and the run goes on with what there is.",
		Example: `  cadre runner create --name big --vcpus 8 --memory-gb 32
  cadre runner create --name go --docker-image golang:1.26 --setup-command "go version" --personal`}
	fs := c.Flags()
	fs.StringVarP(&name, "name", "n", "", "`name` (required)")
	f.register(fs)
	scope.register(c)
	_ = c.MarkFlagRequired("name")
	c.MarkFlagsRequiredTogether("vcpus", "memory-gb")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		req := api.ComputeRunnerRequest{Config: api.ComputeRunnerConfig{Name: name}, Team: scope.value()}
		f.apply(fs, &req.Config)
		r, err := cl.CreateRunner(cmd.Context(), req)
		if err != nil {
			return err
		}
		return a.said(newRunnerInfo(r), "Runner created with UID: %s", r.Uid)
	})
}

func findRunner(ctx context.Context, cl *client.Client, ref string) (api.ComputeRunner, error) {
	all, err := cl.Runners(ctx)
	if err != nil {
		return api.ComputeRunner{}, err
	}
	return findShared("runner", all, ref, func(r api.ComputeRunner) definition { return definition{r.Uid, r.Config.Name} })
}

func (a *app) runnerUpdateCommand() *cobra.Command {
	var f runnerFlags
	var name string
	c := &cobra.Command{Use: "update [UID]", Short: "Change a runner", Args: arguments(0, 1),
		Long: `Changes only what is named, for the executions that come. Setup commands replace those there are. Without a UID
--name says which runner; with one it is the new name.`,
		Example: "  cadre runner update --name big --vcpus 16 --memory-gb 64\n  cadre runner update RUNNER_UID --name huge"}
	fs := c.Flags()
	fs.StringVarP(&name, "name", "n", "", "new `name`, or without a UID which runner")
	f.register(fs)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		ref := name
		if len(args) == 1 {
			ref = args[0]
		}
		if ref == "" {
			return usagef("say which runner: its UID, or --name NAME")
		}
		cl, err := a.client()
		if err != nil {
			return err
		}
		r, err := findRunner(cmd.Context(), cl, ref)
		if err != nil {
			return err
		}
		r.Config.Name = cmp.Or(name, r.Config.Name)
		f.apply(fs, &r.Config)
		if r, err = cl.UpdateRunner(cmd.Context(), r.Uid, api.ComputeRunnerRequest{Config: r.Config}); err != nil {
			return err
		}
		return a.said(newRunnerInfo(r), "Runner updated")
	})
}

func (a *app) runnerDeleteCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{Use: "delete UID", Short: "Delete a runner", Args: arguments(1, 1),
		Long:    "Runs that name it fail when they start, and say so.",
		Example: "  cadre runner delete big --force"}
	forceFlag(c, &force)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		r, err := findRunner(cmd.Context(), cl, args[0])
		if err != nil {
			return err
		}
		if ok, err := a.confirmed(force, fmt.Sprintf("Delete the runner '%s'?", r.Config.Name)); err != nil || !ok {
			return err
		}
		if err := cl.DeleteRunner(cmd.Context(), r.Uid); err != nil {
			return err
		}
		return a.said(map[string]any{"uid": r.Uid, "deleted": true}, "Runner deleted")
	})
}
