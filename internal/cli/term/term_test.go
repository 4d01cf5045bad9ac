package term

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostileTexts are what an agent could print to take over a terminal.
var hostileTexts = []string{
	"\x1b]0;owned\x07", "\x1b[2J\x1b[H", "\x9b31m", "\u009b31m", "a\rb", "a\bb", "\x00", "\x7f", "\u202egnp.exe", "\u2066x\u2069",
	"\xff\xfe", "\u2028", "\U000e0041", "\ufeff", "\x1bP1000p", "a\x1b\\b", "\x0b\x0c", "\u200f\u061c",
}

func acts(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return hostile(r) && r != '\n' && r != '\t' }) || !utf8.ValidString(s)
}

func TestCleanLeavesNothingATerminalActsOn(t *testing.T) {
	for _, s := range hostileTexts {
		if got := Clean("before " + s + " after"); acts(got) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
			t.Errorf("Clean(%q) = %q", s, got)
		}
		if got := CleanLine(s + "\n" + s); acts(got) || strings.Contains(got, "\n") {
			t.Errorf("CleanLine(%q) = %q", s, got)
		}
	}
}

func TestCleanShowsWhatItReplaces(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[31mred": "␛[31mred", "plain é 漢 😀\n\tx": "plain é 漢 😀\n\tx", "a\r\nb": "a\nb", "\x7f": "␡", "\xff": "\ufffd",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range hostileTexts {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Any two parts cleaned apart are as harmless as the whole.
		for _, got := range []string{Clean(s), CleanLine(s), Clean(s[:len(s)/2]) + Clean(s[len(s)/2:])} {
			if acts(got) {
				t.Errorf("%q became %q", s, got)
			}
		}
	})
}

func TestJSONKeepsTheValue(t *testing.T) {
	for _, s := range append(hostileTexts, "plain", "\"quoted\\\"") {
		s = strings.ToValidUTF8(s, "\ufffd")
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]string{s: s}); err != nil {
			t.Fatal(err)
		}
		got := JSON(b.Bytes())
		if acts(string(got)) {
			t.Errorf("JSON of %q is %q", s, got)
		}
		var back map[string]string
		if err := json.Unmarshal(got, &back); err != nil || back[s] != s {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	}
}

func TestTable(t *testing.T) {
	table := Table{Header: []string{"ID", "Name"}, Rows: [][]string{{"1", "漢字"}, {"22", "a\x1b[2Jb\nc"}}}
	var b strings.Builder
	if err := table.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	if want := "ID  Name\n1   漢字\n22  a␛[2Jb c\n"; b.String() != want {
		t.Errorf("text is %q", b.String())
	}
	b.Reset()
	if err := table.WritePretty(&b, false); err != nil {
		t.Fatal(err)
	}
	want := "╭────┬──────────╮\n│ ID │ Name     │\n├────┼──────────┤\n│ 1  │ 漢字     │\n│ 22 │ a␛[2Jb c │\n╰────┴──────────╯\n"
	if b.String() != want {
		t.Errorf("pretty is\n%s", b.String())
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"漢字漢", 4, "漢…"}, {"", 0, ""}} {
		if got := Shorten(c.in, c.n); got != c.want {
			t.Errorf("Shorten(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestProgressIsSilentOffATerminalAndErasesItself(t *testing.T) {
	var b bytes.Buffer
	p := StartProgress(&b, false, "x")
	p.Say("y")
	p.Stop()
	if b.Len() != 0 {
		t.Errorf("wrote %q", b.String())
	}
	p = StartProgress(&b, true, "x")
	p.Stop()
	p.Stop()
	if !strings.HasSuffix(b.String(), "\r\x1b[K") {
		t.Errorf("left %q", b.String())
	}
}
