package schedule

import (
	"math/bits"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// The bounds of an expression and of "@every".
const (
	maxCron  = 256 // bytes
	minEvery = 10 * time.Second
	maxEvery = 366 * 24 * time.Hour
)

// Cron is a parsed expression: five fields, or a fixed interval.
type Cron struct {
	minute, hour, day, month, weekday set
	// anyDay and anyWeekday say that the field began with "*": then the other day field decides.
	// When neither did, a day matches if either field names it.
	anyDay, anyWeekday bool

	every time.Duration // "@every"; the fields are unused
}

// set holds small numbers as bits.
type set uint64

func (s set) has(n int) bool { return s&(1<<uint(n)) != 0 }

// from is the smallest member that is at least n, and whether there is one.
func (s set) from(n int) (int, bool) {
	rest := s >> uint(n) << uint(n)
	return bits.TrailingZeros64(uint64(rest)), rest != 0
}

func (s set) least() int { return bits.TrailingZeros64(uint64(s)) }
func (s set) count() int { return bits.OnesCount64(uint64(s)) }

// descriptors are the named expressions.
var descriptors = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// Parse reads an expression: minute, hour, day of month, month and day of week, or a descriptor
// (@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually, @every 90m). Errors are
// invalid_request failures that name the field.
func Parse(text string) (Cron, error) {
	if len(text) > maxCron {
		return Cron{}, wrong("must be at most %d bytes", maxCron)
	}
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return Cron{}, wrong("is required")
	}
	if strings.HasPrefix(fields[0], "@") {
		return parseDescriptor(fields)
	}
	if strings.Contains(fields[0], "=") {
		return Cron{}, wrong("takes no %.40q: the zone of a schedule is its time_zone", fields[0])
	}
	if len(fields) != 5 {
		return Cron{}, wrong("needs five fields (minute, hour, day of month, month, day of week), has %d", len(fields))
	}
	var c Cron
	for i, into := range []*set{&c.minute, &c.hour, &c.day, &c.month, &c.weekday} {
		s, err := parseField(specs[i], fields[i])
		if err != nil {
			return Cron{}, err
		}
		*into = s
	}
	if c.weekday.has(7) { // Sunday's other number
		c.weekday = c.weekday&^(1<<7) | 1
	}
	c.anyDay, c.anyWeekday = open(fields[2]), open(fields[4])
	return c, c.possible()
}

func open(field string) bool { return field[0] == '*' || field[0] == '?' }

func parseDescriptor(fields []string) (Cron, error) {
	name := strings.ToLower(fields[0])
	if name == "@every" {
		if len(fields) != 2 {
			return Cron{}, wrong("@every needs a duration, as in @every 90m")
		}
		d, err := time.ParseDuration(fields[1])
		if err != nil {
			return Cron{}, wrong("@every: %.40q is no duration; write 90m or 24h", fields[1])
		}
		if d < minEvery || d > maxEvery || d%time.Second != 0 {
			return Cron{}, wrong("@every: must be whole seconds from %s to %s", minEvery, maxEvery)
		}
		return Cron{every: d}, nil
	}
	text, ok := descriptors[name]
	if !ok || len(fields) != 1 {
		return Cron{}, wrong("%.40q is no descriptor; there are @hourly, @daily, @weekly, @monthly, @yearly and @every", strings.Join(fields, " "))
	}
	return Parse(text)
}

// possible refuses days that no chosen month has.
func (c Cron) possible() error {
	if c.anyDay || !c.anyWeekday {
		return nil // some day matches by its weekday
	}
	for m := time.January; m <= time.December; m++ {
		if c.month.has(int(m)) && c.day.least() <= longest(m) {
			return nil
		}
	}
	return wrong("day of month: none of the chosen months has a day %d", c.day.least())
}

// longest is how many days a month can have.
func longest(m time.Month) int {
	if m == time.February {
		return 29
	}
	return time.Date(2000, m+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// onDay reports whether a date matches.
func (c Cron) onDay(t time.Time) bool {
	day, weekday := c.day.has(t.Day()), c.weekday.has(int(t.Weekday()))
	if c.anyDay || c.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// hourly reports whether every hour is chosen: such an expression follows elapsed time, not the
// clock on the wall.
func (c Cron) hourly() bool { return c.hour.count() == 24 }

func wrong(format string, args ...any) *api.Failure {
	return api.Invalid("cron_schedule", format, args...)
}
