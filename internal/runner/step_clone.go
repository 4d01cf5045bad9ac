package runner

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
)

// repository is one clone in the workspace.
type repository struct {
	name string // directory below the workspace, and what people see
	url  string
	ref  string
	dir  string
}

// clone clones the environment's repositories and any the run adds.
func (r *execution) clone(ctx context.Context) error {
	r.notices(ctx)
	repos, err := r.repositories()
	if err != nil {
		return r.phase(ctx, "clone", "", func(context.Context, func(string)) (string, error) { return "", err })
	}
	r.restored = restoration{}
	for _, repo := range repos {
		if r.restored.brought(repo.name) {
			r.repos = append(r.repos, repo)
			continue // with one before it
		}
		command := "git clone " + redactURL(repo.url)
		err := r.phase(ctx, "clone "+repo.name, command, func(ctx context.Context, show func(string)) (string, error) {
			return r.cloneOne(ctx, repo, show)
		})
		if err != nil && !r.keptWhole(ctx, repo) {
			return err
		}
		r.repos = append(r.repos, repo)
	}
	return nil
}

// keptWhole stands in for a clone that failed: it reports whether the run's snapshot brought the
// repository back without its origin, which may be gone by the time a run is taken up again. The
// snapshot is restored once more after set-up, as ever.
func (r *execution) keptWhole(ctx context.Context, repo repository) bool {
	if ctx.Err() != nil || r.assignment.SnapshotUrl == "" || !r.own() || r.bringBack(ctx, "restore in place of clone") != nil || !r.restored.brought(repo.name) {
		return false
	}
	r.notice(ctx, api.NoticeWarning, "The origin of "+repo.name+" cannot be reached. The repository is the one this run had, from its snapshot; fetching from there and pushing will fail.")
	return true
}

// repositories lists what is to be cloned, each once. Two that need the same directory are an error.
func (r *execution) repositories() ([]repository, error) {
	sources := append(r.assignment.Environment.Repositories(), r.assignment.Config.AdditionalSourceRepos...)
	sources = append(sources, r.skillSources(sources)...)
	if err := r.override(sources); err != nil {
		return nil, err
	}
	var all []repository
	byName := map[string]repository{}
	for _, s := range sources {
		repo, err := repositoryOf(s)
		if err != nil {
			return nil, err
		}
		before, taken := byName[repo.name]
		if taken && before.url == repo.url && (repo.ref == "" || repo.ref == before.ref) {
			continue
		}
		if taken {
			return nil, &stepError{
				message: fmt.Sprintf("two repositories need the directory %q: %s and %s", repo.name, redactURL(before.url), redactURL(repo.url)),
				advice:  "Remove one of them from the environment.",
			}
		}
		repo.dir = filepath.Join(r.at.work, repo.name)
		byName[repo.name] = repo
		all = append(all, repo)
	}
	return all, nil
}

func repositoryOf(s api.SourceRepo) (repository, error) {
	repo := repository{url: s.CloneURL(), ref: s.CheckoutRef}
	u, err := url.Parse(repo.url)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "file") {
		return repo, &stepError{message: fmt.Sprintf("repository URL %q cannot be cloned", redactURL(repo.url)), advice: "Give an https, http or file URL."}
	}
	repo.name = strings.TrimSuffix(s.Repo, ".git")
	if repo.name == "" {
		repo.name = strings.TrimSuffix(path.Base(strings.TrimRight(u.Path, "/")), ".git")
	}
	if repo.name == "" || repo.name != filepath.Base(repo.name) || repo.name[0] == '.' || repo.name[0] == '-' || strings.ContainsAny(repo.name, "/\\\x00") {
		return repo, &stepError{message: fmt.Sprintf("repository name %q cannot be a directory", repo.name), advice: "Correct the repository's name in the environment."}
	}
	if badRef(repo.ref) {
		return repo, &stepError{message: fmt.Sprintf("%q is not a branch, tag or commit", repo.ref), advice: "Correct checkout_ref in the environment."}
	}
	return repo, nil
}

// redactURL hides a password in a URL.
func redactURL(s string) string {
	if u, err := url.Parse(s); err == nil {
		return u.Redacted()
	}
	return s
}

// cloneAgainAfter spaces the two attempts to clone.
const cloneAgainAfter = time.Second

func (r *execution) cloneOne(ctx context.Context, repo repository, show func(string)) (string, error) {
	if _, err := os.Lstat(repo.dir); err == nil {
		return "", &stepError{message: fmt.Sprintf("%s exists already", repo.dir), advice: "Work in an empty directory, or leave the environment out."}
	}
	var out string
	var err error
	for attempt := range 2 {
		out, err = r.git(r.at.work, show, "clone", "--", repo.url, repo.dir).run(ctx)
		if err == nil || ctx.Err() != nil {
			break
		}
		_ = os.RemoveAll(repo.dir)
		if attempt > 0 {
			return out, cloneError(repo, err)
		}
		if err := api.Pause(ctx, cloneAgainAfter); err != nil {
			return out, err
		}
	}
	if err != nil {
		return out, cloneError(repo, err)
	}
	if repo.ref == "" {
		return out, nil
	}
	more, err := r.checkout(ctx, repo, show)
	return out + more, err
}

// checkout brings a branch, a tag, a commit, or any other ref the origin offers into the work tree.
func (r *execution) checkout(ctx context.Context, repo repository, show func(string)) (string, error) {
	out, err := r.git(repo.dir, show, "checkout", repo.ref, "--").run(ctx)
	if err == nil || ctx.Err() != nil {
		return out, err
	}
	more, err := r.git(repo.dir, show, "fetch", "origin", repo.ref).run(ctx)
	if err == nil {
		more, err = r.git(repo.dir, show, "checkout", "--detach", "FETCH_HEAD", "--").run(ctx)
	}
	if err != nil {
		return out + more, &stepError{
			message: fmt.Sprintf("%s has no branch, tag or commit %q", repo.name, repo.ref), output: out + more,
			advice: "Correct checkout_ref in the environment.", err: err,
		}
	}
	return more, nil
}

func cloneError(repo repository, err error) error {
	failed := &stepError{
		message: fmt.Sprintf("git clone of %s failed: %v", redactURL(repo.url), err),
		advice:  "Check the repository's address and that this host may read it.", err: err,
	}
	var c *commandError
	if errors.As(err, &c) {
		failed.output = c.output
	}
	return failed
}

// git is a git command in a directory, without prompts and without hooks of whatever it touches.
func (r *execution) git(dir string, show func(string), args ...string) command {
	return command{
		name: "git", args: append([]string{"-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never"}, args...),
		dir: dir, env: r.env, show: show, timeout: r.cfg.CloneTimeout,
	}
}
