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
// stay writable: builds would otherwise begin from nothing in each run. One that is not there cannot
// be made by a confined tool, so the variable, if there is one, leads it to below cacheDir instead.
var caches = []struct{ dir, variable string }{
	{cacheDir, ""},
	{"go", "GOPATH"}, {".npm", "npm_config_cache"}, {".yarn", "YARN_CACHE_FOLDER"}, {".pnpm-store", ""}, {".local/share/pnpm", "PNPM_HOME"},
	{".cargo/registry", ""}, {".cargo/git", ""}, {".cargo", "CARGO_HOME"},
	{".m2", ""}, {".gradle", "GRADLE_USER_HOME"}, {".gem", "GEM_SPEC_CACHE"}, {".bundle", "BUNDLE_USER_HOME"}, {".nuget", "NUGET_PACKAGES"},
}

// cacheDir is the one cache that is made when missing.
const cacheDir = ".cache"

// home is the home directory tasks see, empty if they see none.
func (b *Backend) home() string {
	for _, entry := range b.cfg.HostEnv {
		if home, ok := strings.CutPrefix(entry, "HOME="); ok {
			return home
		}
	}
	return ""
}

// redirects are the variables for caches that are not there, after making sure of cacheDir. A home
// that cannot be written has none: its tools would fail without confinement too.
func (b *Backend) redirects() map[string]string {
	home := b.home()
	base := filepath.Join(home, cacheDir)
	if home == "" || os.MkdirAll(base, 0o700) != nil {
		return nil
	}
	env := map[string]string{}
	for _, c := range caches {
		if c.variable == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(home, c.dir)); err != nil {
			env[c.variable] = filepath.Join(base, "cadre", strings.TrimPrefix(filepath.Base(c.dir), "."))
		}
	}
	return env
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
	home := s.backend.home()
	if home == "" {
		return c
	}
	for _, cache := range caches {
		if cache.dir != ".cargo" { // it holds credentials beside its caches
			c.Write = append(c.Write, filepath.Join(home, cache.dir))
		}
	}
	for _, name := range credentials {
		c.Hide = append(c.Hide, filepath.Join(home, name))
	}
	return c
}
