package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// duration is a flag value written as people write durations: 30s, 10m, 1h 30m, 2days. A plain Go
// duration is one too.
type duration time.Duration

// String, Set and Type make duration a flag value.
func (d *duration) String() string {
	if *d == 0 {
		return "0" // help shows no default
	}
	s := time.Duration(*d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Set reads a duration.
func (d *duration) Set(s string) error {
	v, err := parseDuration(s)
	*d = duration(v)
	return err
}

// Type names the value in help.
func (d *duration) Type() string { return "duration" }

var durationUnits = []struct {
	names []string
	unit  time.Duration
}{
	{[]string{"ns", "nsec"}, time.Nanosecond},
	{[]string{"us", "µs", "usec"}, time.Microsecond},
	{[]string{"ms", "msec"}, time.Millisecond},
	{[]string{"s", "sec", "secs", "second", "seconds"}, time.Second},
	{[]string{"m", "min", "mins", "minute", "minutes"}, time.Minute},
	{[]string{"h", "hr", "hrs", "hour", "hours"}, time.Hour},
	{[]string{"d", "day", "days"}, 24 * time.Hour},
	{[]string{"w", "week", "weeks"}, 7 * 24 * time.Hour},
}

func parseDuration(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no duration; write 30s, 10m or 1h 30m", s)
	rest := strings.ReplaceAll(strings.TrimSpace(s), " ", "")
	if rest == "" {
		return 0, bad
	}
	var total time.Duration
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		n, err := strconv.ParseFloat(rest[:digits], 64)
		if err != nil {
			return 0, bad
		}
		rest = rest[digits:]
		letters := len(rest)
		if i := strings.IndexAny(rest, "0123456789."); i >= 0 {
			letters = i
		}
		name := rest[:letters]
		rest = rest[letters:]
		i := slices.IndexFunc(durationUnits, func(u struct {
			names []string
			unit  time.Duration
		}) bool {
			return slices.Contains(u.names, name)
		})
		switch {
		case i >= 0 && n*float64(durationUnits[i].unit) < float64(1<<62):
			total += time.Duration(n * float64(durationUnits[i].unit))
		case name == "" && n == 0: // a bare 0 needs no unit
		default:
			return 0, bad
		}
		if total < 0 {
			return 0, bad
		}
	}
	return total, nil
}

// timestamp is a flag value in RFC 3339.
type timestamp time.Time

// String, Set and Type make timestamp a flag value.
func (t *timestamp) String() string {
	if time.Time(*t).IsZero() {
		return ""
	}
	return time.Time(*t).Format(time.RFC3339Nano)
}

// Set reads a time.
func (t *timestamp) Set(s string) error {
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return fmt.Errorf("%q is no RFC 3339 time; write 2026-08-01T12:00:00Z", s)
	}
	*t = timestamp(v)
	return nil
}

// Type names the value in help.
func (t *timestamp) Type() string { return "time" }

// choice is a flag value out of a closed set of the wire: in-progress stands for INPROGRESS.
type choice[T ~string] struct {
	to   *T
	many *[]T
	all  map[string]T
}

func (c choice[T]) String() string { return "" }

// Set reads a word of the set, in the CLI's spelling or the wire's.
func (c choice[T]) Set(s string) error {
	v, ok := c.all[strings.ToLower(s)]
	if !ok {
		for _, wire := range c.all {
			if strings.EqualFold(string(wire), s) {
				v, ok = wire, true
			}
		}
	}
	if !ok {
		return fmt.Errorf("%q is none of %s", s, strings.Join(c.words(), ", "))
	}
	if c.many != nil {
		*c.many = append(*c.many, v)
		return nil
	}
	*c.to = v
	return nil
}

// Type names the value in help.
func (c choice[T]) Type() string { return "word" }

func (c choice[T]) words() []string {
	words := make([]string, 0, len(c.all))
	for w := range c.all {
		words = append(words, w)
	}
	slices.Sort(words)
	return words
}

// optionalValues are the flags whose value may be left out. The flag parser wants "=" before an
// optional value, the reference CLI does not.
var optionalValues = map[string]func(string) bool{
	"--idle-on-complete": isDuration,
	"--idle-on-fail":     isDuration,
	"--share":            isShare,
}

func isDuration(s string) bool { _, err := parseDuration(s); return err == nil }

func isShare(s string) bool { return parseShare(s) == nil }

// joinOptionalValues rewrites "--flag value" to "--flag=value" where the value may be left out.
func joinOptionalValues(args []string) []string {
	out := make([]string, 0, len(args))
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			return append(out, args[i:]...)
		}
		accepts, ok := optionalValues[args[i]]
		if ok && i+1 < len(args) && accepts(args[i+1]) {
			out = append(out, args[i]+"="+args[i+1])
			i++
			continue
		}
		out = append(out, args[i])
	}
	return out
}

// parseShare checks a recipient of --share: team, public or an address, with an optional level.
func parseShare(s string) error {
	who, level, found := strings.Cut(s, ":")
	if found && level != "view" && level != "edit" {
		return fmt.Errorf("%q: the level after the colon is view or edit", s)
	}
	if who != "team" && who != "public" && !strings.Contains(who, "@") {
		return fmt.Errorf("%q: share with team, public or an e-mail address", s)
	}
	return nil
}
