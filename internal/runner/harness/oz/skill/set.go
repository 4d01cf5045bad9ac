package skill

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/cadrehq/cadre/api/skillfile"
)

// maxSkills bounds one directory; a repository is hostile input.
const maxSkills = 500

// Scope says where to look.
type Scope struct {
	// Home is the home directory, or empty.
	Home string
	// Workspace is where repositories are: it, or its children.
	Workspace string
	// Dir is the working directory, in Workspace.
	Dir string
	// Extra are directories of skills themselves (WARP_SKILL_DIRS).
	Extra []string
}

// Problem is a skill that cannot be used.
type Problem struct {
	Path string
	Err  error
}

func (p Problem) Error() string { return p.Path + ": " + p.Err.Error() }

// Set is the skills in scope.
type Set struct {
	scope    Scope
	tiers    [][]*Skill
	Problems []Problem
}

// ErrAmbiguous is the kind of error when a name means several skills.
var ErrAmbiguous = errors.New("ambiguous skill")

// ErrNotFound is the kind of error when there is no such skill.
var ErrNotFound = errors.New("no such skill")

// Discover finds the skills of a scope. Tiers in order: home, repository root, other directories in
// scope, working directory.
func Discover(scope Scope) *Set {
	s := &Set{scope: scope}
	root := repoRoot(scope.Workspace, scope.Dir)
	var home, atRoot, others, cwd []*Skill
	if scope.Home != "" && scope.Home != root {
		home = s.place(scope.Home)
	}
	atRoot = s.place(root)
	for _, d := range children(scope.Workspace) {
		if d != root {
			others = append(others, s.place(d)...)
		}
	}
	if scope.Workspace != root {
		others = append(others, s.place(scope.Workspace)...)
	}
	for _, d := range scope.Extra {
		others = append(others, s.dir(d)...)
	}
	if scope.Dir != root && scope.Dir != scope.Workspace {
		cwd = s.place(scope.Dir)
	}
	s.tiers = [][]*Skill{home, atRoot, others, cwd}
	return s
}

// repoRoot is the repository that contains dir, or the workspace.
func repoRoot(workspace, dir string) string {
	for d := dir; strings.HasPrefix(d, workspace) && d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, ".git")); err == nil {
			return d
		}
	}
	return workspace
}

// children are the repositories directly in the workspace.
func children(workspace string) []string {
	entries, _ := os.ReadDir(workspace)
	var out []string
	for _, e := range entries {
		d := filepath.Join(workspace, e.Name())
		if _, err := os.Stat(filepath.Join(d, ".git")); e.IsDir() && err == nil {
			out = append(out, d)
		}
	}
	return out
}

// place reads all skill directories of a home or repository; the first with a name wins.
func (s *Set) place(base string) []*Skill {
	var out []*Skill
	seen := map[string]bool{}
	for _, d := range skillfile.Dirs() {
		for _, sk := range s.dir(filepath.Join(base, filepath.FromSlash(d))) {
			if !seen[sk.Name] {
				seen[sk.Name] = true
				out = append(out, sk)
			}
		}
	}
	return out
}

func (s *Set) dir(dir string) []*Skill {
	entries, err := os.ReadDir(dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.Problems = append(s.Problems, Problem{dir, err})
		}
		return nil
	}
	var out []*Skill
	for i, e := range entries {
		if i == maxSkills {
			s.Problems = append(s.Problems, Problem{dir, fmt.Errorf("only the first %d entries were looked at", maxSkills)})
			break
		}
		path := filepath.Join(dir, e.Name(), skillfile.Name)
		sk, err := Load(path)
		switch {
		case err == nil:
			out = append(out, sk)
		case errors.Is(err, fs.ErrNotExist) || !e.IsDir() && e.Type()&fs.ModeSymlink == 0:
		default:
			s.Problems = append(s.Problems, Problem{path, err})
		}
	}
	return out
}

// Len is the number of names that can be called.
func (s *Set) Len() int { return len(s.List()) }

// List returns the skill each name stands for, by name; ambiguous names are left out.
func (s *Set) List() []*Skill {
	byName := map[string]*Skill{}
	for _, tier := range s.tiers {
		for _, sk := range tier {
			if byName[sk.Name] == nil {
				if found, err := s.byName(sk.Name); err == nil {
					byName[sk.Name] = found
				}
			}
		}
	}
	out := make([]*Skill, 0, len(byName))
	for _, sk := range byName {
		out = append(out, sk)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func (s *Set) byName(name string) (*Skill, error) {
	for _, tier := range s.tiers {
		var found []*Skill
		for _, sk := range tier {
			if sk.Name == name || filepath.Base(sk.Dir()) == name {
				found = append(found, sk)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			var paths []string
			for _, sk := range found {
				paths = append(paths, sk.Path)
			}
			return nil, fmt.Errorf("%w %q: %s; name the repository (repo:%s) or the path", ErrAmbiguous, name, strings.Join(paths, ", "), name)
		}
	}
	for _, p := range s.Problems {
		if filepath.Base(filepath.Dir(p.Path)) == name {
			return nil, fmt.Errorf("skill %q is malformed: %w", name, p)
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNotFound, name)
}

// Resolve finds the skill a spec means: name, path/to/SKILL.md, repo:name, repo:path,
// org/repo:name or org/repo:path.
func (s *Set) Resolve(spec string) (*Skill, error) {
	if repo, rest, ok := strings.Cut(spec, ":"); ok {
		return s.inRepo(spec, repo, rest)
	}
	if !isPath(spec) {
		return s.byName(spec)
	}
	bases := []string{s.scope.Dir, s.scope.Workspace}
	if filepath.IsAbs(spec) {
		bases = []string{""}
	}
	for _, base := range bases {
		sk, err := Load(filepath.Join(base, filepath.FromSlash(spec)))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return sk, wrap(spec, err)
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNotFound, spec)
}

func isPath(spec string) bool {
	return strings.Contains(spec, "/") && strings.HasSuffix(spec, "/"+skillfile.Name)
}

func wrap(spec string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("skill %q: %w", spec, err)
}

func (s *Set) inRepo(spec, repo, rest string) (*Skill, error) {
	org, name, hasOrg := strings.Cut(repo, "/")
	if !hasOrg {
		name = repo
	}
	for _, dir := range append([]string{repoRoot(s.scope.Workspace, s.scope.Dir), s.scope.Workspace}, children(s.scope.Workspace)...) {
		if filepath.Base(dir) != name && !(hasOrg && remoteIs(dir, org, name)) {
			continue
		}
		if hasOrg && !remoteIs(dir, org, name) {
			continue
		}
		if isPath(rest) {
			local := filepath.FromSlash(rest)
			if !filepath.IsLocal(local) {
				return nil, fmt.Errorf("skill %q: the path leaves the repository", spec)
			}
			sk, err := Load(filepath.Join(dir, local))
			return sk, wrap(spec, err)
		}
		here := &Set{scope: s.scope}
		here.tiers = [][]*Skill{here.place(dir)}
		sk, err := here.byName(rest)
		return sk, wrap(spec, err)
	}
	return nil, fmt.Errorf("%w: %q: no repository %s in the workspace", ErrNotFound, spec, repo)
}

// remoteIs reports whether a remote of the repository is org/name, whatever the host.
func remoteIs(dir, org, name string) bool {
	b, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if err != nil || len(b) > skillfile.MaxBytes {
		return false
	}
	for line := range strings.Lines(string(b)) {
		key, url, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(key) != "url" {
			continue
		}
		url = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSpace(url), "/"), ".git")
		url = strings.ReplaceAll(url, ":", "/")
		if strings.HasSuffix(strings.ToLower(url), strings.ToLower("/"+org+"/"+name)) {
			return true
		}
	}
	return false
}
