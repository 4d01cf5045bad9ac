// Package skillfile is the form of a skill: a directory with a SKILL.md that tells an agent how to do
// something.
//
// It owns the file's form, the directories of a repository that hold skills with their precedence, and
// the placeholders for arguments. It refuses to look for files: the runner finds skills in a workspace,
// the server in repositories it reads without checking them out.
package skillfile

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Name is the file that makes a directory a skill.
const Name = "SKILL.md"

// MaxBytes bounds a SKILL.md.
const MaxBytes = 256 << 10

const (
	maxFrontmatter = 16 << 10
	maxDescription = 2 << 10
)

// Dirs returns the directories of a home or a repository that hold skills, highest precedence first
// (contract cli section 15).
func Dirs() []string {
	return []string{".agents/skills", ".warp/skills", ".claude/skills", ".codex/skills", ".cursor/skills", ".gemini/skills",
		".copilot/skills", ".factory/skills", ".github/skills", ".opencode/skills", ".kiro/skills"}
}

// File is what a SKILL.md says.
type File struct {
	Name        string
	Description string
	// Body is the text after the frontmatter.
	Body string
}

// Parse reads the text of a SKILL.md: YAML frontmatter with name and description between two lines
// of three dashes, then Markdown.
func Parse(b []byte) (File, error) {
	if len(b) > MaxBytes {
		return File{}, fmt.Errorf("larger than %d bytes", MaxBytes)
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return File{}, errors.New("not UTF-8 text")
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(b), "\uFEFF"), "\r\n", "\n")
	rest, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return File{}, errors.New("does not begin with frontmatter (---)")
	}
	front, body, ok := strings.Cut("\n"+rest, "\n---\n")
	if !ok {
		if front, ok = strings.CutSuffix("\n"+rest, "\n---"); !ok {
			return File{}, errors.New("frontmatter is not closed (---)")
		}
		body = ""
	}
	if len(front) > maxFrontmatter {
		return File{}, fmt.Errorf("frontmatter is larger than %d bytes", maxFrontmatter)
	}
	var meta struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	}
	if err := yaml.Unmarshal([]byte(front), &meta); err != nil {
		return File{}, fmt.Errorf("frontmatter: %w", err)
	}
	f := File{Name: strings.TrimSpace(meta.Name), Description: strings.TrimSpace(meta.Description), Body: strings.TrimLeft(body, "\n")}
	return f, f.check()
}

func (f File) check() error {
	switch {
	case f.Name == "":
		return errors.New("frontmatter lacks name")
	case len(f.Name) > 128 || strings.ContainsAny(f.Name, "/\\:\n"):
		return fmt.Errorf("name %.40q is not valid", f.Name)
	case f.Description == "":
		return errors.New("frontmatter lacks description")
	case len(f.Description) > maxDescription:
		return fmt.Errorf("description is longer than %d bytes", maxDescription)
	}
	return nil
}

var placeholder = regexp.MustCompile(`\$ARGUMENTS(?:\[(\d{1,4})\])?|\$(\d{1,4})`)

// Render puts arguments into the body: $ARGUMENTS is all of them, $ARGUMENTS[N] and $N the one with
// number N, from 0. A number that was not supplied stays as it is. It reports whether the body has
// a place for arguments; without one they are to be told separately.
func (f File) Render(arguments string) (text string, placed bool) {
	words := split(arguments)
	text = placeholder.ReplaceAllStringFunc(f.Body, func(m string) string {
		placed = true
		sub := placeholder.FindStringSubmatch(m)
		n := sub[1] + sub[2]
		if n == "" {
			return arguments
		}
		if i, err := strconv.Atoi(n); err == nil && i < len(words) {
			return words[i]
		}
		return m
	})
	return text, placed
}

// split separates arguments at spaces; quotes hold together.
func split(s string) []string {
	var words []string
	var word strings.Builder
	var quote rune
	in := false
	for _, r := range s {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if in {
		words = append(words, word.String())
	}
	return words
}
