// Package skill finds skills in a workspace: directories with a SKILL.md that tells an agent how to do
// something.
//
// It owns where skills are looked for, whose go first, and what a name means. The file's form is
// api/skillfile's. It refuses to clone repositories or to run anything.
package skill

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/cadrehq/cadre/api/skillfile"
)

// Skill is one skill.
type Skill struct {
	skillfile.File
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
	b, err := io.ReadAll(io.LimitReader(f, skillfile.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	file, err := skillfile.Parse(b)
	if err != nil {
		return nil, err
	}
	return &Skill{File: file, Path: path}, nil
}
