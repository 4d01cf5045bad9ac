package store

import "strings"

// fragments splits a search text into what must all occur, in lower case.
func fragments(text string) []string { return strings.Fields(strings.ToLower(text)) }

// matches reports whether every fragment occurs in one of a run's texts (its title, prompt or skill),
// whatever the case. It is the definition of the search: the index only narrows down what is tried.
func matches(texts, fragments []string) bool {
	if len(fragments) == 0 {
		return true
	}
	lower := make([]string, len(texts))
	for i, t := range texts {
		lower[i] = strings.ToLower(t)
	}
	for _, f := range fragments {
		found := false
		for _, t := range lower {
			found = found || strings.Contains(t, f)
		}
		if !found {
			return false
		}
	}
	return true
}
