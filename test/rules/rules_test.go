package rules

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/cadrehq/cadre/"

type listed struct {
	ImportPath, Dir, Doc string
	Imports              []string
	GoFiles              []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// layers is STYLE.md's line, leftmost first: a package may import itself, its own subpackages and
// what stands left of it.
var layers = [][]string{
	{"api"},
	{"internal/identity"},
	{"internal/secret", "internal/usage", "internal/catalog", "internal/blob"},
	{"internal/memory"},
	{"internal/session"},
	{"internal/run"},
	{"internal/dispatch", "internal/orchestration", "internal/gateway"},
	{"internal/trigger"},
	{"internal/store"},
	{"internal/server"},
	{"internal/bench"},
	{"internal/cli"},
	{"cmd/cadre"},
}

// apart names the packages outside that line, with all that they may import.
var apart = map[string][]string{
	"internal/event":  {"api"},
	"internal/worker": {"api", "internal/proc"},
	"internal/runner": {"api", "internal/proc"},
}

// onlyFrom names packages that only certain others may import.
var onlyFrom = map[string][]string{
	"web":             {"internal/server"},
	"internal/event":  {"internal/server"},
	"internal/store":  {"internal/server", "internal/bench", "internal/cli"},
	"internal/bench":  {"internal/cli"},
	"internal/worker": {"internal/cli"},
	"internal/runner": {"internal/cli"},
}

func within(path string, roots ...string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}

func layer(path string) int {
	for i, l := range layers {
		if within(path, l...) {
			return i
		}
	}
	return -1
}

func root(path string, of map[string][]string) string {
	for r := range of {
		if within(path, r) {
			return r
		}
	}
	return ""
}

func TestImportsPointLeft(t *testing.T) {
	for _, p := range packages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if within(from, "test") {
			continue
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if !ours || within(to, owner(from), "internal/fault") {
				continue
			}
			if r := root(to, onlyFrom); r != "" && !within(from, r) && !within(from, onlyFrom[r]...) && !isTestHelper(from) {
				t.Errorf("%s imports %s, which only %v may", from, to, onlyFrom[r])
			}
			if r := root(from, apart); r != "" {
				if !within(to, apart[r]...) {
					t.Errorf("%s imports %s; it may import only %v", from, to, apart[r])
				}
				continue
			}
			a, b := layer(from), layer(to)
			if root(to, apart) == "" && b >= a {
				t.Errorf("%s imports %s, which does not stand left of it in STYLE.md", from, to)
			}
		}
	}
}

// owner is the product noun a package belongs to: internal/run for internal/run/runtest, api for
// api/client.
func owner(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if parts[0] == "api" {
		return parts[0]
	}
	if parts[0] == "internal" && len(parts) > 2 {
		return parts[0] + "/" + parts[1]
	}
	return path
}

func isTestHelper(path string) bool { return strings.HasSuffix(path, "test") }

func TestEveryPackageSaysWhatItOwns(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestNoPackageIsAGrabBag(t *testing.T) {
	bag := regexp.MustCompile(`(^|/)(utils?|common|types|models|helpers?|misc)$`)
	for _, p := range packages(t) {
		if bag.MatchString(p.ImportPath) {
			t.Errorf("%s: packages are product nouns", p.ImportPath)
		}
	}
}

func TestFilesStayReadable(t *testing.T) {
	const most = 600
	for _, p := range packages(t) {
		for _, f := range p.GoFiles {
			if strings.HasSuffix(f, ".gen.go") {
				continue
			}
			b, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(b, []byte{'\n'}); n > most {
				t.Errorf("%s/%s has %d lines; split it by step or by thing", p.ImportPath, f, n)
			}
		}
	}
}

// TestDocumentsNameWhatExists finds `path/like.this` words in the project's own documents and looks
// for them in the tree.
func TestDocumentsNameWhatExists(t *testing.T) {
	path := regexp.MustCompile("`((?:internal|api|cmd|test|scripts|docs|web)/[A-Za-z0-9_./-]+)`")
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "../../README.md") {
		f, err := os.Open(doc)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for n := 1; lines.Scan(); n++ {
			for _, m := range path.FindAllStringSubmatch(lines.Text(), -1) {
				if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
					t.Errorf("%s:%d names %s, which does not exist", doc, n, m[1])
				}
			}
		}
		f.Close()
	}
}

// TestEveryLibraryIsExplained holds each module that go.mod requires directly to a line in
// docs/libraries.md, and each line there to a module.
func TestEveryLibraryIsExplained(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/libraries.md")
	if err != nil {
		t.Fatal(err)
	}
	required := map[string]bool{}
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) == 2 && strings.HasPrefix(f[1], "v") {
			required[f[0]] = true
		}
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9.-]+\\.[a-z]+/[A-Za-z0-9_./-]+)`").FindAllStringSubmatch(string(doc), -1) {
		explained[m[1]] = true
	}
	for module := range required {
		if !explained[module] {
			t.Errorf("docs/libraries.md does not say why %s is required", module)
		}
	}
	for module := range explained {
		if !required[module] {
			t.Errorf("docs/libraries.md explains %s, which go.mod does not require", module)
		}
	}
}

// TestEveryFlagIsDocumented finds each flag of the long-running commands in docs/operating.md.
func TestEveryFlagIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	flag := regexp.MustCompile(`(?m)^ +(?:-[a-zA-Z], )?(--[a-z-]+)`)
	for _, command := range []string{"up", "server", "worker"} {
		help, err := os.ReadFile("../../internal/cli/testdata/help/cadre-" + command + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		own, _, _ := strings.Cut(string(help), "Global Flags:")
		for _, m := range flag.FindAllStringSubmatch(own, -1) {
			if m[1] != "--help" && !strings.Contains(string(doc), "`"+m[1]+"`") {
				t.Errorf("docs/operating.md does not tell of %s of cadre %s", m[1], command)
			}
		}
	}
}
