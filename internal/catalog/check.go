package catalog

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
)

// MaxSkillSpec bounds the specification of a skill, in bytes; maxSkills how many a run has.
const (
	MaxSkillSpec = 512
	maxSkills    = 32
	// MaxPrompt bounds standing instructions, in bytes: every execution is handed them.
	MaxPrompt = 256 << 10
)

// CheckText refuses text no column may hold: longer than limit bytes, not UTF-8, or with a NUL.
func CheckText(field, s string, limit int) error {
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

// CheckWord is CheckText for names and ids, which also hold no control characters.
func CheckWord(field, s string, limit int) error {
	if err := CheckText(field, s, limit); err != nil {
		return err
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return api.Invalid(field, "must not contain control characters")
	}
	return nil
}

// CheckHarness refuses a harness that nobody knows. Whether a server can carry it out is for the run.
func CheckHarness(field string, h api.Harness) error {
	if h.Type != "" && !h.Type.Valid() {
		return api.Invalid(field+".type", "%.64q is not a harness", string(h.Type))
	}
	return nil
}

// CheckSkills refuses skills that could not be found whatever the sandbox holds.
func CheckSkills(field string, specs []string) error {
	if len(specs) > maxSkills {
		return api.Invalid(field, "may be at most %d", maxSkills)
	}
	for i, spec := range specs {
		field := fmt.Sprintf("%s[%d]", field, i)
		if spec == "" {
			return api.Invalid(field, "must not be empty")
		}
		if err := CheckWord(field, spec, MaxSkillSpec); err != nil {
			return err
		}
	}
	return nil
}

// CheckMemory refuses memory stores without a use, and any that is named twice.
func CheckMemory(field string, stores []api.MemoryStoreRef) error {
	seen := map[string]bool{}
	for i, m := range stores {
		field := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case m.Uid == "" || strings.TrimSpace(m.Instructions) == "":
			return api.Invalid(field, "needs uid and instructions")
		case m.Access != api.MemoryStoreRefAccessReadOnly && m.Access != api.MemoryStoreRefAccessReadWrite:
			return api.Invalid(field+".access", "must be read_only or read_write")
		case seen[m.Uid]:
			return api.Invalid(field+".uid", "is named twice")
		}
		seen[m.Uid] = true
		if err := CheckWord(field+".uid", m.Uid, 128); err != nil {
			return err
		}
		if err := CheckText(field+".instructions", m.Instructions, MaxPrompt); err != nil {
			return err
		}
	}
	return nil
}
