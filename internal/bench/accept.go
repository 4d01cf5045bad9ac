package bench

import (
	"context"
	"fmt"
	"path/filepath"
)

// nowhere is a worker host that nobody serves.
const nowhere = "bench-nowhere"

// prompt is a task of ordinary length.
const prompt = "The test TestParse in internal/parse fails on every tenth run. Find out why, fix it, and add a test that would have caught it."

// measureAccept measures how soon a run is stored, on an empty database.
func measureAccept(ctx context.Context, s *suite) error {
	c, err := s.start(ctx, "server", filepath.Join(s.dir, "accept"), "")
	if err != nil {
		return err
	}
	defer c.stop()
	return s.accept(ctx, c, "empty")
}

// accept measures creates by different numbers of clients.
func (s *suite) accept(ctx context.Context, c *cadre, stored string) error {
	create, err := c.creator(request(nowhere, prompt))
	if err != nil {
		return err
	}
	if _, _, err := drive(ctx, 8, s.count(400), create); err != nil { // connections, statements, caches
		return err
	}
	for _, a := range []struct {
		clients, n int
		least      float64
		budget     string
	}{
		{1, 600, 0, "p50 ≤ 2× floor, p99 ≤ 25 ms"}, {16, 4000, 5000, "≥ 0.5× floor rate (5,000/s), p99 ≤ 25 ms"},
		{64, 8000, 7000, "≥ 0.5× floor rate (7,000/s), p99 ≤ 25 ms"},
	} {
		took, rate, err := drive(ctx, a.clients, s.count(a.n), create)
		if err != nil {
			return err
		}
		r := took.row(fmt.Sprintf("accept a run, %d clients, %s", a.clients, stored))
		r.Rate, r.Budget = rate, a.budget
		floor := s.floor.create[a.clients]
		if a.clients == 1 {
			r.Floor, r.Ratio = fmt.Sprintf("%.2f ms", floor.P50), r.P50/floor.P50
			r = r.judged(r.Ratio <= 2 && r.P99 <= 25)
		} else {
			r.Floor, r.Ratio = fmt.Sprintf("%.0f/s", floor.Rate), rate/floor.Rate
			r = r.judged((r.Ratio >= 0.5 || rate >= a.least) && r.P99 <= 25)
		}
		s.add(r)
	}
	return nil
}
