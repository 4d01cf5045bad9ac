package usage

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// stored are runs of one team.
type stored []Spent

func (s stored) Spent(_ context.Context, owner identity.Owner, _ api.UsageBy, from, to time.Time) (list []Spent, _ error) {
	for _, r := range s {
		if owner.Type == api.ScopeTypeTeam && !r.CreatedAt.Before(from) && r.CreatedAt.Before(to) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s stored) Names(_ context.Context, _ api.UsageBy, runIDs []string) (map[string]string, error) {
	names := map[string]string{}
	for _, id := range runIDs {
		names[id] = "of " + id
	}
	return names, nil
}

func ask(t *testing.T, runs stored, q Question) (api.UsageSummary, error) {
	t.Helper()
	now := time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC)
	actor := identity.Actor{Kind: identity.KindUser, UID: "u", TeamUID: "red", Role: identity.RoleViewer}
	return Summaries{Store: runs, Now: func() time.Time { return now }}.Summary(t.Context(), actor, q)
}

func TestSummaryOfDays(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, berlin) }
	runs := stored{
		{CreatedAt: at(28, 0, 0), State: api.RunStateSUCCEEDED, Worked: time.Second, USD: 1},
		{CreatedAt: at(28, 23, 59), State: api.RunStateERROR, Worked: 3 * time.Second, USD: 2},
		{CreatedAt: at(28, 5, 0), State: api.RunStateCANCELLED, Worked: time.Hour}, // ended by a person: says nothing about how long work takes
		{CreatedAt: at(29, 23, 59), State: api.RunStateQUEUED, Unpriced: 2},        // a day of 23 hours
	}
	got, err := ask(t, runs, Question{From: at(28, 12, 0), Zone: berlin, By: api.UsageByDay})
	if err != nil {
		t.Fatal(err)
	}
	half, median := 0.5, int64(2000)
	want := []api.UsageBucket{
		{Key: "2026-03-28", Runs: 3, Succeeded: 1, Failed: 1, Cancelled: 1, CostUsd: 3, SuccessRate: &half, MedianRunTimeMs: &median},
		{Key: "2026-03-29", Runs: 1, Working: 1, UnpricedCalls: 2},
		{Key: "2026-03-30"},
	}
	if diff := cmp.Diff(want, got.Buckets); diff != "" {
		t.Errorf("buckets (-want +got):\n%s", diff)
	}
	if !got.From.Equal(at(28, 0, 0)) || !got.To.Equal(at(31, 0, 0)) || got.Total.Runs != 4 || *got.Total.SuccessRate != 0.5 {
		t.Errorf("whole: %v to %v, %+v", got.From, got.To, got.Total)
	}
}

func TestSummaryOfGroups(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC)
	runs := stored{{CreatedAt: day, Key: "a", USD: 1}, {CreatedAt: day, Key: "b", USD: 2}, {CreatedAt: day.Add(24 * time.Hour), Key: "a", RunID: "r3", USD: 2}, {CreatedAt: day, Key: ""}}
	got, err := ask(t, runs, Question{Zone: time.UTC, By: api.UsageByCreator})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, b := range got.Buckets {
		keys = append(keys, b.Key)
	}
	if diff := cmp.Diff([]string{"a", "b", ""}, keys); diff != "" || got.Buckets[0].Runs != 2 || got.Buckets[0].Label != "of r3" {
		t.Errorf("%s, %+v", diff, got.Buckets)
	}
}

func TestSummaryRefuses(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 30, 12, 0, 0, 0, time.UTC)
	for name, q := range map[string]Question{
		"backwards": {From: now.AddDate(0, 0, 2), To: now},
		"too long":  {From: now.AddDate(0, 0, -92), To: now},
		"for ever":  {From: time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC), To: now},
	} {
		q.Zone = time.UTC
		if _, err := ask(t, nil, q); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := ask(t, nil, Question{From: now.AddDate(0, 0, -91), To: now, Zone: time.UTC, By: api.UsageByDay}); err != nil || len(got.Buckets) != 92 {
		t.Errorf("a quarter: %d days, %v", len(got.Buckets), err)
	}
}
