package cli

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// scheduleFlags are what creating and updating have in common.
type scheduleFlags struct {
	agentFlags
	cron, zone, host, agent string
	missed                  api.ScheduleMissedRuns
	overlap                 api.ScheduleOverlap
	catchUp                 int
	jitter                  duration
	starts, ends            instantFlag
}

// instantFlag is a flag value like 2026-05-01T09:00:00Z.
type instantFlag struct{ time.Time }

// String, Set and Type make instantFlag a flag value.
func (f *instantFlag) String() string { return instant(f.Time) }

// Set reads an instant.
func (f *instantFlag) Set(s string) (err error) {
	if f.Time, err = time.Parse(time.RFC3339, s); err != nil {
		return fmt.Errorf("%q is no time; write 2026-05-01T09:00:00Z", s)
	}
	return nil
}

// Type names the value in help.
func (f *instantFlag) Type() string { return "time" }

func (f *scheduleFlags) register(fs *pflag.FlagSet) {
	fs.StringVarP(&f.name, "name", "n", "", "`name` of the schedule")
	fs.StringVar(&f.cron, "cron", "", "`expression`: minute, hour, day, month, weekday, or @hourly, @daily, @every 90m")
	fs.StringVarP(&f.prompt, "prompt", "p", "", "what each run shall do; - reads standard input")
	f.registerSavedPrompt(fs)
	fs.StringVar(&f.skill, "skill", "", "skill `spec` each run is made from")
	fs.StringVar(&f.zone, "time-zone", "", "`zone` the expression is meant in, as Europe/Berlin (default UTC)")
	fs.StringVar(&f.model, "model", "", "model `id`, see 'model list'")
	fs.StringVarP(&f.file, "file", "f", "", "agent config `file`, JSON or YAML; flags win over it")
	fromEnv(fs, "file", "CADRE_AGENT_CONFIG_FILE", "WARP_AGENT_CONFIG_FILE")
	fs.StringVarP(&f.environment, "environment", "e", "", "environment `id`")
	fs.StringVar(&f.harness, "harness", "", "`program` that is the agent (default oz)")
	fs.StringArrayVar(&f.mcp, "mcp", nil, "MCP server `spec`: JSON, a file of it, or a UUID (repeatable)")
	fs.StringVar(&f.host, "host", "", "worker `host` that shall carry runs out")
	fs.StringVar(&f.agent, "agent", "", "agent identity `uid` to make runs as; a team's schedules only")
	fs.Var(choice[api.ScheduleMissedRuns]{to: &f.missed, all: missedWords}, "missed", "`rule` for ticks that no server could serve in time: skip, once or all (default once)")
	fs.IntVar(&f.catchUp, "max-catch-up", 0, "`number` of missed ticks that all makes up for (default 10)")
	fs.Var(choice[api.ScheduleOverlap]{to: &f.overlap, all: overlapWords}, "overlap", "`rule` while an earlier run has not ended: allow, skip, queue-after or cancel-previous (default allow)")
	fs.Var(&f.jitter, "jitter", "spread ticks over so long, e.g. 5m")
	fs.Var(&f.starts, "starts-at", "no tick is before it")
	fs.Var(&f.ends, "ends-at", "every tick is before it")
}

var missedWords = map[string]api.ScheduleMissedRuns{
	"skip": api.ScheduleMissedRunsSkip, "once": api.ScheduleMissedRunsOnce, "all": api.ScheduleMissedRunsAll,
}

var overlapWords = map[string]api.ScheduleOverlap{
	"allow": api.ScheduleOverlapAllow, "skip": api.ScheduleOverlapSkip,
	"queue-after": api.ScheduleOverlapQueueAfter, "cancel-previous": api.ScheduleOverlapCancelPrevious,
}

// rules are those of the flags that were given, as a request has them.
func (f *scheduleFlags) rules(fs *pflag.FlagSet) (catchUp, jitter *int) {
	if fs.Changed("max-catch-up") {
		catchUp = &f.catchUp
	}
	if fs.Changed("jitter") {
		seconds := int(time.Duration(f.jitter).Seconds())
		jitter = &seconds
	}
	return catchUp, jitter
}

// scheduleCreate gives a command the flags and the body of creating a schedule.
func (a *app) scheduleCreate(c *cobra.Command) *cobra.Command {
	var f scheduleFlags
	var scope scopeFlags
	var paused, nowhere bool
	c.Long = "Every tick of the expression starts a fresh run. 'schedule preview' shows when that would be."
	c.Example = `  cadre schedule create --name nightly --cron "0 3 * * MON-FRI" --time-zone Europe/Berlin --prompt "update the dependencies"
  cadre schedule create --name sweep --cron "@every 90m" --skill acme/tools:sweep --environment ENV_ID --overlap skip`
	fs := c.Flags()
	f.register(fs)
	fs.BoolVar(&nowhere, "no-environment", false, "work in an empty workspace, whatever the agent's or the team's default is")
	fs.BoolVar(&paused, "paused", false, "create it paused")
	scope.register(c)
	_ = c.MarkFlagRequired("name")
	_ = c.MarkFlagRequired("cron")
	c.MarkFlagsMutuallyExclusive("environment", "no-environment")
	c.MarkFlagsMutuallyExclusive("prompt", "saved-prompt")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if f.prompt == "" && f.savedPrompt == "" && f.skill == "" {
			return usagef("give --prompt, --saved-prompt or --skill")
		}
		req := api.CreateScheduledAgentRequest{Name: f.name, CronSchedule: f.cron, TimeZone: f.zone, AgentUid: f.agent, Team: scope.value(),
			MissedRuns: f.missed, Overlap: f.overlap, StartsAt: f.starts.Time, EndsAt: f.ends.Time}
		req.MaxCatchUp, req.JitterSeconds = f.rules(fs)
		enabled := !paused
		req.Enabled = &enabled
		var err error
		if req.AgentConfig, err = f.config(); err != nil {
			return err
		}
		if nowhere {
			req.AgentConfig.EnvironmentId = noEnvironment
		}
		req.SavedPrompt = f.savedPrompt
		if req.SavedPromptArguments, err = f.arguments(); err != nil {
			return err
		}
		if req.Prompt, req.Mode, err = a.readPrompt(f.prompt); err != nil {
			return err
		}
		return a.storeSchedule(cmd, req)
	})
}

// config is the agent config of a new schedule. Its name is the file's: --name is the schedule's.
func (f *scheduleFlags) config() (api.AmbientAgentConfig, error) {
	own := f.agentFlags
	own.name = ""
	cfg, err := own.resolve()
	cfg.WorkerHost, cfg.SkillSpec = cmp.Or(f.host, cfg.WorkerHost), f.skill
	return cfg, err
}

func (a *app) storeSchedule(cmd *cobra.Command, req api.CreateScheduledAgentRequest) error {
	cl, err := a.client()
	if err != nil {
		return err
	}
	if !a.settings.format.machine() {
		if _, err := fmt.Fprintf(a.Stdout, "Scheduling agent %s...\n", term.CleanLine(req.Name)); err != nil {
			return err
		}
	}
	s, err := cl.CreateSchedule(cmd.Context(), req)
	if err != nil {
		return err
	}
	if a.settings.format.machine() {
		return a.printObject(newScheduleDetail(s))
	}
	_, err = fmt.Fprintf(a.Stdout, "Scheduled agent: %s\nRuns %s (%s), next: %s\n", term.CleanLine(s.Id),
		term.CleanLine(s.Description), term.CleanLine(s.TimeZone), nextWords(s))
	return err
}

// scheduleRemovals name what an update takes away.
type scheduleRemovals struct {
	skill, environment, bounds bool
	mcp                        []string
}

func (a *app) scheduleUpdateCommand() *cobra.Command {
	var f scheduleFlags
	var remove scheduleRemovals
	c := &cobra.Command{Use: "update ID", Short: "Change a schedule", Args: oneSchedule,
		Long: "Changes only what is named, for the runs that come. MCP servers are added to those there are."}
	fs := c.Flags()
	f.register(fs)
	fs.BoolVar(&remove.skill, "remove-skill", false, "use no skill any more")
	fs.BoolVar(&remove.environment, "remove-environment", false, "use no environment any more")
	fs.StringArrayVar(&remove.mcp, "remove-mcp", nil, "remove the MCP server of this `name` (repeatable)")
	fs.BoolVar(&remove.bounds, "remove-bounds", false, "remove start and end, unless given")
	c.MarkFlagsMutuallyExclusive("skill", "remove-skill")
	c.MarkFlagsMutuallyExclusive("environment", "remove-environment")
	c.MarkFlagsMutuallyExclusive("prompt", "saved-prompt")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := cl.Schedule(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		req, err := a.scheduleUpdate(s, f, remove)
		if err != nil {
			return err
		}
		req.MaxCatchUp, req.JitterSeconds = f.rules(fs)
		if s, err = cl.UpdateSchedule(cmd.Context(), args[0], req); err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(newScheduleDetail(s))
		}
		_, err = fmt.Fprintln(a.Stdout, "Schedule updated")
		return err
	})
}

// scheduleUpdate is a schedule as it is with what the flags change of it.
func (a *app) scheduleUpdate(s api.ScheduledAgentItem, f scheduleFlags, remove scheduleRemovals) (api.UpdateScheduledAgentRequest, error) {
	given, err := f.config()
	if err != nil {
		return api.UpdateScheduledAgentRequest{}, err
	}
	cfg := s.AgentConfig
	for _, m := range []struct{ to, from *string }{
		{&cfg.Name, &given.Name}, {&cfg.EnvironmentId, &given.EnvironmentId}, {&cfg.ModelId, &given.ModelId}, {&cfg.WorkerHost, &given.WorkerHost},
		{&cfg.SkillSpec, &given.SkillSpec}, {&cfg.BasePrompt, &given.BasePrompt}, {&cfg.RunnerId, &given.RunnerId},
	} {
		*m.to = cmp.Or(*m.from, *m.to)
	}
	if given.Harness != (api.Harness{}) {
		cfg.Harness = given.Harness
	}
	if remove.skill {
		cfg.SkillSpec, cfg.Skills = "", nil
	}
	if remove.environment {
		cfg.EnvironmentId = ""
	}
	if cfg.McpServers, err = changedServers(cfg.McpServers, given.McpServers, remove.mcp); err != nil {
		return api.UpdateScheduledAgentRequest{}, err
	}
	req := api.UpdateScheduledAgentRequest{Name: cmp.Or(f.name, s.Name), CronSchedule: cmp.Or(f.cron, s.CronSchedule), Enabled: s.Enabled,
		Prompt: s.Prompt, SavedPrompt: s.SavedPrompt, SavedPromptArguments: s.SavedPromptArguments, Mode: s.Mode, AgentConfig: cfg, AgentUid: cmp.Or(f.agent, s.AgentUid), Metadata: s.Metadata, TimeZone: f.zone,
		MissedRuns: f.missed, Overlap: f.overlap, StartsAt: f.starts.Time, EndsAt: f.ends.Time, Unbounded: remove.bounds}
	err = a.changedPrompt(&req, f)
	return req, err
}

// changedPrompt puts another prompt in the place of the one there is, a saved one of a text's and the other way round.
func (a *app) changedPrompt(req *api.UpdateScheduledAgentRequest, f scheduleFlags) error {
	arguments, err := f.arguments()
	if err != nil || f.prompt == "" && f.savedPrompt == "" {
		return err
	}
	req.Prompt, req.SavedPrompt, req.SavedPromptArguments = "", f.savedPrompt, arguments
	if f.prompt != "" {
		req.Prompt, req.Mode, err = a.readPrompt(f.prompt)
	}
	return err
}

// changedServers are the MCP servers there are, without some, with others.
func changedServers(have, add map[string]api.MCPServerConfig, remove []string) (map[string]api.MCPServerConfig, error) {
	out := map[string]api.MCPServerConfig{}
	for name, server := range have {
		out[name] = server
	}
	for _, name := range remove {
		if _, ok := out[name]; !ok {
			return nil, fmt.Errorf("--remove-mcp %q: the schedule has no such server", name)
		}
		delete(out, name)
	}
	for name, server := range add {
		out[name] = server
	}
	return out, nil
}
