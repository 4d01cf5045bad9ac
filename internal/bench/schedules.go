package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// scheduleSpread is how long the ticks of the schedules take to fall due, evenly.
	scheduleSpread = 20 * time.Second
	// scheduleLead is the time to store a thousand schedules before the first is due.
	scheduleLead = 3 * time.Second
)

// measureSchedules measures how late runs of schedules are: of 10,000 schedules whose ticks spread over
// a while, and of a tenth as many that are all due at one moment.
func measureSchedules(ctx context.Context, s *suite) error {
	n := s.count(10_000)
	for _, c := range []struct {
		name   string
		n      int
		spread time.Duration
	}{
		{fmt.Sprintf("%d schedules, due over %s: tick → run", n, scheduleSpread), n, scheduleSpread},
		{fmt.Sprintf("%d schedules, due at one moment: tick → run", n/10), n / 10, 0},
	} {
		if err := s.scheduled(ctx, c.name, c.n, c.spread); err != nil {
			return err
		}
	}
	return nil
}

func (s *suite) scheduled(ctx context.Context, name string, n int, spread time.Duration) error {
	c, err := s.start(ctx, "server", filepath.Join(s.dir, fmt.Sprintf("schedules-%d", n)), "")
	if err != nil {
		return err
	}
	defer c.stop()
	first := time.Now().Add(scheduleLead * time.Duration(1+n/1000)).Truncate(time.Second)
	if err := c.storeSchedules(ctx, n, first, spread); err != nil {
		return err
	}
	if late := time.Until(first); late < 0 {
		return fmt.Errorf("storing %d schedules took %s too long", n, -late)
	}
	if err := pause(ctx, time.Until(first)); err != nil {
		return err
	}
	before, err := c.ticks()
	if err != nil {
		return err
	}
	if err := pause(ctx, spread+2*time.Second); err != nil {
		return err
	}
	after, err := c.ticks()
	if err != nil {
		return err
	}
	late, note, err := c.lateness(ctx, n)
	if err != nil {
		return err
	}
	r := late.row(name)
	r.Note = fmt.Sprintf("%s; %.2f ms of processor per run", note, (after-before)*10/float64(n))
	r.Floor, r.Budget = fmt.Sprintf("%.2f ms (create)", s.floor.create[1].P50), "p99 ≤ 1000 ms"
	r.Ratio = r.P50 / s.floor.create[1].P50
	if r = r.judged(r.P99 <= 1000); note != exact {
		r.Verdict = Failed
	}
	s.add(r)
	return nil
}

// storeSchedules stores n schedules of one tick each, evenly from first on.
func (c *cadre) storeSchedules(ctx context.Context, n int, first time.Time, spread time.Duration) error {
	var next atomic.Int64
	_, _, err := drive(ctx, 16, n, func(ctx context.Context) error {
		at := first.Add(spread * time.Duration(next.Add(1)-1) / time.Duration(n)).Truncate(time.Microsecond)
		return c.call(ctx, c.key, http.MethodPost, "/agent/schedules", api.CreateScheduledAgentRequest{
			Name: "bench", CronSchedule: "@every 24h", Prompt: prompt, StartsAt: at, EndsAt: at.Add(time.Hour),
			AgentConfig: api.AmbientAgentConfig{WorkerHost: host},
		}, nil)
	})
	return err
}

// exact is the note of a measuring in which each tick had its run.
const exact = "one run per tick"

// lateness reads how long after its tick each run was made, and whether each tick has one.
func (c *cadre) lateness(ctx context.Context, n int) (samples, string, error) {
	var schedules api.ListScheduledAgentsResponse
	if err := c.call(ctx, c.key, http.MethodGet, "/agent/schedules", nil, &schedules); err != nil {
		return nil, "", err
	}
	tick := make(map[string]time.Time, n)
	for _, one := range schedules.Schedules {
		tick[one.Id] = one.StartsAt
	}
	var late samples
	for cursor := ""; ; {
		var page api.ListRunsResponse
		if err := c.call(ctx, c.key, http.MethodGet, "/agent/runs?limit=500&sort_by=created_at&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return nil, "", err
		}
		for _, r := range page.Runs {
			at, ok := tick[r.Schedule.ScheduleId]
			if !ok {
				return late, "a tick has two runs", nil
			}
			delete(tick, r.Schedule.ScheduleId)
			late = append(late, r.CreatedAt.Sub(at))
		}
		if cursor = page.PageInfo.NextCursor; cursor == "" {
			break
		}
	}
	if len(tick) > 0 {
		return late, fmt.Sprintf("%d ticks have no run 2 s after the last", len(tick)), nil
	}
	return late, exact, nil
}
