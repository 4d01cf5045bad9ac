package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cadrehq/cadre/api"
)

// measureSeeded measures what many stored runs could slow down.
func measureSeeded(ctx context.Context, s *suite) error {
	data := s.cfg.SeedData
	if data == "" {
		data = filepath.Join(s.dir, "seeded")
		runs := s.count(s.cfg.Runs)
		s.cfg.Progress(fmt.Sprintf("filling a database with %d runs", runs))
		seed := exec.CommandContext(ctx, s.cfg.Executable, "dev", "seed", "--data", data, "--runs", strconv.Itoa(runs), "--json")
		seed.Env = append(os.Environ(), "HOME="+s.dir)
		if out, err := seed.CombinedOutput(); err != nil {
			return fmt.Errorf("fill a database: %w\n%s", err, out)
		}
		s.cfg.Progress("seeded")
	}
	ctx, stop := context.WithTimeout(ctx, longest)
	defer stop()
	var env []string
	if s.cfg.SeedDatabase != "" {
		env = append(env, "CADRE_DATABASE_URL="+s.cfg.SeedDatabase)
	}
	c, err := s.start(ctx, "server", data, "", env...)
	if err != nil {
		return err
	}
	defer c.stop()
	stored, err := c.indexed(ctx)
	if err != nil {
		return err
	}
	if err := s.warm(ctx, c); err != nil {
		return err
	}
	for _, l := range lists {
		if err := s.list(ctx, c, l, stored); err != nil {
			return err
		}
	}
	return s.accept(ctx, c, stored)
}

// indexed waits until the search index is level and says how much is stored, roughly.
func (c *cadre) indexed(ctx context.Context) (string, error) {
	// Until then a search for a word that is nowhere is refused.
	for c.call(ctx, c.key, http.MethodGet, "/agent/runs?limit=20&q=nowherenoword", nil, nil) != nil {
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return "", err
		}
	}
	return "seeded", nil
}

// warmed is an answer that shows that a server remembers the orders of the runs, warming how long that
// is waited for: it reads them behind the first lists that were asked for.
const (
	warmed  = 20 * time.Millisecond
	warming = 2 * time.Minute
)

// warm asks for every list until none takes long.
func (s *suite) warm(ctx context.Context, c *cadre) error {
	s.cfg.Progress("asking for each list until the server knows the orders")
	for began := time.Now(); time.Since(began) < warming; {
		var slowest time.Duration
		for _, v := range sorted(filters...) {
			asked := time.Now()
			if err := c.call(ctx, c.key, http.MethodGet, "/agent/runs?limit=20&"+v.Encode(), nil, nil); err != nil {
				return err
			}
			slowest = max(slowest, time.Since(asked))
		}
		if slowest < warmed {
			return nil
		}
	}
	return nil
}

// listing is a kind of list or search with its variants.
type listing struct {
	name   string
	most   float64 // of the 99th percentile, in milliseconds
	budget string
	of     []url.Values
	deep   bool // pages far into the list are asked for too
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// sorted is every variant in each order.
func sorted(of ...url.Values) (all []url.Values) {
	for _, v := range of {
		for _, by := range []string{"updated_at", "created_at", "title", "agent"} {
			one := url.Values{"sort_by": {by}}
			for k, w := range v {
				one[k] = w
			}
			all = append(all, one)
		}
	}
	return all
}

var filters = []url.Values{
	values("source", "API"), values("source", "JIRA"), values("state", "FAILED"), values("state", "QUEUED"),
	values("model_id", "gpt-5.1-codex"), values("model_id", "qwen3-coder"), values("name", "web-agent-1"), values("name", "worker-agent-119"),
	values("creator", "seed-user-001"), values("environment_id", "SeedEnvironment0000003"), values("skill", "acme/api:skill-0"),
	values("schedule_id", "seed-schedule-01"), values("execution_location", "LOCAL"), values("artifact_type", "PULL_REQUEST"),
}

var lists = []listing{
	{"list, no filter, every sort, deep pages", 3, "p99 ≤ 3 ms", sorted(url.Values{}), true},
	{"list, one filter, every sort, deep pages", 3, "p99 ≤ 3 ms", sorted(filters...), true},
	{"list, combined filters", 25, "p99 ≤ 25 ms", sorted(values("source", "SLACK", "model_id", "qwen3-coder", "state", "FAILED"),
		values("source", "API", "name", "web-agent-1", "creator", "seed-user-001"), values("model_id", "gpt-5.1-codex", "state", "SUCCEEDED"),
		values("environment_id", "SeedEnvironment0000003", "execution_location", "LOCAL")), false},
	{"search, common words", 20, "p99 ≤ 20 ms", []url.Values{values("q", "the"), values("q", "fix test"), values("q", "error")}, true},
	{"search, middling words", 20, "p99 ≤ 20 ms", []url.Values{values("q", "onboarding"), values("q", "dropdown"), values("q", "timezone panic")}, true},
	{"search, rare words", 20, "p99 ≤ 20 ms", []url.Values{values("q", "CORE-45123"), values("q", "a1b2c3"), values("q", "pay-1777")}, false},
	{"search, absent words", 20, "p99 ≤ 20 ms", []url.Values{values("q", "absentword"), values("q", "tionating"), values("q", "zzzq")}, false},
	{"search, parts of words", 20, "p99 ≤ 20 ms", []url.Values{values("q", "boar"), values("q", "q"), values("q", "zq"), values("q", "regat")}, true},
}

// list measures one kind.
func (s *suite) list(ctx context.Context, c *cadre, l listing, stored string) error {
	var took samples
	for range s.count(10) {
		for _, v := range l.of {
			pages := 1
			if l.deep {
				pages = 3
			}
			for range pages {
				var page api.ListRunsResponse
				began := time.Now()
				if err := c.call(ctx, c.key, http.MethodGet, "/agent/runs?limit=20&"+v.Encode(), nil, &page); err != nil {
					return err
				}
				took = append(took, time.Since(began))
				if !page.PageInfo.HasNextPage {
					break
				}
				v = with(v, "cursor", page.PageInfo.NextCursor)
			}
		}
	}
	r := took.row(l.name + ", " + stored)
	r.Budget = l.budget
	s.add(r.judged(r.P99 <= l.most))
	return nil
}

func with(v url.Values, key, value string) url.Values {
	out := url.Values{key: {value}}
	for k, w := range v {
		if k != key {
			out[k] = w
		}
	}
	return out
}
