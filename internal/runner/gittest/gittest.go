// Package gittest serves real git repositories over git's own smart HTTP for tests.
package gittest

import (
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Server serves every repository made with it, for reading and pushing.
type Server struct {
	t    testing.TB
	root string
	http *httptest.Server
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Skipf("git is not installed: %v", err)
	}
	s := &Server{t: t, root: t.TempDir()}
	s.http = httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + s.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=test", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + s.root},
	})
	t.Cleanup(s.http.Close)
	return s
}

// Repo makes a repository with one commit of the given files on the branch main, and returns the URL
// to clone it from. Names that end in * are executable, without the star.
func (s *Server) Repo(name string, files map[string]string) string {
	s.t.Helper()
	bare := filepath.Join(s.root, name+".git")
	Git(s.t, s.root, "init", "--quiet", "--bare", "--initial-branch=main", bare)
	Git(s.t, bare, "config", "http.receivepack", "true")
	Git(s.t, bare, "config", "uploadpack.allowAnySHA1InWant", "true")
	url := s.http.URL + "/" + name + ".git"
	s.Commit(url, "first", files)
	return url
}

// Commit adds a commit to main by pushing to a repository's URL, and returns its id. An empty
// content removes the file.
func (s *Server) Commit(url, message string, files map[string]string) string {
	s.t.Helper()
	dir := s.t.TempDir()
	Git(s.t, dir, "clone", "--quiet", url, ".")
	Git(s.t, dir, "checkout", "--quiet", "-B", "main")
	for name, content := range files {
		path := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		if content == "" {
			_ = os.Remove(path)
			continue
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, "*") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			s.t.Fatal(err)
		}
	}
	Git(s.t, dir, "add", "--all")
	Git(s.t, dir, "commit", "--quiet", "--allow-empty", "-m", message)
	Git(s.t, dir, "push", "--quiet", "origin", "main")
	return Git(s.t, dir, "rev-parse", "HEAD")
}

// Close takes the server away.
func (s *Server) Close() { s.http.Close() }

// ServeHTTP serves the repositories from behind another server.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.http.Config.Handler.ServeHTTP(w, r)
}

// URL is the server's address.
func (s *Server) URL() string { return s.http.URL }

// Git runs git in a directory, apart from any configuration of the machine, and returns what it
// wrote. The test fails if the command does.
func Git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = Env(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Env is an environment in which git knows an author and nothing of the machine, and waits for no disk.
func Env(t testing.TB) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Test", "GIT_AUTHOR_EMAIL=test@example.invalid", "GIT_COMMITTER_NAME=Test", "GIT_COMMITTER_EMAIL=test@example.invalid",
		"GIT_CONFIG_COUNT=3", "GIT_CONFIG_KEY_0=core.fsync", "GIT_CONFIG_VALUE_0=none", "GIT_CONFIG_KEY_1=gc.auto", "GIT_CONFIG_VALUE_1=0",
		"GIT_CONFIG_KEY_2=maintenance.auto", "GIT_CONFIG_VALUE_2=false",
	}
}
