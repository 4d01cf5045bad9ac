package snapshot

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Target is a workspace to be brought back: repositories of the environment are cloned already.
type Target struct {
	Work    string
	Scratch string
	Env     []string
}

// maxManifest bounds the manifest that is read.
const maxManifest = 16 << 20

// Restore brings a snapshot back into a workspace. What cannot be brought back is listed, for people,
// and the rest is restored all the same. An error means that nothing could be read.
func Restore(ctx context.Context, archive string, to Target) (m Manifest, problems []string, err error) {
	f, err := os.Open(archive)
	if err != nil {
		return m, nil, err
	}
	defer func() { _ = f.Close() }()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return m, nil, fmt.Errorf("open snapshot: %w", err)
	}
	t := tar.NewReader(zip)
	if m, err = readManifest(t); err != nil {
		return m, nil, err
	}
	root, err := os.OpenRoot(to.Work)
	if err != nil {
		return m, nil, err
	}
	defer func() { _ = root.Close() }()
	r := &restorer{to: to, root: root, manifest: m}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.problem("the snapshot is damaged: %v", err)
			break
		}
		if ctx.Err() != nil {
			return m, r.problems, context.Cause(ctx)
		}
		r.member(ctx, h, t)
	}
	r.finish()
	return m, r.problems, nil
}

func readManifest(t *tar.Reader) (m Manifest, err error) {
	h, err := t.Next()
	if err != nil {
		return m, fmt.Errorf("read snapshot: %w", err)
	}
	if h.Name != manifestName || h.Size > maxManifest {
		return m, errors.New("not a snapshot: it has no manifest")
	}
	if err := json.NewDecoder(io.LimitReader(t, maxManifest)).Decode(&m); err != nil {
		return m, fmt.Errorf("read manifest: %w", err)
	}
	if m.Version < 1 || m.Version > Version {
		return m, fmt.Errorf("snapshot has format %d, this program knows %d", m.Version, Version)
	}
	return m, nil
}

type restorer struct {
	to       Target
	root     *os.Root // every file outside a repository is written through it: no name leads out
	manifest Manifest
	problems []string
	times    []directory // directories whose modes are set last, since a read-only one takes no files
}

type directory struct {
	name string
	mode fs.FileMode
}

func (r *restorer) problem(format string, args ...any) {
	const most = 50
	if len(r.problems) < most {
		r.problems = append(r.problems, fmt.Sprintf(format, args...))
	}
}

func (r *restorer) member(ctx context.Context, h *tar.Header, body io.Reader) {
	if rel, ok := strings.CutPrefix(h.Name, filesPrefix); ok {
		if err := r.file(rel, h, body); err != nil {
			r.problem("%s: %v", rel, err)
		}
		return
	}
	if rel, ok := strings.CutPrefix(h.Name, declaredPrefix); ok {
		if err := r.declared(rel, h.FileInfo().Mode().Perm(), body); err != nil {
			r.problem("/%s: %v", rel, err)
		}
		return
	}
	i := slices.IndexFunc(r.manifest.Repos, func(repo Repository) bool { return repo.Pack != "" && repo.Pack == h.Name })
	if i < 0 {
		return
	}
	repo := r.manifest.Repos[i]
	if err := r.repository(ctx, repo, body); err != nil {
		r.problem("repository %s: %v", repo.where(), err)
	}
}

func (r *restorer) file(rel string, h *tar.Header, body io.Reader) error {
	name := filepath.FromSlash(strings.TrimSuffix(rel, "/"))
	if !filepath.IsLocal(name) {
		return errors.New("not a path inside the workspace")
	}
	mode := h.FileInfo().Mode().Perm()
	if err := r.root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		r.times = append(r.times, directory{name, mode})
		return r.root.MkdirAll(name, 0o700)
	case tar.TypeSymlink:
		_ = r.root.Remove(name)
		return r.root.Symlink(h.Linkname, name)
	case tar.TypeReg:
		_ = r.root.Remove(name)
		f, err := r.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, body)
		if err = errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
			return err
		}
		return r.root.Chtimes(name, h.ModTime, h.ModTime)
	}
	return nil
}

func (r *restorer) finish() {
	for _, d := range slices.Backward(r.times) {
		if err := r.root.Chmod(d.name, d.mode); err != nil {
			r.problem("%s: %v", d.name, err)
		}
	}
}

// repository brings one repository back: objects, refs, HEAD, the work tree, what was staged.
func (r *restorer) repository(ctx context.Context, repo Repository, pack io.Reader) error {
	if repo.Name == "" || repo.Name != filepath.Base(repo.Name) || !filepath.IsLocal(repo.Name) || repo.Name == "." {
		return errors.New("not a directory of the workspace")
	}
	for _, object := range []string{repo.Head, repo.Worktree, repo.Index} {
		if object != "" && !isObject(object) {
			return fmt.Errorf("%q is no object", object)
		}
	}
	dir := filepath.Join(r.to.Work, repo.Name)
	if repo.Path != "" {
		if dir = repo.Path; !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/" {
			return errors.New("not a clean path")
		}
	}
	g := git{dir: dir, env: r.to.Env}
	if !isRepository(dir) {
		if err := r.init(ctx, g, repo); err != nil {
			return err
		}
	}
	if err := r.need(ctx, g, repo); err != nil {
		return err
	}
	if _, err := g.feed(ctx, pack, "index-pack", "--stdin", "--fix-thin"); err != nil {
		return fmt.Errorf("its commits could not be read: %w", err)
	}
	if _, err := g.run(ctx, "read-tree", "--reset", "-u", repo.Worktree); err != nil {
		return fmt.Errorf("its files could not be restored: %w", err)
	}
	r.refs(ctx, g, repo)
	return r.head(ctx, g, repo)
}

// init makes a repository that the environment does not have: the agent made or cloned it.
func (r *restorer) init(ctx context.Context, g git, repo Repository) error {
	var err error
	if repo.Path != "" {
		err = os.MkdirAll(repo.Path, 0o755)
	} else {
		err = r.root.MkdirAll(repo.Name, 0o755)
	}
	if err != nil {
		return err
	}
	if _, err := g.run(ctx, "init", "--quiet"); err != nil {
		return err
	}
	if repo.Origin == "" || strings.HasPrefix(repo.Origin, "-") {
		return nil
	}
	_, err = g.run(ctx, "remote", "add", "origin", repo.Origin)
	if err == nil && len(repo.Needs) > 0 {
		_, err = g.run(ctx, "fetch", "--quiet", "origin")
	}
	return err
}

// need makes sure that the commits the pack builds on are there. The origin may have moved on.
func (r *restorer) need(ctx context.Context, g git, repo Repository) error {
	for _, commit := range repo.Needs {
		if !isObject(commit) {
			return fmt.Errorf("%q is no commit", commit)
		}
		if _, err := g.run(ctx, "cat-file", "-e", commit+"^{commit}"); err == nil {
			continue
		}
		if _, err := g.run(ctx, "fetch", "--quiet", "origin", commit); err != nil {
			return fmt.Errorf("commit %s, on which the work builds, is gone from its origin: %w", commit, err)
		}
	}
	return nil
}

func (r *restorer) refs(ctx context.Context, g git, repo Repository) {
	var text strings.Builder
	for _, ref := range repo.Refs {
		local := strings.HasPrefix(ref.Name, "refs/heads/") || strings.HasPrefix(ref.Name, "refs/tags/") || ref.Name == "refs/stash"
		if local && isObject(ref.Object) && !strings.ContainsAny(ref.Name, " \n\x00") {
			fmt.Fprintf(&text, "update %s %s\n", ref.Name, ref.Object)
		}
	}
	if text.Len() == 0 {
		return
	}
	if _, err := g.feed(ctx, strings.NewReader(text.String()), "update-ref", "--create-reflog", "--stdin"); err != nil {
		r.problem("repository %s: branches: %v", repo.where(), err)
	}
}

func (r *restorer) head(ctx context.Context, g git, repo Repository) error {
	var err error
	switch {
	case strings.HasPrefix(repo.Branch, "refs/heads/"):
		_, err = g.run(ctx, "symbolic-ref", "HEAD", repo.Branch)
	case repo.Head != "":
		_, err = g.run(ctx, "update-ref", "--no-deref", "HEAD", repo.Head)
	}
	if err != nil {
		return err
	}
	for _, ref := range repo.Refs {
		if name, ok := strings.CutPrefix(ref.Upstream, "refs/remotes/"); ok && ref.Name == repo.Branch {
			// The branch it followed may be gone from the origin.
			_, _ = g.run(ctx, "branch", "--quiet", "--set-upstream-to="+name, "--")
		}
	}
	staged := repo.Index
	if staged == "" && repo.Head != "" {
		staged = repo.Head + "^{tree}"
	}
	args := []string{"read-tree", staged}
	if staged == "" {
		args = []string{"read-tree", "--empty"}
	}
	if _, err := g.run(ctx, args...); err != nil {
		return fmt.Errorf("what was staged could not be restored: %w", err)
	}
	_, _ = g.run(ctx, "update-index", "-q", "--refresh") // reports what differs by its status
	return nil
}

func isObject(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
