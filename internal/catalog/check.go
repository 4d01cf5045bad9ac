package catalog

import (
	"fmt"
	"net/url"
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

// Bounds on definitions. They keep a row and an assignment small.
const (
	maxName        = 200 // characters
	maxDescription = 240 // characters
	maxImage       = 512 // bytes
	maxCommands    = 100
	maxCommand     = 16 << 10
	maxSecrets     = 200
)

// checkName checks the name of a kind whose owner refers to it by name.
func checkName(field, name string) error {
	if strings.TrimSpace(name) == "" {
		return api.Invalid(field, "is required")
	}
	if name != strings.TrimSpace(name) {
		return api.Invalid(field, "must not begin or end with a blank")
	}
	return checkLine(field, name, maxName)
}

// checkLine checks a text of one line, with a bound in characters.
func checkLine(field, s string, limit int) error {
	switch {
	case !utf8.ValidString(s):
		return api.Invalid(field, "is not valid UTF-8")
	case utf8.RuneCountInString(s) > limit:
		return api.Invalid(field, "must be at most %d characters long", limit)
	case strings.ContainsFunc(s, unicode.IsControl):
		return api.Invalid(field, "contains control characters")
	}
	return nil
}

func checkDescription(s string) error {
	if utf8.RuneCountInString(s) > maxDescription {
		return api.Invalid("config.description", "must be at most %d characters long", maxDescription)
	}
	return CheckText("config.description", s, 4*maxDescription)
}

// checkCommands checks set-up commands.
func checkCommands(commands []string) error {
	if len(commands) > maxCommands {
		return api.Invalid("config.setup_commands", "must have at most %d members", maxCommands)
	}
	for i, command := range commands {
		if err := CheckText(fmt.Sprintf("config.setup_commands[%d]", i), command, maxCommand); err != nil {
			return err
		}
	}
	return nil
}

// checkImage checks the reference of an image. It becomes an argument of the backend's engine.
func checkImage(field, image string) error {
	switch {
	case len(image) > maxImage:
		return api.Invalid(field, "must be at most %d bytes", maxImage)
	case strings.HasPrefix(image, "-") || strings.ContainsFunc(image, func(r rune) bool { return r <= ' ' || r > '~' }):
		return api.Invalid(field, "is no reference of an image, as golang:1.26 is")
	}
	return nil
}

// CheckSecrets refuses a list of secrets that cannot be meant. Names that stand for nothing are no error:
// the secret may come later.
func CheckSecrets(field string, refs []api.SecretRef) error {
	if len(refs) > maxSecrets {
		return api.Invalid(field, "must have at most %d members", maxSecrets)
	}
	seen := map[string]bool{}
	for i, ref := range refs {
		at := fmt.Sprintf("%s[%d].name", field, i)
		switch {
		case ref.Name == "" || len(ref.Name) > maxName || strings.ContainsFunc(ref.Name, unicode.IsControl):
			return api.Invalid(at, "must be the name of a secret")
		case seen[ref.Name]:
			return api.Invalid(at, "%s is there twice", ref.Name)
		}
		seen[ref.Name] = true
	}
	return nil
}

// CheckCloneURL refuses an address no runner can clone. An empty one stands for the forge's own.
func CheckCloneURL(field, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return api.Invalid(field, "is no URL: write https://host/owner/repo.git")
	case u.Scheme == "file" && u.Host == "" && u.Path != "", (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	case u.Scheme == "file":
		return api.Invalid(field, "write file:///path, with three slashes; the path is one of the worker's host")
	}
	return api.Invalid(field, "must be an https, http or file URL: runners clone over no other")
}

// firstError is the first that a check finds.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
