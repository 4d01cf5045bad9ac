// Package term writes for people at terminals: cleaned text, styles, tables and progress.
//
// Everything a server sends may have been written by an agent or by whoever feeds it, so it is
// hostile to a terminal: Clean and JSON neutralise it, and nothing else in the CLI prints server
// content. The package knows nothing about runs.
package term

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// hostile says whether a terminal may act on r instead of showing it: control characters, and the
// marks that reorder or hide text. Newline and tab are left to the caller.
func hostile(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r <= 0x9f:
		return true
	case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0x061c:
		return true // bidirectional overrides
	case r == 0x2028, r == 0x2029, r == 0xfeff:
		return true
	case r >= 0xe0000 && r <= 0xe007f:
		return true // invisible tag characters
	}
	return false
}

// Clean makes text safe to print: newlines and tabs stay, other control characters become visible
// pictures of themselves, invalid UTF-8 becomes U+FFFD. It may be applied to fragments: no
// sequence can be made of two cleaned parts.
func Clean(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || (hostile(r) && r != '\n' && r != '\t') }) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for _, r := range s {
		switch {
		case r == '\n', r == '\t', !hostile(r):
			b.WriteRune(r)
		case r < 0x20:
			b.WriteRune(0x2400 + r)
		case r == 0x7f:
			b.WriteRune(0x2421)
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}

// CleanLine is Clean for a place that has one line: runs of white space become one space.
func CleanLine(s string) string { return Clean(strings.Join(strings.Fields(s), " ")) }

// JSON escapes within a valid JSON text what a terminal may act on. The value stays the same.
func JSON(b []byte) []byte {
	s := string(b)
	if !strings.ContainsFunc(s, func(r rune) bool { return hostile(r) && r >= 0x7f }) {
		return b
	}
	var out strings.Builder
	out.Grow(len(s))
	for _, r := range s {
		switch {
		case r < 0x7f || !hostile(r):
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return []byte(out.String())
}

// Shorten cuts one line to at most n columns, the last being an ellipsis.
func Shorten(s string, n int) string {
	if Width(s) <= n {
		return s
	}
	w := 0
	for i, r := range s {
		if w += runeWidth(r); w > n-1 {
			return s[:i] + "…"
		}
	}
	return s
}
