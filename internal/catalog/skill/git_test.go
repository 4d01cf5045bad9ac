package skill_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/internal/catalog/skill"
	"github.com/cadrehq/cadre/internal/egress"
	"github.com/cadrehq/cadre/internal/runner/gittest"
)

func text(name, body string) string {
	return "---\nname: " + name + "\ndescription: Does " + name + ".\n---\n" + body
}

var loopback = egress.Policy{AllowPrivate: true}

func TestGitReadsSkills(t *testing.T) {
	t.Parallel()
	server := gittest.New(t)
	url := server.Repo("app", map[string]string{
		".agents/skills/review/SKILL.md":         text("review", "Read the diff.\n"),
		".claude/skills/release/SKILL.md":        text("release", "Ship it.\n"),
		".claude/skills/release/notes.txt":       "support",
		".agents/skills/broken/SKILL.md":         "no frontmatter",
		".agents/skills/huge/SKILL.md":           text("huge", strings.Repeat("x", 300<<10)),
		".agents/skills/review/deeper/SKILL.md":  text("deeper", ""),
		".agents/skills/SKILL.md":                text("shallow", ""),
		"docs/.agents/skills/elsewhere/SKILL.md": text("elsewhere", ""),
		"big.bin":                                strings.Repeat("0", 1<<20),
	})
	first := gittest.Git(t, t.TempDir(), "ls-remote", url, "HEAD")[:40]
	server.Commit(url, "second", map[string]string{".agents/skills/new/SKILL.md": text("new", "")})

	temp := t.TempDir()
	git := skill.Git{Dir: temp, Egress: loopback}
	found, err := git.Read(t.Context(), url, first)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.Path+" "+f.Skill.Name+" "+f.Err)
	}
	want := []string{
		".agents/skills/broken/SKILL.md  does not begin with frontmatter (---)",
		".agents/skills/huge/SKILL.md  larger than 262144 bytes",
		".agents/skills/review/SKILL.md review ",
		".claude/skills/release/SKILL.md release ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if found[2].Skill.Body != "Read the diff.\n" {
		t.Errorf("body %q", found[2].Skill.Body)
	}
	if found, err := git.Read(t.Context(), url, ""); err != nil || len(found) != 5 {
		t.Errorf("the default branch: %d skills, %v", len(found), err)
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestGitIsNotLedAstray: what a repository holds reaches no file system, and nothing it names is run.
func TestGitIsNotLedAstray(t *testing.T) {
	t.Parallel()
	server := gittest.New(t)
	url := server.Repo("app", map[string]string{"README": "x"})
	dir := t.TempDir()
	gittest.Git(t, dir, "clone", "--quiet", url, ".")
	if err := os.MkdirAll(filepath.Join(dir, ".agents/skills/link"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, ".agents/skills/link/SKILL.md")); err != nil {
		t.Fatal(err)
	}
	gittest.Git(t, dir, "add", "--all")
	gittest.Git(t, dir, "commit", "--quiet", "-m", "a link")
	gittest.Git(t, dir, "push", "--quiet", "origin", "HEAD:main")
	found, err := skill.Git{Egress: loopback}.Read(t.Context(), url, "")
	if err != nil || len(found) != 1 || found[0].Err != "not a regular file" || found[0].Skill.Body != "" {
		t.Errorf("%+v %v", found, err)
	}
}

func TestGitRefuses(t *testing.T) {
	t.Parallel()
	server := gittest.New(t)
	url := server.Repo("app", map[string]string{"README": "x"})
	away := httptest.NewServer(http.RedirectHandler(url+"/info/refs?service=git-upload-pack", http.StatusFound))
	defer away.Close()
	secret := strings.Replace(away.URL, "://", "://user:hunter2@", 1)
	for name, c := range map[string]struct{ url, ref, want string }{
		"another scheme":     {"ext::sh -c id", "", "only http and https"},
		"ssh":                {"ssh://host/repo", "", "only http and https"},
		"file":               {"file://" + t.TempDir(), "", "worker"},
		"an option for host": {"--upload-pack=id", "", "only http and https"},
		"a setting":          {"http://127.0.0.1/\"\n\tx=y", "", "no URL"},
		"an option as ref":   {url, "--upload-pack=id", "not a branch"},
		"no such ref":        {url, "nope", "nope"},
		"no such repository": {server.URL() + "/gone.git", "", "not found"},
		"a redirect":         {away.URL + "/x.git", "", "302"},
		"nobody there":       {"http://127.0.0.1:1/x.git", "", "127.0.0.1"},
	} {
		_, err := skill.Git{Egress: loopback}.Read(t.Context(), c.url, c.ref)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "localhost", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]"} {
		if _, err := (skill.Git{}).Read(t.Context(), "http://"+host+"/x.git", ""); !errors.Is(err, egress.ErrRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
	if _, err := (skill.Git{Egress: loopback}).Read(t.Context(), secret+"/gone.git", ""); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a credential: %v", err)
	}
}

// TestGitUsesTheCredentialOfItsURL, and calls the address that was checked.
func TestGitUsesTheCredentialOfItsURL(t *testing.T) {
	t.Parallel()
	server := gittest.New(t)
	url := server.Repo("app", map[string]string{".agents/skills/a/SKILL.md": text("a", "")})
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:hunter2"))
	guard := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != want {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		server.ServeHTTP(w, r)
	}))
	defer guard.Close()
	path := strings.TrimPrefix(url, server.URL())
	at := strings.Replace(strings.Replace(guard.URL, "127.0.0.1", "localhost", 1), "://", "://user:hunter2@", 1)
	if found, err := (skill.Git{Egress: loopback}).Read(t.Context(), at+path, ""); err != nil || len(found) != 1 {
		t.Errorf("%+v %v", found, err)
	}
	if _, err := (skill.Git{Egress: loopback}).Read(t.Context(), guard.URL+path, ""); err == nil {
		t.Error("read without a credential")
	}
}

func TestGitStops(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer hung.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	go func() { <-asked; cancel(enough) }()
	if _, err := (skill.Git{Egress: loopback}).Read(ctx, hung.URL+"/x.git", ""); !errors.Is(err, enough) {
		t.Error(err)
	}
}
