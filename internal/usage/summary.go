package usage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// The bounds of a summary.
const (
	maxDays    = 92 // a quarter, so that the runs of a busy team are still counted while somebody waits
	maxBuckets = 100
)

// Spent is what a summary knows of one run.
type Spent struct {
	CreatedAt time.Time
	State     api.RunState
	Worked    time.Duration // waiting not counted; 0 while it never worked
	Tokens    int64
	USD       float64
	Unpriced  int64 // model calls without a known price
	// Key is the value of the column that the summary groups by; empty by day.
	Key string
	// RunID is the run.
	RunID string
}

// Spendings finds what an owner's runs came to.
type Spendings interface {
	// Spent lists the owner's runs created at from or later, and before to, in no order.
	Spent(ctx context.Context, owner identity.Owner, by api.UsageBy, from, to time.Time) ([]Spent, error)
	// Names tells, by run, how those are called who asked for the runs or, by executor, whom they act as.
	Names(ctx context.Context, by api.UsageBy, runIDs []string) (map[string]string, error)
}

// Summaries counts runs, by day or by who and what they were.
type Summaries struct {
	Store Spendings
	Now   func() time.Time
}

// Question is what a summary is asked for: the days in Zone from the one that holds From to the one that holds To.
// A zero To is now, a zero From 13 days before To.
type Question struct {
	From, To time.Time
	Zone     *time.Location
	By       api.UsageBy
}

// Summary counts the runs that the actor may see, each on the day it was created.
func (s Summaries) Summary(ctx context.Context, actor identity.Actor, q Question) (api.UsageSummary, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return api.UsageSummary{}, err
	}
	days, err := s.days(q)
	if err != nil {
		return api.UsageSummary{}, err
	}
	all, total := map[string]*tally{}, &tally{}
	// A day at a time bounds what is held at once by the runs of one day.
	for i, from := range days[:len(days)-1] {
		key := from.Format(time.DateOnly)
		if q.By == api.UsageByDay {
			all[key] = &tally{}
		}
		for _, owner := range owners(actor) {
			runs, err := s.Store.Spent(ctx, owner, q.By, from, days[i+1])
			if err != nil {
				return api.UsageSummary{}, err
			}
			for _, r := range runs {
				if q.By != api.UsageByDay {
					key = r.Key
				}
				total.add(r)
				tallyOf(all, key).add(r)
			}
		}
	}
	out := api.UsageSummary{
		From: days[0], To: days[len(days)-1], By: q.By, Total: total.bucket(""), Buckets: buckets(all, q.By),
	}
	return out, s.name(ctx, q.By, all, out.Buckets)
}

// name puts to buckets of people and agents how these are called, as the latest of their runs has it: they
// need not be in the team any more.
func (s Summaries) name(ctx context.Context, by api.UsageBy, all map[string]*tally, list []api.UsageBucket) error {
	if by != api.UsageByCreator && by != api.UsageByExecutor {
		return nil
	}
	ids := make([]string, len(list))
	for i, b := range list {
		ids[i] = all[b.Key].latest
	}
	names, err := s.Store.Names(ctx, by, ids)
	for i := range list {
		list[i].Label = names[ids[i]]
	}
	return err
}

// days cuts the time asked about where days begin in its zone: the beginning of each, and the end of the last.
func (s Summaries) days(q Question) ([]time.Time, error) {
	to := q.To
	if to.IsZero() {
		to = s.Now()
	}
	to = to.In(q.Zone)
	from := q.From.In(q.Zone)
	if q.From.IsZero() {
		from = to.AddDate(0, 0, -13)
	}
	if from.After(to) {
		return nil, api.Invalid("from", "must not be later than to")
	}
	end := midnight(to, 1)
	var days []time.Time
	for i := 0; ; i++ {
		day := midnight(from, i)
		if len(days) > 0 && !day.After(days[len(days)-1]) { // a zone that left a whole day out
			continue
		}
		days = append(days, day)
		if !day.Before(end) {
			return days, nil
		}
		if len(days) > maxDays {
			return nil, api.Invalid("from", "must be at most %d days before to", maxDays)
		}
	}
}

// midnight is where the day begins that is n days after that of t. It is not always at 0:00: where clocks
// are turned at midnight, time.Date moves it to a moment that exists.
func midnight(t time.Time, n int) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d+n, 0, 0, 0, 0, t.Location())
}

// owners are those whose runs the actor may see.
func owners(actor identity.Actor) []identity.Owner {
	list := []identity.Owner{{Type: api.ScopeTypeUser, UID: actor.UID}}
	if actor.TeamUID != "" {
		list = append(list, identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID})
	}
	return list
}

// tally is a bucket that is being filled.
type tally struct {
	states   map[api.RunState]int
	runs     int
	tokens   int64
	usd      float64
	unpriced int64
	worked   []time.Duration // of those that ended
	latest   string          // id of the run added last
}

func tallyOf(all map[string]*tally, key string) *tally {
	t := all[key]
	if t == nil {
		t = &tally{}
		all[key] = t
	}
	return t
}

func (t *tally) add(r Spent) {
	if t.states == nil {
		t.states = map[api.RunState]int{}
	}
	t.runs++
	t.latest = r.RunID
	t.states[r.State]++
	t.tokens += r.Tokens
	t.usd += r.USD
	t.unpriced += r.Unpriced
	switch r.State {
	case api.RunStateSUCCEEDED, api.RunStateFAILED, api.RunStateERROR:
		if r.Worked > 0 {
			t.worked = append(t.worked, r.Worked)
		}
	}
}

// bucket is the tally as the API shows it. What nothing is known of is absent.
func (t *tally) bucket(key string) api.UsageBucket {
	b := api.UsageBucket{
		Key: key, Runs: t.runs, Succeeded: t.states[api.RunStateSUCCEEDED],
		Failed: t.states[api.RunStateFAILED] + t.states[api.RunStateERROR], Cancelled: t.states[api.RunStateCANCELLED],
		Blocked: t.states[api.RunStateBLOCKED], Tokens: t.tokens, CostUsd: t.usd, UnpricedCalls: t.unpriced,
	}
	b.Working = t.runs - b.Succeeded - b.Failed - b.Cancelled - b.Blocked
	if ended := b.Succeeded + b.Failed; ended > 0 {
		rate := float64(b.Succeeded) / float64(ended)
		b.SuccessRate = &rate
	}
	if n := len(t.worked); n > 0 {
		slices.Sort(t.worked)
		ms := ((t.worked[(n-1)/2] + t.worked[n/2]) / 2).Milliseconds()
		b.MedianRunTimeMs = &ms
	}
	return b
}

// buckets orders tallies: days as they passed, all else by cost and then by number of runs.
func buckets(all map[string]*tally, by api.UsageBy) []api.UsageBucket {
	out := make([]api.UsageBucket, 0, len(all))
	for key, t := range all {
		out = append(out, t.bucket(key))
	}
	slices.SortFunc(out, func(a, b api.UsageBucket) int {
		if by == api.UsageByDay {
			return cmp.Compare(a.Key, b.Key)
		}
		return cmp.Or(cmp.Compare(b.CostUsd, a.CostUsd), cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Key, b.Key))
	})
	return out[:min(len(out), maxBuckets)]
}
