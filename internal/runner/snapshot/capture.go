package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stamp makes the commits that carry a work tree the same for the same content, so that an unchanged
// workspace is recognised.
var stamp = []string{
	"GIT_AUTHOR_NAME=Cadre", "GIT_AUTHOR_EMAIL=agent@cadre.invalid", "GIT_AUTHOR_DATE=1000000000 +0000",
	"GIT_COMMITTER_NAME=Cadre", "GIT_COMMITTER_EMAIL=agent@cadre.invalid", "GIT_COMMITTER_DATE=1000000000 +0000",
}

// maxRefs bounds the refs kept per repository.
const maxRefs = 2000

// captured is a repository ready to be archived.
type captured struct {
	repo  Repository
	git   git    // with the objects of its own
	plain git    // the repository as it is
	pack  string // files in the scratch directory; empty when there is none
	patch string
	left  []string // what was left out
}

// capture reads one repository, up to packing, without changing anything in it: new objects go to a store of their
// own and the index that is worked on is a copy.
func (s *Source) capture(ctx context.Context, dir, scratch string) (captured, error) {
	c := captured{repo: Repository{Name: filepath.Base(dir)}}
	if s.Only == "" && filepath.Dir(dir) != s.Work {
		c.repo.Path = dir
	}
	plain := git{dir: dir, env: s.Env, quiet: s.Quiet}
	gitDir, err := plain.run(ctx, "rev-parse", "--absolute-git-dir")
	if err != nil {
		return c, err
	}
	common, err := plain.run(ctx, "rev-parse", "--path-format=absolute", "--git-common-dir")
	if err != nil {
		return c, err
	}
	objects := filepath.Join(scratch, "objects")
	if err := os.MkdirAll(objects, 0o700); err != nil {
		return c, err
	}
	index := filepath.Join(scratch, "index")
	if err := copyIndex(filepath.Join(gitDir, "index"), index); err != nil {
		return c, err
	}
	g := plain.with(append(stamp, "GIT_INDEX_FILE="+index, "GIT_OBJECT_DIRECTORY="+objects,
		"GIT_ALTERNATE_OBJECT_DIRECTORIES="+alternates(filepath.Join(common, "objects")))...)
	if err := c.position(ctx, plain); err != nil {
		return c, err
	}
	if s.Only != "" {
		c.alone()
	}
	c.git, c.plain = g, plain
	return c, s.worktree(ctx, g, &c)
}

// alternates names an object store the way git's variable wants it.
func alternates(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(path) + `"`
}

// position finds where HEAD, the branches and the origin are.
func (c *captured) position(ctx context.Context, g git) error {
	// Neither needs to exist: a repository may have no commit, no branch and no origin.
	c.repo.Head, _ = g.run(ctx, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
	c.repo.Branch, _ = g.run(ctx, "symbolic-ref", "--quiet", "HEAD")
	c.repo.Origin, _ = g.run(ctx, "config", "--get", "remote.origin.url")
	out, err := g.run(ctx, "for-each-ref", "--count", fmt.Sprint(maxRefs),
		"--format=%(objectname) %(refname) %(upstream)", "refs/heads", "refs/stash", "refs/tags")
	if err != nil {
		return err
	}
	for _, line := range lines(out) {
		f := strings.SplitN(line, " ", 3)
		if len(f) == 3 {
			c.repo.Refs = append(c.repo.Refs, Ref{Object: f[0], Name: f[1], Upstream: f[2]})
		}
	}
	return ctx.Err()
}

// alone makes a repository of a person's own machine one of a workspace: named as a clone of its origin
// would be, and without branches, tags and stashes that the work is not on.
func (c *captured) alone() {
	origin := strings.TrimSuffix(strings.TrimRight(c.repo.Origin, "/"), ".git")
	if name := origin[strings.LastIndexAny(origin, "/:")+1:]; name != "" && name != "." && name != ".." {
		c.repo.Name = name
	}
	c.repo.Refs = slices.DeleteFunc(c.repo.Refs, func(r Ref) bool { return r.Name != c.repo.Branch })
}

// Top returns the root of the work tree that a directory is in.
func Top(ctx context.Context, dir string, env []string) (string, error) {
	return git{dir: dir, env: env}.run(ctx, "rev-parse", "--show-toplevel")
}

// worktree turns what is staged and what is in the work tree into trees.
func (s *Source) worktree(ctx context.Context, g git, c *captured) error {
	skip, err := s.unfit(ctx, g, c)
	if err != nil {
		return err
	}
	for _, path := range skip.secret {
		if _, err := g.feed(ctx, strings.NewReader(path+"\x00"), "update-index", "--force-remove", "-z", "--stdin"); err != nil {
			return err
		}
	}
	// Fails while a merge is unresolved: the conflict markers are kept then, the stages are not.
	c.repo.Index, _ = g.run(ctx, "write-tree")
	spec := []string{":(top)"}
	for _, path := range append(skip.secret, skip.large...) {
		spec = append(spec, ":(top,literal,exclude)"+path)
	}
	// A part that cannot be read leaves the rest in place; what that was stands in the manifest.
	if _, err := g.feed(ctx, strings.NewReader(strings.Join(spec, "\x00")), "add", "--all", "--ignore-errors",
		"--pathspec-from-file=-", "--pathspec-file-nul"); err != nil {
		if ctx.Err() != nil {
			return err
		}
		c.left = append(c.left, fmt.Sprintf("%s: some files could not be read (%v)", c.repo.where(), err))
	}
	tree, err := g.run(ctx, "write-tree")
	if err != nil {
		return err
	}
	args := []string{"commit-tree", tree, "-m", "workspace"}
	if c.repo.Head != "" {
		args = append(args, "-p", c.repo.Head)
	}
	c.repo.Worktree, err = g.run(ctx, args...)
	return err
}

type unfit struct{ secret, large []string }

// unfit finds changed files that must not or cannot be kept.
func (s *Source) unfit(ctx context.Context, g git, c *captured) (unfit, error) {
	out, err := g.run(ctx, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all")
	if err != nil {
		return unfit{}, err
	}
	var u unfit
	total := int64(0)
	for _, line := range zeroed(out) {
		if len(line) < 4 {
			continue
		}
		path := line[3:]
		info, err := os.Lstat(filepath.Join(g.dir, path))
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		switch {
		case info.Size() > s.Limits.File, total+info.Size() > s.Limits.Total:
			u.large = append(u.large, path)
			c.left = append(c.left, fmt.Sprintf("%s/%s: too large (%d bytes)", c.repo.where(), path, info.Size()))
		case s.holdsSecret(filepath.Join(g.dir, path), s.Limits.File):
			u.secret = append(u.secret, path)
			c.left = append(c.left, fmt.Sprintf("%s/%s: holds a secret", c.repo.where(), path))
		default:
			total += info.Size()
		}
	}
	return u, nil
}

// OpenRegular opens a regular file for reading. It refuses everything else without waiting: whoever may
// put a pipe there could otherwise make the open wait for ever.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// holdsSecret reads at most so many bytes of a file, which may grow meanwhile or never end (as some below
// /proc), in pieces that overlap, since a secret may lie across their border.
func (s *Source) holdsSecret(path string, most int64) bool {
	if s.Secret == nil {
		return false
	}
	f, err := OpenRegular(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	from := io.LimitReader(f, most)
	const piece, overlap = 1 << 20, 8 << 10
	buf := make([]byte, 0, piece+overlap)
	for {
		n, err := io.ReadFull(from, buf[len(buf):min(len(buf)+piece, cap(buf))])
		buf = buf[:len(buf)+n]
		if s.Secret(buf) {
			return true
		}
		if err != nil {
			return false
		}
		keep := min(overlap, len(buf))
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}

// pack writes every object that the origin does not have, and the patch for people.
func (s *Source) pack(ctx context.Context, c *captured, scratch string) error {
	g := c.git
	remote, err := g.run(ctx, "for-each-ref", "--format=%(objectname)", "refs/remotes")
	if err != nil {
		return err
	}
	var revs strings.Builder
	revs.WriteString(c.repo.Worktree + "\n")
	if c.repo.Index != "" {
		revs.WriteString(c.repo.Index + "\n")
	}
	for _, ref := range c.repo.Refs {
		revs.WriteString(ref.Object + "\n")
	}
	if small(ctx, c.plain) {
		remote, c.repo.Whole = "", true
	}
	for _, object := range lines(remote) {
		revs.WriteString("^" + object + "\n")
	}
	if remote != "" && c.repo.Head != "" {
		if base, err := g.feed(ctx, strings.NewReader(revs.String()), "rev-list", "--boundary", "--stdin"); err == nil {
			for _, line := range lines(base) {
				if commit, ok := strings.CutPrefix(line, "-"); ok {
					c.repo.Needs = append(c.repo.Needs, commit)
				}
			}
		}
	}
	c.pack = filepath.Join(scratch, "objects.pack")
	err = toFile(c.pack, s.Limits.Pack, func(w io.Writer) error {
		return g.pipe(ctx, strings.NewReader(revs.String()), w, "pack-objects", "--revs", "--stdout", "--thin", "--delta-base-offset", "-q")
	})
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	s.patch(ctx, g, c, scratch)
	return nil
}

// wholeBytes is up to which size of all its objects a repository is kept whole, so that it comes back
// even when its origin is gone.
const wholeBytes = 1 << 20

// small reports whether all objects of a repository together are within wholeBytes. One that borrows
// objects from another is not.
func small(ctx context.Context, g git) bool {
	out, err := g.run(ctx, "count-objects", "-v")
	total := int64(0) // KiB
	for _, line := range lines(out) {
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "alternate":
			return false
		case "size", "size-pack":
			n, bad := strconv.ParseInt(value, 10, 64)
			err = errors.Join(err, bad)
			total += n
		}
	}
	return err == nil && total<<10 <= wholeBytes
}

// patch is a convenience: a snapshot without it restores the same.
func (s *Source) patch(ctx context.Context, g git, c *captured, scratch string) {
	base := c.repo.Head
	if len(c.repo.Needs) == 1 {
		base = c.repo.Needs[0]
	}
	if base == "" {
		return
	}
	path := filepath.Join(scratch, "changes.patch")
	err := toFile(path, maxPatch, func(w io.Writer) error {
		return g.pipe(ctx, nil, w, "diff", "--binary", "--no-ext-diff", "--no-textconv", base, c.repo.Worktree)
	})
	if err == nil {
		c.patch = path
	}
}

func toFile(path string, limit int64, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := &fileWriter{f: f, left: limit, max: limit}
	err = errors.Join(write(w), f.Close())
	if err != nil {
		_ = os.Remove(path)
	}
	return err
}

// copyIndex copies a repository's index; one that is not there leaves none. The copy has its time: git
// takes an entry at its word that is older than the index, and the copy must not make it seem so.
func copyIndex(from, to string) error {
	info, err := os.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(to, b, 0o600), os.Chtimes(to, time.Time{}, info.ModTime()))
}
