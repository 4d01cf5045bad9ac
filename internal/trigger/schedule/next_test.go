package schedule_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

// walker knows an expression by trying every minute: nothing of it is shared with the package.
type walker struct {
	fields [5]map[int]bool
	star   [5]bool
}

func newWalker(t *testing.T, text string) walker {
	t.Helper()
	var w walker
	for i, field := range strings.Fields(text) {
		w.fields[i] = map[int]bool{}
		w.star[i] = field[0] == '*'
		for _, part := range strings.Split(field, ",") {
			span, step, _ := strings.Cut(part, "/")
			lo, hi := []int{0, 0, 1, 1, 0}[i], []int{59, 23, 31, 12, 6}[i]
			if from, to, ok := strings.Cut(span, "-"); ok {
				lo, hi = number(t, from), number(t, to)
			} else if span != "*" {
				lo = number(t, span)
				if step == "" {
					hi = lo
				}
			}
			by := 1
			if step != "" {
				by = number(t, step)
			}
			for n := lo; n <= hi; n += by {
				w.fields[i][n] = true
			}
		}
	}
	return w
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (w walker) matches(wall time.Time) bool {
	day, weekday := w.fields[2][wall.Day()], w.fields[4][int(wall.Weekday())]
	date := day && weekday
	if !w.star[2] && !w.star[4] {
		date = day || weekday
	}
	return w.fields[0][wall.Minute()] && w.fields[1][wall.Hour()] && w.fields[3][int(wall.Month())] && date
}

// ticks walks every minute from one instant to another.
func (w walker) ticks(zone *time.Location, from, to time.Time) []time.Time {
	everyHour := len(w.fields[1]) == 24
	wallOf := func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	var ticks []time.Time
	seen := wallOf(from.Add(-time.Minute)) // the latest wall time there was
	for t := from; t.Before(to); t = t.Add(time.Minute) {
		wall := wallOf(t)
		fire := w.matches(wall)
		if !everyHour {
			if !wall.After(seen) {
				fire = false
			}
			for left := seen.Add(time.Minute); left.Before(wall); left = left.Add(time.Minute) {
				fire = fire || w.matches(left)
			}
		}
		if wall.After(seen) {
			seen = wall
		}
		if fire {
			ticks = append(ticks, t.UTC())
		}
	}
	return ticks
}

// zones have jumps of all kinds: of half an hour, at midnight, of a whole day, several in a year.
var zones = []string{
	"UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Istanbul", "Europe/Moscow",
	"America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/Santiago", "America/Havana", "America/St_Johns",
	"America/Asuncion", "America/Nuuk", "America/Scoresbysund", "America/Caracas", "Africa/Casablanca", "Africa/Cairo",
	"Africa/El_Aaiun", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Tehran", "Asia/Beirut", "Asia/Gaza", "Asia/Amman",
	"Asia/Pyongyang", "Asia/Tokyo", "Australia/Lord_Howe", "Australia/Adelaide", "Australia/Sydney", "Pacific/Apia",
	"Pacific/Auckland", "Pacific/Chatham", "Pacific/Kiritimati", "Pacific/Kwajalein", "Antarctica/Troll", "Antarctica/Casey",
}

// TestNextAgainstWalker compares with the walker in whole years of many zones, around their jumps.
func TestNextAgainstWalker(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 11))
	tries := 200
	if testing.Short() {
		tries = 50
	}
	jumps := 0
	for range tries {
		name := zones[rng.IntN(len(zones))]
		zone, err := schedule.LoadZone(name)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(1976+rng.IntN(64), time.Month(1+rng.IntN(12)), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), 0, 0, time.UTC)
		if _, end := from.In(zone).ZoneBounds(); !end.IsZero() && rng.IntN(5) > 0 {
			from = end.Add(-time.Duration(rng.IntN(72)) * time.Hour).UTC()
			jumps++
		}
		compare(t, rng, name, zone, from.Truncate(time.Minute), 8*24*time.Hour)
	}
	if jumps < tries/3 {
		t.Errorf("only %d of %d tries were at a jump", jumps, tries)
	}
}

// TestNextOverAWholeYear walks long enough for rare days.
func TestNextOverAWholeYear(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"Africa/Casablanca", "Pacific/Apia"} {
		zone, err := schedule.LoadZone(name)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, rng, name, zone, time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC), 366*24*time.Hour)
	}
}

func compare(t *testing.T, rng *rand.Rand, name string, zone *time.Location, from time.Time, span time.Duration) {
	t.Helper()
	text := randomCron(rng)
	c, err := schedule.Parse(text)
	if err != nil {
		return // an impossible day, by chance
	}
	timing := schedule.Timing{Cron: c, Zone: zone}
	to := from.Add(span)
	var got []time.Time
	for at := timing.Next(from.Add(-1)); !at.IsZero() && at.Before(to); at = timing.Next(at) {
		got = append(got, at)
	}
	if want := newWalker(t, text).ticks(zone, from, to); !slices.Equal(got, want) {
		t.Fatalf("%q in %s from %s:\n%s", text, name, from, difference(got, want))
	}
}

func difference(got, want []time.Time) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return "lacks " + want[i].String()
		case i >= len(want) || got[i].Before(want[i]):
			return "has " + got[i].String()
		case want[i].Before(got[i]):
			return "lacks " + want[i].String()
		}
	}
	return "equal"
}

func randomCron(rng *rand.Rand) string {
	field := func(lo, hi int) string {
		switch rng.IntN(6) {
		case 0, 1:
			return "*"
		case 2:
			return "*/" + strconv.Itoa(2+rng.IntN((hi-lo)/2))
		case 3:
			a := lo + rng.IntN(hi-lo)
			return strconv.Itoa(a) + "-" + strconv.Itoa(a+rng.IntN(hi-a+1))
		default:
			var list []string
			for range 1 + rng.IntN(3) {
				list = append(list, strconv.Itoa(lo+rng.IntN(hi-lo+1)))
			}
			return strings.Join(list, ",")
		}
	}
	day, month, weekday := "*", "*", "*"
	if rng.IntN(3) == 0 {
		day = field(1, 31)
	}
	if rng.IntN(6) == 0 {
		month = field(1, 12)
	}
	if rng.IntN(3) == 0 {
		weekday = field(0, 6)
	}
	return strings.Join([]string{field(0, 59), field(0, 4+rng.IntN(20)), day, month, weekday}, " ")
}
