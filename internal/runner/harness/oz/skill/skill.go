// Package skill finds and renders skills: directories with a SKILL.md that tells an agent how to do
// something.
//
// It owns the places skills are looked for and their precedence, the file's form, and the
// placeholders for arguments. It refuses to clone repositories or to run anything.
package skill

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// FileName is the file that makes a directory a skill.
const FileName = "SKILL.md"

const (
	maxFile        = 256 << 10
	maxFrontmatter = 16 << 10
	maxDescription = 2 << 10
)

// Skill is one skill.
type Skill struct {
	Name        string
	Description string
	// Body is the text after the frontmatter.
	Body string
	// Path is the SKILL.md.
	Path string
}

// Dir is where the skill's supporting files are.
func (s *Skill) Dir() string { return filepath.Dir(s.Path) }

// Load reads a SKILL.md.
func Load(path string) (*Skill, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	s, err := Parse(b)
	if err != nil {
		return nil, err
	}
	s.Path = path
	return s, nil
}

// Parse reads the text of a SKILL.md: YAML frontmatter with name and description between two lines
// of three dashes, then Markdown.
func Parse(b []byte) (*Skill, error) {
	if len(b) > maxFile {
		return nil, fmt.Errorf("larger than %d bytes", maxFile)
	}
	if !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return nil, errors.New("not UTF-8 text")
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(b), "\uFEFF"), "\r\n", "\n")
	rest, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return nil, errors.New("does not begin with frontmatter (---)")
	}
	front, body, ok := strings.Cut("\n"+rest, "\n---\n")
	if !ok {
		if front, ok = strings.CutSuffix("\n"+rest, "\n---"); !ok {
			return nil, errors.New("frontmatter is not closed (---)")
		}
		body = ""
	}
	if len(front) > maxFrontmatter {
		return nil, fmt.Errorf("frontmatter is larger than %d bytes", maxFrontmatter)
	}
	var meta struct {
		Name        string `yaml:"name"`
		Description string `yaml:"description"`
	}
	if err := yaml.Unmarshal([]byte(front), &meta); err != nil {
		return nil, fmt.Errorf("frontmatter: %w", err)
	}
	s := &Skill{Name: strings.TrimSpace(meta.Name), Description: strings.TrimSpace(meta.Description), Body: strings.TrimLeft(body, "\n")}
	switch {
	case s.Name == "":
		return nil, errors.New("frontmatter lacks name")
	case len(s.Name) > 128 || strings.ContainsAny(s.Name, "/\\:\n"):
		return nil, fmt.Errorf("name %.40q is not valid", s.Name)
	case s.Description == "":
		return nil, errors.New("frontmatter lacks description")
	case len(s.Description) > maxDescription:
		return nil, fmt.Errorf("description is longer than %d bytes", maxDescription)
	}
	return s, nil
}

var placeholder = regexp.MustCompile(`\$ARGUMENTS(?:\[(\d{1,4})\])?|\$(\d{1,4})`)

// Render puts arguments into the body: $ARGUMENTS is all of them, $ARGUMENTS[N] and $N the one with
// number N, from 0. A number that was not supplied stays as it is. It reports whether the body has
// a place for arguments; without one they are to be told separately.
func (s *Skill) Render(arguments string) (text string, placed bool) {
	words := split(arguments)
	text = placeholder.ReplaceAllStringFunc(s.Body, func(m string) string {
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
