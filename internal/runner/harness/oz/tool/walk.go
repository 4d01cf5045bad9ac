package tool

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// ignoreRule is one line of a .gitignore. Supported is what matters for searching: anchoring,
// directories only, negation and the usual wildcards.
type ignoreRule struct {
	base    string // directory of the .gitignore
	pattern string
	dirOnly bool
	negate  bool
}

const maxIgnoreBytes = 256 << 10

func readIgnore(fsys fs.FS, dir string) []ignoreRule {
	f, err := fsys.Open(path.Join(dir, ".gitignore"))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxIgnoreBytes {
		return nil
	}
	b, err := fs.ReadFile(fsys, path.Join(dir, ".gitignore"))
	if err != nil {
		return nil
	}
	var rules []ignoreRule
	for line := range strings.Lines(string(b)) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		r := ignoreRule{base: dir}
		if line, r.negate = cutPrefix(line, "!"); line == "" {
			continue
		}
		line, r.dirOnly = strings.CutSuffix(line, "/")
		line, anchored := cutPrefix(line, "/")
		if !anchored && !strings.Contains(line, "/") {
			line = "**/" + line
		}
		if r.pattern = line; doublestar.ValidatePattern(line) {
			rules = append(rules, r)
		}
	}
	return rules
}

func cutPrefix(s, prefix string) (string, bool) {
	rest, ok := strings.CutPrefix(s, prefix)
	return rest, ok
}

func ignored(rules []ignoreRule, name string, dir bool) bool {
	for i := len(rules) - 1; i >= 0; i-- { // the last matching rule decides
		r := rules[i]
		rel := name
		if r.base != "." {
			var ok bool
			if rel, ok = strings.CutPrefix(name, r.base+"/"); !ok {
				continue
			}
		}
		if r.dirOnly && !dir {
			continue
		}
		if ok, _ := doublestar.Match(r.pattern, rel); ok {
			return !r.negate
		}
	}
	return false
}

// walk visits the regular files below dir in order of names, without what git would ignore. It
// follows no symlinks. Visit returns false to stop.
func walk(ctx context.Context, fsys fs.FS, dir string, rules []ignoreRule, visit func(name string, d fs.DirEntry) bool) (bool, error) {
	if err := cancelled(ctx); err != nil {
		return false, err
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return true, nil //nolint:nilerr // unreadable directories are skipped, as by every search tool
	}
	own := readIgnore(fsys, dir)
	rules = append(rules[:len(rules):len(rules)], own...)
	for _, d := range entries {
		name := path.Join(dir, d.Name())
		if d.Name() == ".git" || ignored(rules, name, d.IsDir()) {
			continue
		}
		switch {
		case d.IsDir():
			if on, err := walk(ctx, fsys, name, rules, visit); err != nil || !on {
				return on, err
			}
		case d.Type().IsRegular():
			if !visit(name, d) {
				return false, nil
			}
		}
	}
	return true, nil
}

// rulesAbove reads the ignore files between the workspace and dir, dir excluded.
func rulesAbove(fsys fs.FS, dir string) []ignoreRule {
	if dir == "." {
		return nil
	}
	rules := readIgnore(fsys, ".")
	parts := strings.Split(dir, "/")
	for i := 1; i < len(parts); i++ {
		rules = append(rules, readIgnore(fsys, strings.Join(parts[:i], "/"))...)
	}
	return rules
}
