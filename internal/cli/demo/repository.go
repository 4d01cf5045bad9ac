package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

//go:embed showcase.txtar
var showcase []byte

// repositoryName is the last part of the clone URL, and so the name of the clone.
const repositoryName = "releases"

// Repository is the showcase's git repository, served over git's smart HTTP on loopback.
type Repository struct {
	// URL is what a clone is made from.
	URL  string
	dir  string
	http *http.Server
	done chan error
}

// ServeRepository makes the repository and serves it until Close. It needs the git program.
func ServeRepository(ctx context.Context) (*Repository, error) {
	dir, err := os.MkdirTemp("", "cadre-demo-")
	if err != nil {
		return nil, fmt.Errorf("make the demo repository: %w", err)
	}
	r := &Repository{dir: dir, done: make(chan error, 1)}
	if err := r.serve(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make the demo repository: %w", err), os.RemoveAll(dir))
	}
	return r, nil
}

func (r *Repository) serve(ctx context.Context) error {
	if err := create(ctx, r.dir); err != nil {
		return err
	}
	backend, err := httpBackend(ctx)
	if err != nil {
		return err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.URL = fmt.Sprintf("http://%s/showcase/%s.git", l.Addr(), repositoryName)
	r.http = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: &cgi.Handler{
			Path: backend, Root: "/", Dir: r.dir,
			Env: []string{"GIT_PROJECT_ROOT=" + filepath.Join(r.dir, "served"), "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull},
		},
	}
	go func() { r.done <- r.http.Serve(l) }()
	return nil
}

// Close stops serving and removes the repository.
func (r *Repository) Close() error {
	err := r.http.Close()
	if served := <-r.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// create writes the showcase's files, commits them and makes the bare repository that is served.
func create(ctx context.Context, dir string) error {
	work := filepath.Join(dir, "work")
	bare := filepath.Join(dir, "served", "showcase", repositoryName+".git")
	for _, f := range txtar.Parse(showcase).Files {
		path := filepath.Join(work, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(bare), 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main", "."},
		{"add", "--all"},
		{"-c", "user.name=Cadre demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message=Order releases, newest first"},
		{"clone", "--quiet", "--bare", ".", bare},
	} {
		if err := git(ctx, work, args...); err != nil {
			return err
		}
	}
	return nil
}

// git runs git without the user's settings, so that the repository is the same everywhere.
func git(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_DIR=", "GIT_WORK_TREE=")
	cmd.Env = withoutEmpty(cmd.Env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(out)))
	}
	return nil
}

// withoutEmpty drops variables that were set to nothing, and what they replaced.
func withoutEmpty(env []string) []string {
	empty := map[string]bool{}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		empty[name] = value == ""
	}
	out := env[:0]
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); !empty[name] {
			out = append(out, v)
		}
	}
	return out
}

// httpBackend finds git's CGI program, which serves its smart protocol.
func httpBackend(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "--exec-path").Output()
	if err != nil {
		return "", fmt.Errorf("find git: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "git-http-backend")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("this git has no HTTP server (%s): %w", path, err)
	}
	return path, nil
}
