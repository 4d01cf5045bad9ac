package schedule

import "time"

// horizon bounds the search for the next time. The rarest expression, a 29th of February that must
// also be one of some weekdays, comes within 40 years.
const horizon = 50 * 366 * 24 * time.Hour

// Timing is an expression with what else decides its ticks.
type Timing struct {
	Cron Cron
	Zone *time.Location
	// Anchor is a tick of "@every"; the others are whole intervals from it.
	Anchor time.Time
	// Starts and Ends bound the ticks: from Starts on, before Ends. Zero is without bound.
	Starts, Ends time.Time
}

// Next is the first tick after t, in UTC; zero when there is none.
//
// Where the zone's clock jumps, an expression that names particular hours follows the clock on the
// wall: times that a jump forward leaves out are made up for by one tick at the end of the jump, and
// times that come twice count once, the first time. One that runs in every hour follows elapsed
// time: nothing is made up for, and a repeated hour counts like any other.
func (t Timing) Next(after time.Time) time.Time {
	if !t.Starts.IsZero() && after.Before(t.Starts) {
		after = t.Starts.Add(-1)
	}
	var next time.Time
	if t.Cron.every > 0 {
		next = t.nextInterval(after)
	} else {
		next = t.Cron.next(after, t.Zone)
	}
	if next.IsZero() || !t.Ends.IsZero() && !next.Before(t.Ends) {
		return time.Time{}
	}
	return next.UTC()
}

func (t Timing) nextInterval(after time.Time) time.Time {
	if after.Before(t.Anchor) {
		return t.Anchor
	}
	n := after.Sub(t.Anchor)/t.Cron.every + 1
	return t.Anchor.Add(n * t.Cron.every)
}

// next walks the periods between changes of the zone's offset. Within one, wall time is UTC shifted.
func (c Cron) next(after time.Time, zone *time.Location) time.Time {
	limit := after.Add(horizon)
	for at := after.In(zone); at.Before(limit); {
		begin, end := at.ZoneBounds()
		_, offset := at.Zone()
		p := period{begin: begin, end: end, shift: time.Duration(offset) * time.Second}
		if !begin.IsZero() {
			_, before := begin.Add(-1).Zone()
			p.before = time.Duration(before) * time.Second
		}
		if t := c.within(p, after); !t.IsZero() {
			return t
		}
		if end.IsZero() {
			return time.Time{}
		}
		at = end.In(zone)
	}
	return time.Time{}
}

// period is a stretch of time of one offset. begin and end are zero when it is open there.
type period struct {
	begin, end    time.Time
	shift, before time.Duration // offsets in it and before it
}

// wall is the time on the wall at an instant of the period, as if it were UTC.
func (p period) wall(t time.Time) time.Time { return t.UTC().Add(p.shift) }

// within is the first match in the period after an instant; zero when there is none.
func (c Cron) within(p period, after time.Time) time.Time {
	ahead := !p.begin.IsZero() && after.Before(p.begin) // the whole period is
	low := p.wall(after).Truncate(time.Minute).Add(time.Minute)
	if ahead {
		low = ceil(p.wall(p.begin))
	}
	if !p.begin.IsZero() && !c.hourly() {
		left := p.begin.UTC().Add(p.before) // what the wall showed when the period began
		if ahead && !c.match(ceil(left), p.wall(p.begin)).IsZero() {
			return p.begin
		}
		if low.Before(left) { // these times have been
			low = ceil(left)
		}
	}
	high := low.Add(horizon)
	if !p.end.IsZero() {
		high = p.wall(p.end)
	}
	m := c.match(low, high)
	if m.IsZero() {
		return m
	}
	return m.Add(-p.shift)
}

// ceil is the first whole minute that is not before t.
func ceil(t time.Time) time.Time {
	if m := t.Truncate(time.Minute); m.Equal(t) {
		return m
	}
	return t.Truncate(time.Minute).Add(time.Minute)
}

// match is the first matching wall minute in [low, high); zero when there is none. Both are wall
// times written as UTC, low a whole minute.
func (c Cron) match(low, high time.Time) time.Time {
	for t := low; t.Before(high); {
		year, month, day := t.Date()
		if !c.month.has(int(month)) {
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, time.UTC)
			continue
		}
		if !c.onDay(t) {
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		hour, ok := c.hour.from(t.Hour())
		if !ok {
			t = time.Date(year, month, day+1, 0, 0, 0, 0, time.UTC)
			continue
		}
		minute := t.Minute()
		if hour > t.Hour() {
			minute = 0
		}
		if minute, ok = c.minute.from(minute); !ok {
			t = time.Date(year, month, day, hour+1, 0, 0, 0, time.UTC)
			continue
		}
		if t = time.Date(year, month, day, hour, minute, 0, 0, time.UTC); t.Before(high) {
			return t
		}
	}
	return time.Time{}
}
