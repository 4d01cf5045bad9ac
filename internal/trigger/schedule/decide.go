package schedule

import (
	"slices"
	"time"
)

// step is what is to be done with a schedule that is due.
type step struct {
	// first and at are the ticks to run for, as one: equal, unless one run stands for several. Zero
	// when nothing is to run.
	first, at time.Time
	// skipFirst and skipLast are the ticks to give up, of which the schedule moves on to next.
	skipFirst, skipLast time.Time
	next                time.Time // the tick to move on to
}

// decide applies the rule for missed ticks at a moment. A tick is missed when it is later than grace
// (and the schedule's jitter), unless it is being tried again or had to wait for another run.
func (s Schedule) decide(t Timing, now time.Time, grace time.Duration) step {
	past := now.Add(-s.Jitter)
	waited := s.Held || s.Attempts > 0
	late := !waited && s.Tick.Before(past.Add(-grace))
	switch s.Missed {
	case "once":
		at := s.Tick
		if last := t.Last(s.Tick, past, 1); len(last) > 0 {
			at = last[0]
		}
		return step{first: s.Tick, at: at, next: t.Next(at)}
	case "all":
		if !late {
			break
		}
		if kept := t.Last(s.Tick, past.Add(-grace), s.CatchUp); len(kept) > 0 && kept[0].After(s.Tick) {
			before := t.Last(s.Tick, kept[0].Add(-1), 1)
			return step{skipFirst: s.Tick, skipLast: before[0], next: kept[0]}
		}
	default: // skip
		if !late {
			break
		}
		missed := s.Tick
		if last := t.Last(s.Tick, past.Add(-grace-1), 1); len(last) > 0 {
			missed = last[0]
		}
		return step{skipFirst: s.Tick, skipLast: missed, next: t.Next(missed)}
	}
	return step{first: s.Tick, at: s.Tick, next: t.Next(s.Tick)}
}

// Last returns the last n ticks from a tick until an instant, both included, in order.
func (t Timing) Last(from, until time.Time, n int) []time.Time {
	// Windows grow eightfold, so that few more are looked at than are wanted.
	for window := time.Hour; ; window *= 8 {
		begin := until.Add(-window)
		if begin.Before(from) || window > horizon {
			begin = from
		}
		var ticks []time.Time
		for at := t.Next(begin.Add(-1)); !at.IsZero() && !at.After(until); at = t.Next(at) {
			ticks = append(ticks, at)
		}
		if len(ticks) >= n || begin.Equal(from) {
			return slices.Clip(ticks[max(0, len(ticks)-n):])
		}
	}
}
