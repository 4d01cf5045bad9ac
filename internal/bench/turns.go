package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

// measureTurns measures whole runs by the built-in worker, runner and agent, with a model that answers
// at once.
func measureTurns(ctx context.Context, s *suite) error {
	v := newVendor()
	url, stop, err := serve(ctx, v)
	if err != nil {
		return err
	}
	defer stop()
	c, err := s.start(ctx, "up", filepath.Join(s.dir, "turns"), "", "ANTHROPIC_API_KEY=none", "ANTHROPIC_BASE_URL="+url)
	if err != nil {
		return err
	}
	defer c.stop()
	for range 5 { // the first runs load the program's pages
		if _, err := c.carry(ctx, "turns=2"); err != nil {
			return err
		}
	}
	if err := s.firstRequest(ctx, c, v); err != nil {
		return err
	}
	if err := s.turns(ctx, c); err != nil {
		return err
	}
	return s.eight(ctx, c)
}

// carry creates a run and returns how long it takes until a viewer sees that it succeeded.
func (c *cadre) carry(ctx context.Context, prompt string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	began := time.Now()
	req := request("", prompt)
	req.Config.ModelId = vendorModel
	id, err := c.create(ctx, req)
	if err != nil {
		return 0, err
	}
	var took time.Duration
	var otherwise string
	err = c.stream(ctx, c.key, "/agent/runs/"+id+"/stream", func() {}, func(line []byte) bool {
		for _, state := range []api.RunState{api.RunStateSUCCEEDED, api.RunStateFAILED, api.RunStateERROR, api.RunStateBLOCKED, api.RunStateCANCELLED} {
			if strings.Contains(string(line), `"to":"`+string(state)+`"`) {
				took = time.Since(began)
				if state != api.RunStateSUCCEEDED {
					otherwise = string(line)
				}
				return false
			}
		}
		return true
	})
	if err == nil && otherwise != "" {
		err = fmt.Errorf("run %s did not succeed: %s", id, otherwise)
	}
	return took, err
}

func (s *suite) firstRequest(ctx context.Context, c *cadre, v *vendor) error {
	var took samples
	for i := range s.count(60) {
		mark := fmt.Sprintf("m%d", i)
		came := v.expect(mark)
		began := time.Now()
		if _, err := c.carry(ctx, "turns=1 mark="+mark); err != nil {
			return err
		}
		took = append(took, (<-came).Sub(began))
	}
	r := took.row("submit → first model request")
	r.Budget = "p50 ≤ 18 ms, p99 ≤ 55 ms"
	r.Floor, r.Ratio = fmt.Sprintf("%.2f ms (agent loop)", s.floor.model.P50), r.P50/s.floor.model.P50
	s.add(r.judged(r.P50 <= 18 && r.P99 <= 55))
	return nil
}

// turns compares runs of two turns with runs of twelve.
func (s *suite) turns(ctx context.Context, c *cadre) error {
	const more = 10
	var two, twelve samples
	for range s.count(40) {
		took, err := c.carry(ctx, "turns=2")
		if err != nil {
			return err
		}
		two = append(two, took)
		if took, err = c.carry(ctx, fmt.Sprintf("turns=%d", 2+more)); err != nil {
			return err
		}
		twelve = append(twelve, took)
	}
	r := two.row("a run of two turns, submit → done seen")
	r.Floor, r.Ratio, r.Budget = fmt.Sprintf("%.2f ms (agent loop)", s.floor.model.P50), r.P50/s.floor.model.P50, "p50 ≤ 32 ms"
	s.add(r.judged(r.P50 <= 32))
	each := Row{Name: "each further turn", P50: (twelve.p50() - two.p50()) / more, Budget: "≤ 5 ms"}
	each.Floor, each.Ratio = fmt.Sprintf("%.2f ms (half an agent loop)", s.floor.model.P50/2), each.P50/(s.floor.model.P50/2)
	s.add(each.judged(each.P50 <= 5))
	return nil
}

// eight runs at once take time and memory.
func (s *suite) eight(ctx context.Context, c *cadre) error {
	before, err := c.rss()
	if err != nil {
		return err
	}
	var took samples
	most := before
	for range s.count(10) {
		var wg sync.WaitGroup
		began := time.Now()
		errs := make(chan error, 8)
		for range 8 {
			wg.Go(func() {
				_, err := c.carry(ctx, "turns=2")
				errs <- err
			})
		}
		wg.Wait()
		took = append(took, time.Since(began))
		for range 8 {
			if err := <-errs; err != nil {
				return err
			}
		}
		if now, err := c.rss(); err == nil {
			most = max(most, now)
		}
	}
	r := Row{Name: "eight runs of two turns at once", P50: took.p50(), Budget: "≤ 140 ms, ≤ 60 MiB added"}
	r.Note = fmt.Sprintf("server +%.0f MiB", most-before)
	s.add(r.judged(r.P50 <= 140 && most-before <= 60))
	return nil
}
