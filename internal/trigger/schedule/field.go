package schedule

import (
	"slices"
	"strconv"
	"strings"

	"github.com/cadrehq/cadre/api"
)

// spec describes a field.
type spec struct {
	name     string
	min, max int
	words    []string // names, from the number first on
	first    int
}

// specs are the fields in their order.
var specs = [5]spec{
	{name: "minute", max: 59},
	{name: "hour", max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, first: 1,
		words: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of week", max: 7, words: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

func (s spec) wrong(format string, args ...any) *api.Failure {
	return wrong(s.name+": "+format, args...)
}

// parseField reads a list of values, ranges and steps.
func parseField(s spec, text string) (set, error) {
	var all set
	for part := range strings.SplitSeq(text, ",") {
		one, err := parsePart(s, part)
		if err != nil {
			return 0, err
		}
		all |= one
	}
	return all, nil
}

// parsePart reads "*", "a", "a-b" or one of these with "/step"; "a/step" goes on to the end.
func parsePart(s spec, part string) (set, error) {
	span, stepText, stepped := strings.Cut(part, "/")
	low, high, err := parseSpan(s, span, stepped)
	if err != nil {
		return 0, err
	}
	step := 1
	if stepped {
		if step, err = digits(stepText); err != nil || step < 1 || step > s.max {
			return 0, s.wrong("the step %.20q must be a number from 1 to %d", stepText, s.max)
		}
	}
	var all set
	for n := low; n <= high; n += step {
		all |= 1 << uint(n)
	}
	return all, nil
}

func parseSpan(s spec, span string, stepped bool) (low, high int, err error) {
	last := s.max
	if s.name == "day of week" {
		last = 6 // 7 is Sunday again
	}
	if span == "*" || span == "?" && (s.name == "day of month" || s.name == "day of week") {
		return s.min, last, nil
	}
	from, to, ranged := strings.Cut(span, "-")
	if low, err = s.number(from); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		if high, err = s.number(to); err != nil {
			return 0, 0, err
		}
		if s.name == "day of week" && high == 0 && low > 0 {
			high = 7 // "fri-sun"
		}
		if high < low {
			return 0, 0, s.wrong("the range %.40q ends before it begins", span)
		}
	case stepped:
		high = max(low, last)
	default:
		high = low
	}
	return low, high, nil
}

// number reads a number or a name.
func (s spec) number(text string) (int, error) {
	if i := slices.Index(s.words, strings.ToLower(text)); i >= 0 {
		return s.first + i, nil
	}
	n, err := digits(text)
	if err != nil || n < s.min || n > s.max {
		return 0, s.wrong("%.20q must be from %d to %d", text, s.min, s.max)
	}
	return n, nil
}

// digits reads a number of at most two digits: no sign, no blank.
func digits(text string) (int, error) {
	if len(text) > 2 || strings.Trim(text, "0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.Atoi(text)
}
