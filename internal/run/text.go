package run

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/internal/catalog"
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

// checkText and checkWord are the catalogue's rules of text and names, which configurations follow too.
func checkText(field, s string, limit int) error { return catalog.CheckText(field, s, limit) }

func checkWord(field, s string, limit int) error { return catalog.CheckWord(field, s, limit) }

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
