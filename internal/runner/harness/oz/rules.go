package oz

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/runner/harness"
	"github.com/cadrehq/cadre/internal/runner/harness/oz/tool"
)

// ruleFiles are the names of rules files, in this spelling only; the first in a directory counts.
var ruleFiles = []string{"WARP.md", "AGENTS.md", "CLAUDE.md", "GEMINI.md", ".github/copilot-instructions.md", ".cursorrules"}

// globalRules are the places in the home directory; the first counts.
var globalRules = []string{".config/cadre/AGENTS.md", ".agents/AGENTS.md", ".warp/WARP.md", ".claude/CLAUDE.md", ".codex/AGENTS.md", ".gemini/GEMINI.md"}

const (
	maxRuleFile = 48 << 10
	maxRules    = 128 << 10
)

// rules holds what is told of rules: those the team and the person keep on the server, then what rules
// files say, global ones, then from the workspace's root down to the working directory, the nearest last
// because it wins. Those of other directories are told when the agent
// first touches a file there. It is safe for concurrent use.
type rules struct {
	initial []ruleFile

	mu   sync.Mutex
	seen map[string]bool // workspace directories looked at
	size int
}

type ruleFile struct{ path, text string }

func newRules(s harness.Session) *rules {
	r := &rules{seen: map[string]bool{}}
	for _, shared := range s.Assignment.Rules {
		whose := "the team's rules"
		if shared.Scope.Type == api.ScopeTypeUser {
			whose = "the person's rules"
		}
		r.initial = append(r.initial, ruleFile{whose, shared.Text})
	}
	if s.Home != "" {
		for _, name := range globalRules {
			if f, ok := r.read(s.Home, name); ok {
				f.path = "~/" + name
				r.initial = append(r.initial, f)
				break
			}
		}
	}
	dir := s.Dir
	if dir == "" {
		dir = s.Workdir
	}
	rel, err := filepath.Rel(s.Workdir, dir)
	if err != nil || !filepath.IsLocal(rel) {
		rel = "."
	}
	r.initial = append(r.initial, r.chain(s.Workdir, filepath.ToSlash(rel))...)
	return r
}

// chain reads the rules from the workspace down to dir that were not read before.
func (r *rules) chain(workdir, dir string) []ruleFile {
	var out []ruleFile
	for _, d := range lineage(dir) {
		if r.seen[d] {
			continue
		}
		r.seen[d] = true
		for _, name := range ruleFiles {
			if f, ok := r.read(workdir, path.Join(d, name)); ok {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// lineage lists the directories from the root down to dir.
func lineage(dir string) []string {
	out := []string{"."}
	if dir == "." {
		return out
	}
	parts := strings.Split(dir, "/")
	for i := range parts {
		out = append(out, strings.Join(parts[:i+1], "/"))
	}
	return out
}

func (r *rules) read(base, name string) (ruleFile, bool) {
	root, err := os.OpenRoot(base)
	if err != nil {
		return ruleFile{}, false
	}
	defer func() { _ = root.Close() }()
	fi, err := root.Stat(name)
	if err != nil || !fi.Mode().IsRegular() || r.size >= maxRules {
		return ruleFile{}, false
	}
	f, err := root.Open(name)
	if err != nil {
		return ruleFile{}, false
	}
	defer func() { _ = f.Close() }()
	limit := min(maxRuleFile, maxRules-r.size)
	b, err := io.ReadAll(io.LimitReader(f, int64(limit)))
	if err != nil {
		return ruleFile{}, false
	}
	text := strings.ToValidUTF8(string(b), "\uFFFD")
	if fi.Size() > int64(limit) {
		text += fmt.Sprintf("\n[%d further bytes of this file were left out]", fi.Size()-int64(limit))
	}
	r.size += len(b)
	return ruleFile{name, text}, true
}

// near returns the rules of the directories of touched paths that were not told yet.
func (r *rules) near(w *tool.Workspace, touched []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, name := range touched {
		rel, err := w.Path(name)
		if err != nil {
			continue
		}
		for _, f := range r.chain(w.Dir(), path.Dir(rel)) {
			fmt.Fprintf(&b, "\n[Rules for %s, from %s]\n%s\n", path.Dir(f.path), f.path, f.text)
		}
	}
	return b.String()
}
