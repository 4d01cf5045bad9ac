package api

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxFileName bounds a safe file name, in bytes.
const maxFileName = 200

// FileName makes a name from outside safe to use in a directory: no separators, nothing that hides or
// looks like an option, no control characters, at most 200 bytes.
func FileName(name string) string {
	name = path.Base(path.Clean("/" + strings.ReplaceAll(name, `\`, "/")))
	name = strings.Map(func(c rune) rune {
		if c == '/' || c == utf8.RuneError || !unicode.IsPrint(c) {
			return '_'
		}
		return c
	}, name)
	name = strings.TrimLeft(name, ".-")
	for len(name) > maxFileName {
		_, n := utf8.DecodeRuneInString(name)
		name = name[n:] // the end holds the extension
	}
	if name = strings.TrimLeft(name, ".-"); name == "" {
		return "attachment"
	}
	return name
}

// FileNames are the safe names of files that share a directory, in their order; none occurs twice, also
// where capitals do not count.
func FileNames(names []string) []string {
	used := map[string]bool{}
	out := make([]string, len(names))
	for i, given := range names {
		name := FileName(given)
		unique := name
		for n := 2; used[strings.ToLower(unique)]; n++ {
			unique = fmt.Sprintf("%d-%s", n, name)
		}
		used[strings.ToLower(unique)], out[i] = true, unique
	}
	return out
}
