package skill

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func text(name, body string) string {
	return "---\nname: " + name + "\ndescription: Does " + name + ".\n---\n" + body
}

func TestPrecedenceAndAmbiguity(t *testing.T) {
	t.Parallel()
	home, ws := t.TempDir(), t.TempDir()
	app, lib := filepath.Join(ws, "app"), filepath.Join(ws, "lib")
	put(t, filepath.Join(app, ".git/config"), "[remote \"origin\"]\n\turl = git@example.com:acme/app.git\n")
	put(t, filepath.Join(lib, ".git/config"), "[remote \"origin\"]\n\turl = https://example.com/acme/lib\n")
	put(t, filepath.Join(home, ".claude/skills/a/SKILL.md"), text("a", "home"))
	put(t, filepath.Join(app, ".agents/skills/a/SKILL.md"), text("a", "app"))
	put(t, filepath.Join(app, ".agents/skills/b/SKILL.md"), text("b", "agents wins"))
	put(t, filepath.Join(app, ".warp/skills/b/SKILL.md"), text("b", "warp"))
	put(t, filepath.Join(lib, ".kiro/skills/c/SKILL.md"), text("c", "lib"))
	put(t, filepath.Join(ws, ".github/skills/c/SKILL.md"), text("c", "workspace"))
	put(t, filepath.Join(app, "sub/.agents/skills/d/SKILL.md"), text("d", "cwd"))
	put(t, filepath.Join(app, ".agents/skills/bad/SKILL.md"), "nothing here")
	extra := t.TempDir()
	put(t, filepath.Join(extra, "e/SKILL.md"), text("e", "extra"))
	set := Discover(Scope{Home: home, Workspace: ws, Dir: filepath.Join(app, "sub"), Extra: []string{extra}})
	for spec, want := range map[string]string{
		"a": "home", "b": "agents wins", "d": "cwd", "e": "extra", "app:a": "app", "acme/app:a": "app", "lib:c": "lib",
		"lib:.kiro/skills/c/SKILL.md": "lib", "../.warp/skills/b/SKILL.md": "warp", "app/.warp/skills/b/SKILL.md": "warp",
	} {
		sk, err := set.Resolve(spec)
		if err != nil || sk.Body != want {
			t.Errorf("%s: %+v %v", spec, sk, err)
		}
	}
	if _, err := set.Resolve("c"); !errors.Is(err, ErrAmbiguous) || !strings.Contains(err.Error(), "kiro") {
		t.Errorf("c: %v", err)
	}
	for _, spec := range []string{"nope", "other/app:a", "gone:a", "x/SKILL.md", "app:../../x/SKILL.md", ""} {
		if _, err := set.Resolve(spec); err == nil {
			t.Errorf("%q was found", spec)
		}
	}
	if _, err := set.Resolve("bad"); err == nil || !strings.Contains(err.Error(), "malformed") {
		t.Errorf("bad: %v", err)
	}
	if len(set.Problems) != 1 || !strings.Contains(set.Problems[0].Path, "bad") {
		t.Errorf("problems %+v", set.Problems)
	}
	var names []string
	for _, sk := range set.List() {
		names = append(names, sk.Name)
	}
	if got := strings.Join(names, " "); got != "a b d e" {
		t.Errorf("list %q", got)
	}
}
