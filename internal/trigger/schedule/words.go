package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Words says when the expression fires, for people: "at 09:30 on Monday to Friday".
func (c Cron) Words() string {
	if c.every > 0 {
		return "every " + spoken(c.every)
	}
	parts := []string{c.timeWords()}
	if days := c.dayWords(); days != "" {
		parts = append(parts, days)
	}
	if c.month.count() < 12 {
		parts = append(parts, "in "+c.month.words(1, 12, func(n int) string { return time.Month(n).String() }))
	}
	return strings.Join(parts, " ")
}

// spoken is a duration without the zeros at its end.
func spoken(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// timeWords tells the time of day. A few times are listed, many are told by minute and hour.
func (c Cron) timeWords() string {
	const few = 6
	minutes, hours := c.minute.count(), c.hour.count()
	switch {
	case minutes*hours <= few:
		var times []string
		for h := range c.hour.members {
			for m := range c.minute.members {
				times = append(times, fmt.Sprintf("%02d:%02d", h, m))
			}
		}
		return "at " + list(times)
	case minutes == 60 && hours == 24:
		return "every minute"
	case minutes == 60:
		return "every minute of the hours " + c.hour.words(0, 23, pad)
	}
	when := "at minute " + c.minute.words(0, 59, strconv.Itoa)
	if step, ok := c.minute.step(0, 59); ok {
		when = "every " + strconv.Itoa(step) + " minutes"
	}
	if hours == 24 {
		if minutes == 1 {
			return when + " of every hour"
		}
		return when
	}
	return when + " of the hours " + c.hour.words(0, 23, pad)
}

// dayWords tells the days; empty when every day matches.
func (c Cron) dayWords() string {
	day := "on day " + c.day.words(1, 31, strconv.Itoa) + " of the month"
	weekday := "on " + c.weekday.words(0, 6, func(n int) string { return time.Weekday(n).String() })
	allDays, allWeekdays := c.day.count() == 31, c.weekday.count() == 7
	both := c.anyDay || c.anyWeekday
	switch {
	case allDays && allWeekdays, !both && (allDays || allWeekdays):
		return ""
	case allDays:
		return weekday
	case allWeekdays:
		return day
	case both:
		return day + " if it is " + strings.TrimPrefix(weekday, "on ")
	}
	return day + " and " + weekday
}

func pad(n int) string { return fmt.Sprintf("%02d", n) }

// members are the numbers of the set in order.
func (s set) members(yield func(int) bool) {
	for n := range 64 {
		if s.has(n) && !yield(n) {
			return
		}
	}
}

// step recognises a whole range in equal steps from its beginning.
func (s set) step(low, high int) (int, bool) {
	second, ok := s.from(low + 1)
	if !s.has(low) || !ok || (high-low+1)%(second-low) != 0 {
		return 0, false
	}
	var want set
	for n := low; n <= high; n += second - low {
		want |= 1 << uint(n)
	}
	return second - low, s == want
}

// words lists the members, three or more in a row as a range.
func (s set) words(low, high int, name func(int) string) string {
	var parts []string
	for n := low; n <= high; n++ {
		if !s.has(n) {
			continue
		}
		end := n
		for end < high && s.has(end+1) {
			end++
		}
		if end-n >= 2 {
			parts, n = append(parts, name(n)+" to "+name(end)), end
			continue
		}
		parts = append(parts, name(n))
	}
	return list(parts)
}

// list joins words as people do.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
