package direct

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/cadrehq/cadre/internal/proc"
)

// credentials are the usual places of keys below a home directory, hidden from confined tasks.
var credentials = []string{
	".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".netrc", ".git-credentials", ".pgpass", ".vault-token",
	".config/cadre", ".config/gcloud", ".config/gh", ".config/glab-cli", ".config/op",
	".npmrc", ".pypirc", ".cargo/credentials", ".cargo/credentials.toml", ".bash_history", ".zsh_history",
}

// caches are where build tools keep what they download and compile, below a home directory. They
// stay writable: builds would otherwise begin from nothing in each run.
var caches = []string{
	".cache", "go", ".npm", ".yarn", ".pnpm-store", ".local/share/pnpm", ".cargo/registry", ".cargo/git",
	".m2", ".gradle", ".gem", ".bundle", ".nuget",
}

// confinement is what a task may touch: it writes its own directory, temporary files and caches, and
// reads everything but credentials, other tasks and what the operator hides.
func (s *sandbox) confinement() proc.Confinement {
	cfg := s.backend.cfg
	c := proc.Confinement{
		Write: []string{s.dir, "/tmp", "/var/tmp"},
		Hide:  append([]string{cfg.Root}, cfg.Hide...),
	}
	if cfg.TargetDir != "" {
		c.Write = append(c.Write, cfg.TargetDir)
	}
	for _, entry := range cfg.HostEnv {
		home, ok := strings.CutPrefix(entry, "HOME=")
		if !ok || home == "" {
			continue
		}
		// Most tools make their cache below this one. A user who never built anything has none, and a
		// confined tool could not make it. Where even we cannot, the tool will say so.
		_ = os.MkdirAll(filepath.Join(home, ".cache"), 0o700)
		for _, name := range caches {
			c.Write = append(c.Write, filepath.Join(home, name))
		}
		for _, name := range credentials {
			c.Hide = append(c.Hide, filepath.Join(home, name))
		}
	}
	return c
}
