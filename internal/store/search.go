package store

import (
	"strings"

	"github.com/cadrehq/cadre/internal/run"
)

// fragments splits a search text into what must all occur, in lower case.
func fragments(text string) []string { return strings.Fields(strings.ToLower(text)) }

// matches reports whether every fragment occurs in the run's title, prompt or skill, whatever the
// case. It is the definition of the search: an index may only narrow down what is tried.
func matches(r run.Run, fragments []string) bool {
	if len(fragments) == 0 {
		return true
	}
	title, prompt, skill := strings.ToLower(r.Title), strings.ToLower(r.Prompt), strings.ToLower(r.Skill)
	for _, f := range fragments {
		if !strings.Contains(title, f) && !strings.Contains(prompt, f) && !strings.Contains(skill, f) {
			return false
		}
	}
	return true
}
