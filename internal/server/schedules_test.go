package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// TestScheduleStory is a schedule's life over the wire.
func TestScheduleStory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := time.Now().Add(24 * time.Hour).UTC().Truncate(time.Second)
	c := decode[api.ScheduledAgentItem](w.post("/agent/schedules", api.CreateScheduledAgentRequest{
		Name: "nightly", CronSchedule: " 30  9 * * MON-FRI ", TimeZone: "America/New_York", Prompt: "Tidy up.", StartsAt: at,
	}).want(201))
	if c.CronSchedule != "30 9 * * MON-FRI" || !c.Enabled || c.Mode != api.RunModeNormal || c.MissedRuns != api.ScheduleMissedRunsOnce ||
		c.Overlap != api.ScheduleOverlapAllow || c.Scope.Type != api.ScopeTypeTeam || c.Description != "at 09:30 on Monday to Friday" || c.History.NextRun.Before(at) {
		t.Errorf("created %+v", c)
	}
	path := "/agent/schedules/" + c.Id
	run := decode[api.RunAgentResponse](w.post(path+"/run", nil).want(200))
	item := decode[api.RunItem](w.get("/agent/runs/" + run.RunId).want(200))
	if item.Source != api.RunSourceTypeSCHEDULEDAGENT || item.Schedule.ScheduleName != "nightly" || item.Schedule.ScheduleId != c.Id || !strings.HasSuffix(item.TriggerUrl, "/schedules/"+c.Id) {
		t.Errorf("run %+v", item)
	}
	// What the reference's clients leave out stays; the run keeps the name as it was.
	c = decode[api.ScheduledAgentItem](w.do(request{method: "PUT", path: api.BasePath + path, key: w.key,
		body: map[string]any{"name": "daily", "cron_schedule": "@daily", "enabled": false, "prompt": "More."}}).want(200))
	if c.TimeZone != "America/New_York" || !c.StartsAt.Equal(at) || c.Enabled || c.Prompt != "More." || !c.History.NextRun.IsZero() || c.History.LastRunId != run.RunId {
		t.Errorf("changed %+v", c)
	}
	if item = decode[api.RunItem](w.get("/agent/runs/" + run.RunId).want(200)); item.Schedule.ScheduleName != "nightly" {
		t.Errorf("the run says %+v", item.Schedule)
	}
	if c = decode[api.ScheduledAgentItem](w.post(path+"/resume", nil).want(200)); !c.Enabled || c.History.NextRun.IsZero() {
		t.Errorf("resumed %+v", c)
	}
	if c = decode[api.ScheduledAgentItem](w.post(path+"/pause", nil).want(200)); c.Enabled {
		t.Errorf("paused %+v", c)
	}
	ticks := decode[api.ListScheduleTicksResponse](w.get(path + "/history").want(200)).Ticks
	if len(ticks) != 1 || !ticks[0].Manual || ticks[0].RunId != run.RunId || ticks[0].Outcome != api.ScheduleTickOutcomeStarted {
		t.Errorf("history %+v", ticks)
	}
	if list := decode[api.ListRunsResponse](w.get("/agent/runs?schedule_id=" + c.Id).want(200)).Runs; len(list) != 1 {
		t.Errorf("%d runs of the schedule", len(list))
	}
	p := decode[api.SchedulePreview](w.post("/agent/schedules/preview", api.SchedulePreviewRequest{
		CronSchedule: "30 2 * * *", TimeZone: "Europe/Berlin", After: time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC),
	}).want(200))
	if len(p.NextRuns) != 5 || p.NextRuns[0].Format(time.RFC3339) != "2026-03-29T03:00:00+02:00" || p.NextRuns[1].Format(time.RFC3339) != "2026-03-30T02:30:00+02:00" {
		t.Errorf("preview %+v", p)
	}
	if d := decode[api.DeleteScheduledAgentResponse](w.do(request{method: "DELETE", path: api.BasePath + path, key: w.key}).want(200)); !d.Success {
		t.Error("not deleted")
	}
	w.get(path).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "schedule")
	if list := decode[api.ListScheduledAgentsResponse](w.get("/agent/schedules").want(200)).Schedules; list == nil || len(list) != 0 {
		t.Errorf("list %v", list)
	}
}

// TestScheduleRefusals: everything wrong is refused when the schedule is made, and named.
func TestScheduleRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := func(change map[string]any) map[string]any {
		m := map[string]any{"name": "n", "cron_schedule": "@daily", "prompt": "p"}
		for k, v := range change {
			m[k] = v
		}
		return m
	}
	for names, change := range map[string]map[string]any{
		"name":                                 {"name": " "},
		"cron_schedule":                        {"cron_schedule": "* * * *"},
		"cron_schedule: minute":                {"cron_schedule": "60 * * * *"},
		"cron_schedule: hour":                  {"cron_schedule": "0 9-5 * * *"},
		"cron_schedule: day of month":          {"cron_schedule": "0 0 30 FEB *"},
		"cron_schedule: month":                 {"cron_schedule": "0 0 1 13 *"},
		"cron_schedule: day of week":           {"cron_schedule": "0 0 * * mittwoch"},
		"cron_schedule: @every":                {"cron_schedule": "@every 1s"},
		"time_zone":                            {"time_zone": "../../etc/passwd"},
		"time_zone: \"Local\"":                 {"time_zone": "Local"},
		"jitter_seconds":                       {"jitter_seconds": 3601},
		"max_catch_up":                         {"max_catch_up": 0},
		"missed_runs":                          {"missed_runs": "some"},
		"overlap":                              {"overlap": "maybe"},
		"ends_at":                              {"starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"},
		"starts_at":                            {"starts_at": "0900-01-01T00:00:00Z"},
		"prompt":                               {"prompt": ""},
		"agent_uid":                            {"agent_uid": "a", "team": false},
		"agent_config.idle_timeout_minutes":    {"agent_config": map[string]any{"idle_timeout_minutes": 99}},
		"agent_config.session_sharing.public_": {"agent_config": map[string]any{"session_sharing": map[string]any{"public_access": "ALL"}}},
		"metadata":                             {"metadata": map[string]any{"a b": "c"}},
	} {
		w.post("/agent/schedules", good(change)).wantProblem(api.PlatformErrorCodeInvalidRequest, 400, names)
	}
	w.post("/agent/schedules", good(map[string]any{"agent_config": map[string]any{"environment_id": "nope"}})).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "environment")
	w.get("/agent/schedules/x").wantProblem(api.PlatformErrorCodeInvalidRequest, 400, "schedule id")
	w.get("/agent/schedules/"+uuid.NewString()).wantProblem(api.PlatformErrorCodeResourceNotFound, 404, "schedule")
	w.as(w.keyWith(identity.RoleViewer)).post("/agent/schedules", good(nil)).want(403)
}
