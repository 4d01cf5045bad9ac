package schedule

import "github.com/cadrehq/cadre/api"

// Wire is the schedule as the API shows it, but for its environment.
func (s Schedule) Wire() api.ScheduledAgentItem {
	item := api.ScheduledAgentItem{
		Id: s.ID, Name: s.Name, CronSchedule: s.Cron, Enabled: s.Enabled, Prompt: s.Prompt, LastSpawnError: s.LastError,
		AgentConfig: s.Config, CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, CreatedBy: s.Creator, UpdatedBy: s.Editor,
		Scope: api.Scope{Type: s.Owner.Type, Uid: s.Owner.UID}, AgentUid: s.AgentUID, SavedPrompt: s.SavedPrompt, SavedPromptArguments: s.Arguments, Metadata: s.Metadata, Mode: s.Mode,
		TimeZone: s.Zone, MissedRuns: s.Missed, MaxCatchUp: s.CatchUp, Overlap: s.Overlap,
		JitterSeconds: int(s.Jitter.Seconds()), StartsAt: s.Starts, EndsAt: s.Ends,
		History: api.ScheduledAgentHistoryItem{LastRan: s.LastRan, NextRun: s.Due, LastRunId: s.LastRun},
	}
	if c, err := Parse(s.Cron); err == nil {
		item.Description = c.Words()
	}
	if s.Held {
		item.WaitingTick = s.Tick
	}
	return item
}

// Wire is the outcome as the API shows it.
func (o Outcome) Wire() api.ScheduleTick {
	w := api.ScheduleTick{
		At: o.At, Outcome: o.Outcome, RunId: o.RunID, Reason: o.Reason, Manual: o.Manual, RecordedAt: o.RecordedAt,
	}
	if !o.First.Equal(o.At) {
		w.First = o.First
	}
	return w
}
