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

// titleOf makes a title from the first line of a prompt that says something: one outside of fenced
// blocks, since these are quotations, logs and scripts, else the first one inside. Without any it is
// the skill's.
func titleOf(prompt, skill string) string {
	fence, quoted := "", "" // what closes the block we are in; the first line seen in a block
	for line := range strings.Lines(prompt) {
		line = oneLine(line)
		mark := fenceOf(line)
		switch {
		case fence != "":
			if mark == line && strings.HasPrefix(mark, fence) {
				fence = ""
			} else if quoted == "" {
				quoted = plain(line)
			}
		case mark != "":
			fence = mark
		default:
			if line = plain(line); line != "" {
				return shorten(line)
			}
		}
	}
	return shorten(orElse(quoted, orElse(skill, "Untitled run")))
}

// oneLine drops control characters and makes all space single.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
}

// fenceOf returns the run of at least three backticks or tildes a line begins with, as Markdown
// fences a block.
func fenceOf(line string) string {
	for _, mark := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, mark)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

// plain is a line without the marks of headings, quotations and lists, or empty when nothing of it is
// a letter, a digit or a symbol that speaks.
func plain(line string) string {
	text := strings.TrimLeft(line, "#>-*+ ")
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || r > unicode.MaxLatin1 }) {
		return ""
	}
	// A mark has a space behind it: "-v", "#12" and "*p" are words.
	if i := len(line) - len(text); i > 0 && line[i-1] != ' ' {
		return line[strings.LastIndexByte(line[:i], ' ')+1:]
	}
	return text
}

// shorten cuts a title to its length.
func shorten(title string) string {
	if runes := []rune(title); len(runes) > maxTitle {
		return strings.TrimSpace(string(runes[:maxTitle-1])) + "…"
	}
	return title
}
