package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// scheduleCommand is a group, and by itself, as in the reference, the command that creates.
func (a *app) scheduleCommand() *cobra.Command {
	c := a.scheduleCreate(&cobra.Command{Use: "schedule", Short: "Start runs by the clock"})
	c.AddCommand(a.scheduleCreate(&cobra.Command{Use: "create", Short: "Create a schedule"}),
		a.scheduleListCommand(), a.scheduleGetCommand(), a.scheduleUpdateCommand(),
		a.schedulePauseCommand(), a.scheduleUnpauseCommand(), a.scheduleDeleteCommand(),
		a.scheduleRunCommand(), a.scheduleHistoryCommand(), a.schedulePreviewCommand())
	return c
}

// oneSchedule is the argument of commands about one schedule.
var oneSchedule = arguments(1, 1)

// scheduleInfo is the CLI's JSON shape of a schedule in a list.
type scheduleInfo struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	CronSchedule string     `json:"cron_schedule"`
	TimeZone     string     `json:"time_zone"`
	Paused       bool       `json:"paused"`
	LastRan      *time.Time `json:"last_ran"`
	NextRun      *time.Time `json:"next_run"`
	LastRunID    string     `json:"last_run_id,omitempty"`
	Scope        string     `json:"scope"`
}

// scheduleDetail is its shape alone.
type scheduleDetail struct {
	scheduleInfo
	Description    string                 `json:"description"`
	Prompt         string                 `json:"prompt"`
	SavedPrompt    string                 `json:"saved_prompt,omitempty"`
	Arguments      map[string]string      `json:"saved_prompt_arguments,omitempty"`
	LastSpawnError string                 `json:"last_spawn_error,omitempty"`
	AgentConfig    api.AmbientAgentConfig `json:"agent_config"`
	MissedRuns     api.ScheduleMissedRuns `json:"missed_runs"`
	MaxCatchUp     int                    `json:"max_catch_up"`
	Overlap        api.ScheduleOverlap    `json:"overlap"`
	JitterSeconds  int                    `json:"jitter_seconds,omitempty"`
	StartsAt       *time.Time             `json:"starts_at,omitempty"`
	EndsAt         *time.Time             `json:"ends_at,omitempty"`
	WaitingTick    *time.Time             `json:"waiting_tick,omitempty"`
}

// present is nil for a time that is not there.
func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func newScheduleInfo(s api.ScheduledAgentItem) scheduleInfo {
	return scheduleInfo{ID: s.Id, Name: s.Name, CronSchedule: s.CronSchedule, TimeZone: s.TimeZone, Paused: !s.Enabled,
		LastRan: present(s.History.LastRan), NextRun: present(s.History.NextRun), LastRunID: s.History.LastRunId, Scope: string(s.Scope.Type)}
}

func newScheduleDetail(s api.ScheduledAgentItem) scheduleDetail {
	return scheduleDetail{scheduleInfo: newScheduleInfo(s), Description: s.Description, Prompt: s.Prompt, SavedPrompt: s.SavedPrompt, Arguments: s.SavedPromptArguments,
		LastSpawnError: s.LastSpawnError, AgentConfig: s.AgentConfig, MissedRuns: s.MissedRuns, MaxCatchUp: s.MaxCatchUp,
		Overlap: s.Overlap, JitterSeconds: s.JitterSeconds, StartsAt: present(s.StartsAt), EndsAt: present(s.EndsAt),
		WaitingTick: present(s.WaitingTick)}
}

// nextWords tells when a schedule fires next.
func nextWords(s api.ScheduledAgentItem) string {
	switch {
	case !s.Enabled:
		return "Paused"
	case !s.WaitingTick.IsZero():
		return "waits for a run to end"
	case s.History.NextRun.IsZero():
		return "never"
	}
	return instant(s.History.NextRun)
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (a *app) scheduleListCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "list", Short: "List schedules by name"}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		schedules, err := cl.Schedules(cmd.Context())
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"ID", "Name", "Cron", "Zone", "Paused", "Last ran", "Last run", "Next run", "Scope"}},
			empty: "No schedules found."}
		for _, s := range schedules {
			info := newScheduleInfo(s)
			l.items = append(l.items, info)
			l.table.Rows = append(l.table.Rows, []string{s.Id, s.Name, s.CronSchedule, s.TimeZone, yesNo(info.Paused),
				instant(s.History.LastRan), s.History.LastRunId, nextWords(s), info.Scope})
		}
		return a.printListFiltered(l, jq)
	})
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}

func (a *app) scheduleGetCommand() *cobra.Command {
	var jq filter
	c := &cobra.Command{Use: "get ID", Short: "Show one schedule", Args: oneSchedule}
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		s, err := cl.Schedule(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if jq.code != nil || a.settings.format.machine() {
			b, err := marshal(newScheduleDetail(s))
			return passThrough(a, jq)(b, err)
		}
		cfg := s.AgentConfig
		return a.printFields([]field{{"Name", s.Name}, {"Cron schedule", s.CronSchedule}, {"In words", s.Description + " (" + s.TimeZone + ")"},
			{"Paused", yesNo(!s.Enabled)}, {"Last ran", instant(s.History.LastRan)}, {"Last error", s.LastSpawnError}, {"Next run", nextWords(s)},
			{"Missed runs", string(s.MissedRuns)}, {"Overlap", string(s.Overlap)}, {"Prompt", s.Prompt}, {"Saved prompt", s.SavedPrompt}, {"Environment ID", cfg.EnvironmentId},
			{"Model ID", cfg.ModelId}, {"Agent name", cfg.Name}, {"Skill", cfg.SkillSpec}, {"Host", cfg.WorkerHost}})
	})
}

// scheduleAct makes a command that does one thing to a schedule and says so.
func (a *app) scheduleAct(use, short, done string, act func(*cobra.Command, string) (any, error), aliases ...string) *cobra.Command {
	c := &cobra.Command{Use: use + " ID", Aliases: aliases, Short: short, Args: oneSchedule}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		v, err := act(cmd, args[0])
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(v)
		}
		_, err = fmt.Fprintln(a.Stdout, done)
		return err
	})
}

func (a *app) schedulePauseCommand() *cobra.Command {
	return a.scheduleAct("pause", "Stop a schedule from starting runs", "Schedule paused", func(cmd *cobra.Command, id string) (any, error) {
		cl, err := a.client()
		if err != nil {
			return nil, err
		}
		s, err := cl.PauseSchedule(cmd.Context(), id)
		return newScheduleDetail(s), err
	})
}

func (a *app) scheduleUnpauseCommand() *cobra.Command {
	return a.scheduleAct("unpause", "Let a schedule go on with its next tick", "Schedule unpaused", func(cmd *cobra.Command, id string) (any, error) {
		cl, err := a.client()
		if err != nil {
			return nil, err
		}
		s, err := cl.ResumeSchedule(cmd.Context(), id)
		return newScheduleDetail(s), err
	}, "resume")
}

func (a *app) scheduleDeleteCommand() *cobra.Command {
	return a.scheduleAct("delete", "Delete a schedule; its runs stay", "Schedule deleted", func(cmd *cobra.Command, id string) (any, error) {
		cl, err := a.client()
		if err != nil {
			return nil, err
		}
		return map[string]any{"id": id, "deleted": true}, cl.DeleteSchedule(cmd.Context(), id)
	})
}

func (a *app) scheduleRunCommand() *cobra.Command {
	c := &cobra.Command{Use: "run ID", Short: "Run a schedule now, beside its ticks", Args: oneSchedule}
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		created, err := cl.RunSchedule(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return a.announce(cl, created)
	})
}

func (a *app) scheduleHistoryCommand() *cobra.Command {
	var jq filter
	var limit int
	c := &cobra.Command{Use: "history ID", Short: "Show what became of a schedule's ticks, latest first", Args: oneSchedule}
	c.Flags().IntVarP(&limit, "limit", "L", 50, "`number` of ticks, at most 500")
	jqFlag(c, &jq)
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		ticks, _, err := cl.ScheduleTicks(cmd.Context(), args[0], "", limit)
		if err != nil {
			return err
		}
		l := list{table: term.Table{Header: []string{"Tick", "Since", "Outcome", "Run", "Reason"}}, empty: "No ticks yet."}
		for _, t := range ticks {
			outcome := string(t.Outcome)
			if t.Manual {
				outcome += " by hand"
			}
			l.items = append(l.items, t)
			l.table.Rows = append(l.table.Rows, []string{instant(t.At), instant(t.First), outcome, t.RunId, t.Reason})
		}
		return a.printListFiltered(l, jq)
	})
}

func (a *app) schedulePreviewCommand() *cobra.Command {
	var req api.SchedulePreviewRequest
	count := 5
	c := &cobra.Command{Use: "preview CRON", Short: "Show when an expression would fire", Args: arguments(1, 1),
		Example: `  cadre schedule preview "30 9 * * MON-FRI" --time-zone Europe/Berlin`}
	c.Flags().StringVar(&req.TimeZone, "time-zone", "", "`zone` it is meant in, as Europe/Berlin (default UTC)")
	c.Flags().IntVar(&count, "count", count, "`number` of times to show, at most 100")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) error {
		cl, err := a.client()
		if err != nil {
			return err
		}
		req.CronSchedule, req.Count = args[0], &count
		p, err := cl.PreviewSchedule(cmd.Context(), req)
		if err != nil {
			return err
		}
		if a.settings.format.machine() {
			return a.printObject(p)
		}
		_, err = fmt.Fprint(a.Stdout, previewText(p))
		return err
	})
}

// previewText tells the expression in words and its next times.
func previewText(p api.SchedulePreview) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Runs %s (%s).\n", term.CleanLine(p.Description), term.CleanLine(p.TimeZone))
	for _, t := range p.NextRuns {
		fmt.Fprintf(&b, "  %s\n", t.Format("Mon 2006-01-02 15:04:05 -07:00"))
	}
	if len(p.NextRuns) == 0 {
		b.WriteString("  never\n")
	}
	return b.String()
}
