package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// measureIdle starts a whole Cadre for one machine a few times, and watches the last one do nothing.
func measureIdle(ctx context.Context, s *suite) error {
	var ready samples
	for i := range 4 {
		c, err := s.start(ctx, "up", filepath.Join(s.dir, fmt.Sprint("idle", i)), "")
		if err != nil {
			return err
		}
		ready = append(ready, c.ready)
		if i < 3 {
			c.stop()
			continue
		}
		defer c.stop()
		r := Row{Name: "idle up: start → ready to accept", P50: ready.p50(), Budget: "≤ 300 ms"}
		s.add(r.judged(r.P50 <= 300))
		if err := pause(ctx, 3*time.Second); err != nil {
			return err
		}
		cpu, err := c.cpu(ctx, time.Duration(s.count(10))*time.Second)
		if err != nil {
			return err
		}
		rss, err := c.rss()
		if err != nil {
			return err
		}
		r = Row{Name: "idle up: memory and processor", Note: fmt.Sprintf("%.0f MiB, %.2f %% of a core", rss, cpu), Budget: "≤ 55 MiB, ≤ 0.5 %"}
		s.add(r.judged(rss <= 55 && cpu <= 0.5))
	}
	return nil
}
