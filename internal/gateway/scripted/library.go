package scripted

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Library is the scripts of a directory.
type Library struct {
	scripts []Script
}

// NewLibrary makes a library of scripts that Parse has read.
func NewLibrary(scripts ...Script) *Library { return &Library{scripts: slices.Clone(scripts)} }

// LoadLibrary reads every .yaml, .yml and .json file of a directory, in the order of their names. An
// empty dir is an empty library. A script that cannot be read fails the load: a demo or test that
// silently plays something else helps nobody.
func LoadLibrary(dir string) (*Library, error) {
	lib := &Library{}
	if dir == "" {
		return lib, nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("script directory %s does not exist", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read script directory: %w", err)
	}
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, ext) {
			continue
		}
		src, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		scripts, err := Parse(src)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name(), err)
		}
		lib.add(strings.TrimSuffix(e.Name(), ext), scripts)
	}
	return lib, nil
}

func (l *Library) add(file string, scripts []Script) {
	for _, s := range scripts {
		s.file = file
		if s.Name == "" {
			s.Name = file
		}
		l.scripts = append(l.scripts, s)
	}
}

// Names lists the scripts, each once.
func (l *Library) Names() []string {
	var names []string
	for _, s := range l.scripts {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// Has tells whether a script or file of that name exists.
func (l *Library) Has(name string) bool {
	return slices.ContainsFunc(l.scripts, func(s Script) bool { return s.Name == name || s.file == name })
}

// candidates are the scripts to match for a model id's name; explicit when a name was given.
func (l *Library) candidates(name string) []Script {
	var out []Script
	for _, s := range l.scripts {
		if name == "" || s.Name == name || s.file == name {
			out = append(out, s)
		}
	}
	return out
}
