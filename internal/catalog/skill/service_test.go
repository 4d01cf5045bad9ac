package skill

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/skillfile"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// repositories is a Reader whose every answer takes a second, unless it is stuck.
type repositories struct {
	mu    sync.Mutex
	holds map[string][]Found
	fails map[string]error
	stuck map[string]bool
	reads map[string]int
}

func (r *repositories) Read(ctx context.Context, url, ref string) ([]Found, error) {
	r.mu.Lock()
	key := strings.TrimSuffix(strings.TrimPrefix(url, "https://github.com/"), ".git")
	if ref != "" {
		key += "@" + ref
	}
	r.reads[key]++
	found, err, stuck := r.holds[key], r.fails[key], r.stuck[key]
	r.mu.Unlock()
	wait := time.After(time.Second)
	if stuck {
		wait = nil
	}
	select {
	case <-wait:
		return found, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// change changes what repositories hold.
func (r *repositories) change(do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do()
}

// count is how often a repository was read.
func (r *repositories) count(repo string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reads[repo]
}

type environments []catalog.Environment

func (e environments) List(context.Context, identity.Actor, bool) ([]catalog.Environment, error) {
	return e, nil
}

type ran map[string]time.Time

func (r ran) LastOfSkills(context.Context, []identity.Owner, []string) (map[string]time.Time, error) {
	return r, nil
}

func environment(uid string, repos ...api.SourceRepo) catalog.Environment {
	return catalog.Environment{UID: uid, Config: api.CloudEnvironmentConfig{Name: "env " + uid, SourceRepos: repos}}
}

func good(path, name string) Found {
	return Found{Path: path, Skill: skillfile.File{Name: name, Description: "Does " + name + ".", Body: "Do it."}}
}

// world is a service over repositories, in a synctest bubble.
func world(r *repositories, runs ran, list ...catalog.Environment) *Service {
	r.reads = map[string]int{}
	return New(Config{Reader: r, Environments: environments(list), Runs: runs, Now: time.Now})
}

func lines(t *testing.T, s *Service, q Query) string {
	t.Helper()
	answer, err := s.List(t.Context(), identity.Actor{UID: "u"}, q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, a := range answer.Agents {
		for _, v := range a.Variants {
			b.WriteString(a.Name + " " + v.Id)
			for _, e := range v.Environments {
				b.WriteString(" " + e.Uid)
			}
			if v.Error != "" {
				b.WriteString(" !" + v.Error)
			}
			b.WriteString("\n")
		}
	}
	for _, r := range answer.Repositories {
		b.WriteString(strings.TrimSpace(r.Owner+"/"+r.Name+" "+string(r.State)+" "+r.Error) + "\n")
	}
	return b.String()
}

func check(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%swant\n%s", what, got, want)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		repos := &repositories{
			holds: map[string][]Found{
				"o/app": {good(".agents/skills/review/SKILL.md", "review"), {Path: ".agents/skills/bad/SKILL.md", Err: "lacks name"}},
				"o/lib": {good(".claude/skills/review/SKILL.md", "review"), good(".claude/skills/a/SKILL.md", "Alpha")},
				"x/y":   {good(".agents/skills/z/SKILL.md", "z")},
			},
			fails: map[string]error{"o/gone": errors.New("not found")},
		}
		s := world(repos, ran{"o/app:review": time.Now()},
			environment("e1", api.SourceRepo{Owner: "o", Repo: "app"}, api.SourceRepo{Owner: "o", Repo: "gone"}),
			environment("e2", api.SourceRepo{Owner: "o", Repo: "app"}, api.SourceRepo{Url: "https://github.com/o/lib.git"}))
		defer s.Close()
		check(t, "all", lines(t, s, Query{}), "Alpha o/lib:.claude/skills/a/SKILL.md e2\n"+
			"review o/app:.agents/skills/review/SKILL.md e1 e2\nreview o/lib:.claude/skills/review/SKILL.md e2\n"+
			"o/app ready\no/gone failed not found\no/lib ready\n")
		check(t, "one repository, malformed too", lines(t, s, Query{Repo: "O/app", Malformed: true}),
			"bad o/app:.agents/skills/bad/SKILL.md e1 e2 !lacks name\nreview o/app:.agents/skills/review/SKILL.md e1 e2\no/app ready\n")
		if got := lines(t, s, Query{ByLastRun: true}); !strings.HasPrefix(got, "review") {
			t.Errorf("by last run: %s", got)
		}
		check(t, "a repository of no environment", lines(t, s, Query{Repo: "x/y"}), "z x/y:.agents/skills/z/SKILL.md\nx/y ready\n")
		for _, bad := range []string{"x", "x/", "/y", "x/y/z", "../y", "x/..", "a b/c", "x/y?z", "http://x/y", "x\n/y"} {
			if _, err := s.List(t.Context(), identity.Actor{}, Query{Repo: bad}); api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest {
				t.Errorf("%q: %v", bad, err)
			}
		}
		for _, repo := range []string{"o/app", "o/lib", "o/gone", "x/y"} {
			if n := repos.count(repo); n != 1 {
				t.Errorf("%s was read %d times", repo, n)
			}
		}
	})
}

// TestRemembers: what is known is shown at once, and read again behind it when it is old.
func TestRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		repos := &repositories{holds: map[string][]Found{"o/app": {good(".agents/skills/a/SKILL.md", "a")}}}
		s := world(repos, nil, environment("e", api.SourceRepo{Owner: "o", Repo: "app"}))
		defer s.Close()
		old := "a o/app:.agents/skills/a/SKILL.md e\no/app ready\n"
		check(t, "first", lines(t, s, Query{}), old)
		repos.change(func() { repos.holds["o/app"] = []Found{good(".agents/skills/b/SKILL.md", "b")} })
		check(t, "a refresh at once", lines(t, s, Query{Refresh: true}), old)
		time.Sleep(MinAge)
		changed := "b o/app:.agents/skills/b/SKILL.md e\no/app ready\n"
		check(t, "a refresh later", lines(t, s, Query{Refresh: true}), changed)
		repos.change(func() { repos.holds["o/app"], repos.fails = nil, map[string]error{"o/app": errors.New("unreachable")} })
		time.Sleep(MaxAge)
		check(t, "when it is old", lines(t, s, Query{}), changed)
		time.Sleep(2 * time.Second)
		check(t, "after it failed", lines(t, s, Query{}), strings.Replace(changed, "ready", "failed unreachable", 1))
		if n := repos.count("o/app"); n != 3 {
			t.Errorf("%d reads", n)
		}
	})
}

// TestPatience: a repository that takes too long does not hold up the others, and Close ends it.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		repos := &repositories{
			holds: map[string][]Found{"o/app": {good(".agents/skills/a/SKILL.md", "a")}}, stuck: map[string]bool{"o/slow": true},
		}
		s := world(repos, nil, environment("e", api.SourceRepo{Owner: "o", Repo: "slow"}, api.SourceRepo{Owner: "o", Repo: "app"}))
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				check(t, "list", lines(t, s, Query{}), "a o/app:.agents/skills/a/SKILL.md e\no/slow reading\no/app ready\n")
			})
		}
		all.Wait()
		if n := repos.count("o/slow"); n != 1 {
			t.Errorf("%d reads at once", n)
		}
		s.Close()
		check(t, "after the end", lines(t, s, Query{}), "a o/app:.agents/skills/a/SKILL.md e\no/slow reading\no/app ready\n")
	})
}

// TestForgets: memory is bounded however many repositories are asked for.
func TestForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		big := good(".agents/skills/a/SKILL.md", "a")
		big.Skill.Body = strings.Repeat("x", maxKept/3)
		repos := &repositories{holds: map[string][]Found{"o/1": {big}, "o/2": {big}, "o/3": {big}, "o/4": {big}}}
		s := world(repos, nil)
		defer s.Close()
		for _, repo := range []string{"o/1", "o/2", "o/3", "o/2"} {
			_ = lines(t, s, Query{Repo: repo})
			time.Sleep(time.Second)
		}
		if s.cache.bytes > maxKept || len(s.cache.entries) != 2 || s.cache.entries[keyOf("https://github.com/o/1.git", "")] != nil {
			t.Errorf("%d bytes of %d repositories", s.cache.bytes, len(s.cache.entries))
		}
	})
}

func FuzzListing(f *testing.F) {
	f.Add([]byte("100644 blob abc\t.agents/skills/a/SKILL.md\x00120000 blob def\t.agents/skills/b/SKILL.md\x00"))
	f.Add([]byte("\t\x00x\t\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, bad := parseListing(b)
		if len(files)+len(bad) > maxSkills+1 {
			t.Error("more than allowed")
		}
		for _, x := range files {
			if !strings.HasSuffix(x.path, "/"+skillfile.Name) {
				t.Errorf("%q", x.path)
			}
		}
	})
}
