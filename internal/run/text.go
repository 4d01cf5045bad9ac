package run

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

// clip shortens text to at most limit bytes without cutting a character, and makes it valid.
func clip(s string, limit int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= limit {
		return s
	}
	cut := limit
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut]
}

// checkText refuses text no column may hold: too long, not UTF-8, or with a NUL.
func checkText(field, s string, limit int) error {
	switch {
	case len(s) > limit:
		return api.Invalid(field, "must be at most %d bytes, is %d", limit, len(s))
	case !utf8.ValidString(s):
		return api.Invalid(field, "must be valid UTF-8")
	case strings.ContainsRune(s, 0):
		return api.Invalid(field, "must not contain NUL")
	}
	return nil
}

// checkWord is checkText for names and ids, which also hold no control characters.
func checkWord(field, s string, limit int) error {
	if err := checkText(field, s, limit); err != nil {
		return err
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return api.Invalid(field, "must not contain control characters")
	}
	return nil
}

// maxTitle is the length of a generated title in characters.
const maxTitle = 80

// titleOf makes a title from the first line of a prompt that says something.
func titleOf(prompt, skill string) string {
	for line := range strings.Lines(prompt) {
		line = strings.Join(strings.FieldsFunc(line, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r)
		}), " ")
		if line == "" {
			continue
		}
		if runes := []rune(line); len(runes) > maxTitle {
			return strings.TrimSpace(string(runes[:maxTitle-1])) + "…"
		}
		return line
	}
	if skill != "" {
		return skill
	}
	return "Untitled run"
}
