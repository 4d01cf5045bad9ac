package schedule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, names := range map[string]string{
		"":                                "is required",
		"* * * *":                         "five fields",
		"0 * * * * *":                     "five fields",
		"TZ=Europe/Berlin 0 * * * *":      "time_zone",
		"60 * * * *":                      "minute",
		"-1 * * * *":                      "minute",
		"+1 * * * *":                      "minute",
		"*/0 * * * *":                     "minute: the step",
		"*/ * * * *":                      "minute: the step",
		"1,,2 * * * *":                    "minute",
		"* 24 * * *":                      "hour",
		"? * * * *":                       "minute",
		"* * 0 * *":                       "day of month",
		"* * 32 * *":                      "day of month",
		"* * * 0 *":                       "month",
		"* * * foo *":                     "month",
		"* * * * 8":                       "day of week",
		"* * * * 1-0-1":                   "day of week",
		"0 0 30 2 *":                      "day of month: none of the chosen months has a day 30",
		"0 0 31 4,6,9,11 *":               "day of month",
		"0 0 30 feb */2":                  "", // the day of week begins with "*", so both count: never
		"@hourlyish":                      "descriptor",
		"@hourly 5":                       "descriptor",
		"@every":                          "duration",
		"@every 1.5s":                     "@every",
		"@every 9s":                       "@every",
		"@every 100000h":                  "@every",
		"@every -1h":                      "@every",
		strings.Repeat("1,", 200) + "1 *": "at most 256",
		"\x00 * * * *":                    "minute",
		"99999999999999999999999 * * * *": "minute",
	} {
		_, err := schedule.Parse(text)
		if err == nil || api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest || !strings.HasPrefix(err.Error(), "cron_schedule: ") || !strings.Contains(err.Error(), names) {
			t.Errorf("%q: %v, want it to name %q", text, err, names)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"* * * * *":            "every minute",
		"*/15 * * * *":         "every 15 minutes",
		"5 * * * *":            "at minute 5 of every hour",
		"@daily":               "at 00:00",
		"30 9,17 * * MON-FRI":  "at 09:30 and 17:30 on Monday to Friday",
		"0 8 1 * *":            "at 08:00 on day 1 of the month",
		"0 8 1,15 1-3 7":       "at 08:00 on day 1 and 15 of the month and on Sunday in January to March",
		"*/10 9-17 * * 1":      "every 10 minutes of the hours 09 to 17 on Monday",
		"@every 90m":           "every 1h30m",
		"@every 24h":           "every 24h",
		"* 3 * * SAT-SUN":      "every minute of the hours 03 on Sunday and Saturday",
		"0 0 29 2 */2":         "at 00:00 on day 29 of the month if it is Sunday, Tuesday, Thursday and Saturday in February",
		"0 0 */2 * TUE,FRI":    "at 00:00 on day 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 of the month if it is Tuesday and Friday",
		" 0   12  *  DEC  ?  ": "at 12:00 in December",
	} {
		c, err := schedule.Parse(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		} else if got := c.Words(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestNextAtJumps says by example what the rule for changes of the clock means.
func TestNextAtJumps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cron, zone, after string
		want              []string
	}{
		{"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"*/20 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"}},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"}},
		{"30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", []string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		{"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", []string{"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
		{"0 9 30 12 *", "Pacific/Apia", "2011-12-28T00:00:00Z", []string{"2011-12-30T10:00:00Z", "2012-12-29T19:00:00Z"}},
		{"0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
		{"0 0 29 2 */7", "UTC", "2072-03-01T00:00:00Z", []string{"2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"}},
	} {
		parsed, err := schedule.Parse(c.cron)
		if err != nil {
			t.Fatal(err)
		}
		zone, err := schedule.LoadZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		timing := schedule.Timing{Cron: parsed, Zone: zone}
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if at = timing.Next(at); at.Format(time.RFC3339) != want {
				t.Errorf("%q in %s: %s, want %s", c.cron, c.zone, at.Format(time.RFC3339), want)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"*/5 1-3 1,2 jan mon", "@every 10s", "0 0 29 2 */2", "? ? ? ? ?", "@DAILY"} {
		f.Add(text)
	}
	zone, err := schedule.LoadZone("Australia/Lord_Howe")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := schedule.Parse(text)
		if err != nil {
			return
		}
		at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		next := schedule.Timing{Cron: c, Zone: zone, Anchor: at}.Next(at)
		if !next.After(at) || c.Words() == "" {
			t.Errorf("%q: next %s, %q", text, next, c.Words())
		}
	})
}
