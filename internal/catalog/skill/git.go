package skill

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cadrehq/cadre/api/skillfile"
	"github.com/cadrehq/cadre/internal/egress"
	"github.com/cadrehq/cadre/internal/proc"
)

// Bounds on what is read of one repository, which may be anybody's.
const (
	maxSkills  = 500      // files looked at
	maxText    = 4 << 20  // bytes of all of them
	maxListing = 16 << 20 // bytes of the listing of its skill directories
	maxFetched = 256 << 20
	readTime   = time.Minute
)

// watchEvery is how often the size of what is fetched is looked at.
const watchEvery = 100 * time.Millisecond

// Git reads repositories with the git program. It fetches one commit without its files, then those
// that are skills, and never checks anything out: names in a repository reach no file system. It uses
// none of the machine's git configuration, so no credentials but those in the URL.
type Git struct {
	// Dir is where repositories are while they are read; the system's temporary directory when empty.
	Dir string
	// Egress says which addresses may be called.
	Egress egress.Policy
}

var errTooLarge = fmt.Errorf("the repository is larger than %d MiB without its files", maxFetched>>20)

// Read returns the skills of a repository at a ref, its default branch when empty, by path.
// Errors are fit to be shown to whoever wrote the URL.
func (g Git) Read(ctx context.Context, address, ref string) ([]Found, error) {
	if ref == "" {
		ref = "HEAD"
	}
	if strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " \x00~^:?*[\\\n") {
		return nil, fmt.Errorf("%q is not a branch, tag or commit", ref)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readTime, fmt.Errorf("reading took longer than %s", readTime))
	defer cancel()
	dir, err := os.MkdirTemp(g.Dir, "skills-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	r := &repository{dir: dir}
	if r.pinned, err = g.pin(ctx, address); err != nil {
		return nil, err
	}
	if err := r.init(ctx, address); err != nil {
		return nil, err
	}
	found, err := r.skills(ctx, ref)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return found, err
}

// pin checks a URL and returns git's setting that ties its host to the addresses that were checked.
func (g Git) pin(ctx context.Context, address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil, strings.ContainsAny(address, "\"\\\n\r\x00"):
		return "", errors.New("the repository's address is no URL")
	case u.Scheme == "file":
		return "", errors.New("a file URL names a directory of a worker, which the server cannot read")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return "", errors.New("only http and https URLs can be read")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		return "", g.Egress.Check(a)
	}
	all, err := g.Egress.Resolve(ctx, u.Hostname())
	if err != nil {
		return "", err
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	var list []string
	for _, a := range all {
		if s := a.Unmap(); s.Is6() {
			list = append(list, "["+s.WithZone("").String()+"]")
		} else {
			list = append(list, s.String())
		}
	}
	return net.JoinHostPort(u.Hostname(), port) + ":" + strings.Join(list, ","), nil
}

// repository is a bare one in a directory of its own.
type repository struct {
	dir    string
	pinned string
}

// init makes the repository. Its origin is written to its configuration, not given to git: the URL may
// hold a credential, and arguments show in lists of processes.
func (r *repository) init(ctx context.Context, address string) error {
	if _, err := r.git(ctx, nil, 1<<10, "init", "--quiet", "--bare", "."); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.dir, "config"), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = origin\n"+
		"[remote \"origin\"]\n\turl = \"%s\"\n\tpromisor = true\n\tpartialclonefilter = blob:none\n", address)
	return errors.Join(err, f.Close())
}

func (r *repository) skills(ctx context.Context, ref string) ([]Found, error) {
	ctx, stop := r.bounded(ctx)
	defer stop()
	if _, err := r.git(ctx, nil, 1<<10, "fetch", "--quiet", "--depth=1", "--filter=blob:none", "--no-tags", "origin", ref); err != nil {
		return nil, err
	}
	listing, err := r.git(ctx, nil, maxListing, append([]string{"ls-tree", "-r", "-z", "--full-tree", "FETCH_HEAD", "--"}, skillfile.Dirs()...)...)
	if err != nil {
		return nil, err
	}
	files, found := parseListing(listing)
	if len(files) == 0 {
		return found, nil
	}
	var ids bytes.Buffer
	for _, f := range files {
		ids.WriteString(f.id + "\n")
	}
	// One request for all of them; without it each would be fetched by itself when it is read.
	if _, err := r.git(ctx, ids.Bytes(), 1<<10, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--filter=blob:none", "--stdin", "origin"); err != nil {
		return nil, err
	}
	if err := r.texts(ctx, ids.Bytes(), files, &found); err != nil {
		return nil, err
	}
	slices.SortFunc(found, func(a, b Found) int { return strings.Compare(a.Path, b.Path) })
	return found, nil
}

// bounded ends what fetches more than it may.
func (r *repository) bounded(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if size(r.dir) > maxFetched {
					cancel(errTooLarge)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

func size(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil { // git moves its files about meanwhile
			if fi, err := e.Info(); err == nil {
				total += fi.Size()
			}
		}
		return nil
	})
	return total
}

// file is a SKILL.md by its object.
type file struct{ id, path string }

// parseListing picks the SKILL.md of each skill directory from a listing: lines of mode, type, object,
// a tab and the path, each ended by a zero byte.
func parseListing(listing []byte) (files []file, bad []Found) {
	for line := range bytes.SplitSeq(listing, []byte{0}) {
		head, name, ok := strings.Cut(string(line), "\t")
		fields := strings.Fields(head)
		if !ok || len(fields) != 3 || path.Base(name) != skillfile.Name || !slices.Contains(skillfile.Dirs(), path.Dir(path.Dir(name))) {
			continue
		}
		switch {
		case strings.ToValidUTF8(name, "") != name:
			continue
		case len(files)+len(bad) == maxSkills:
			return files, append(bad, Found{Path: name, Err: fmt.Sprintf("only the first %d skills of a repository are read", maxSkills)})
		case fields[1] != "blob" || !strings.HasPrefix(fields[0], "100"):
			bad = append(bad, Found{Path: name, Err: "not a regular file"})
		default:
			files = append(files, file{id: fields[2], path: name})
		}
	}
	return files, bad
}

// texts reads the files' contents from git's batch: a line "id type size", the bytes, a newline.
func (r *repository) texts(ctx context.Context, ids []byte, files []file, found *[]Found) error {
	total := 0
	return r.stream(ctx, ids, []string{"cat-file", "--batch"}, func(out *bufio.Reader) error {
		for _, f := range files {
			head, err := out.ReadString('\n')
			if err != nil {
				return err
			}
			var id, kind string
			var n int64
			if _, err := fmt.Sscanf(head, "%s %s %d", &id, &kind, &n); err != nil {
				*found = append(*found, Found{Path: f.path, Err: "cannot be read"}) // "id missing"
				continue
			}
			keep := min(n, skillfile.MaxBytes+1)
			b := make([]byte, keep)
			if _, err := io.ReadFull(out, b); err != nil {
				return err
			}
			if _, err := io.CopyN(io.Discard, out, n-keep+1); err != nil {
				return err
			}
			if total += len(b); total > maxText {
				*found = append(*found, Found{Path: f.path, Err: fmt.Sprintf("the repository's skills together are larger than %d MiB", maxText>>20)})
				continue
			}
			*found = append(*found, parse(f.path, b))
		}
		return nil
	})
}

func parse(name string, b []byte) Found {
	s, err := skillfile.Parse(b)
	if err != nil {
		return Found{Path: name, Err: err.Error()}
	}
	return Found{Path: name, Skill: s}
}

// git runs git and returns what it wrote, refusing more than atMost bytes.
func (r *repository) git(ctx context.Context, stdin []byte, atMost int64, args ...string) ([]byte, error) {
	var out []byte
	err := r.stream(ctx, stdin, args, func(b *bufio.Reader) (err error) {
		if out, err = io.ReadAll(io.LimitReader(b, atMost+1)); err == nil && int64(len(out)) > atMost {
			err = errors.New("the repository's skill directories hold too many files")
		}
		return err
	})
	return out, err
}

// stream runs git and lets read have its output. The whole process group ends with it.
func (r *repository) stream(ctx context.Context, stdin []byte, args []string, read func(*bufio.Reader) error) error {
	settings := []string{"-c", "core.hooksPath=/dev/null", "-c", "protocol.allow=never", "-c", "protocol.https.allow=always",
		"-c", "protocol.http.allow=always", "-c", "http.followRedirects=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
		"-c", "core.fsync=none", "-c", "credential.helper="}
	if r.pinned != "" {
		settings = append(settings, "-c", "http.curloptResolve="+r.pinned)
	}
	cmd := exec.CommandContext(ctx, "git", append(settings, args...)...)
	cmd.Dir, cmd.Stdin = r.dir, bytes.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "GIT_DIR=" + r.dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "GIT_NO_LAZY_FETCH=1"}
	proc.Group(cmd)
	cmd.Cancel = func() error { return proc.SignalGroup(cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	var stderr limited
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git cannot be started: %w", err)
	}
	failed := read(bufio.NewReader(out))
	if failed != nil {
		_ = cmd.Cancel()
	}
	if err := cmd.Wait(); err != nil && failed == nil {
		return errors.New(stderr.reason())
	}
	return failed
}

// credential is what stands before the host in a URL.
var credential = regexp.MustCompile(`://[^/@\s]*@`)

// limited keeps the beginning of what a program complains about.
type limited struct{ bytes.Buffer }

// Write keeps what fits and forgets the rest.
func (l *limited) Write(b []byte) (int, error) {
	if room := 4<<10 - l.Len(); room > 0 {
		l.Buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

// reason is git's complaint in a line, without the credential a URL in it may have.
func (l *limited) reason() string {
	for line := range strings.Lines(l.String()) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "fatal: "); ok {
			return credential.ReplaceAllString(strings.ToValidUTF8(text, "?"), "://")
		}
	}
	return "git could not read the repository"
}
