package api

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzFileNames: whatever files are called, each lies in the directory it is saved to, under a name of its
// own that no tool takes for an option or hides.
func FuzzFileNames(f *testing.F) {
	for _, seed := range []string{"a.txt", "../../etc/passwd", `a\..\.bashrc`, "-rf", "..", "", "\x00\n\x1b[2J", strings.Repeat("é", 300), "/", "A.TXT", "\xff.\u202etxt"} {
		f.Add(seed, "a.txt")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		names := FileNames([]string{a, b, a})
		seen := map[string]bool{}
		for _, name := range names {
			if name == "" || len(name) > maxFileName+8 || !utf8.ValidString(name) || filepath.Base(name) != name || !filepath.IsLocal(name) ||
				strings.ContainsAny(name, "/\\\x00\n\r") || name[0] == '.' || name[0] == '-' || seen[strings.ToLower(name)] {
				t.Fatalf("%q, %q become %q", a, b, names)
			}
			seen[strings.ToLower(name)] = true
		}
	})
}
