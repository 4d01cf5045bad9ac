package bench

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/api"
)

// host is the worker host of the fake workers.
const host = "bench"

// measureQueue measures how soon a worker hears of a run and everybody of its end.
func measureQueue(ctx context.Context, s *suite) error {
	c, err := s.start(ctx, "server", filepath.Join(s.dir, "queue"), "")
	if err != nil {
		return err
	}
	defer c.stop()
	if err := s.oneByOne(ctx, c); err != nil {
		return err
	}
	return s.throughput(ctx, c)
}

// assignments hands assignments to whoever waits for a run.
type assignments struct {
	mu   sync.Mutex
	came map[string]chan assigned
}

type assigned struct {
	task api.TaskAssignment
	at   time.Time
}

func (a *assignments) of(id string) chan assigned {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.came == nil {
		a.came = map[string]chan assigned{}
	}
	c := a.came[id]
	if c == nil {
		c = make(chan assigned, 1)
		a.came[id] = c
	}
	return c
}

// oneByOne follows runs from the request to the worker, and from there to a viewer who sees the end.
func (s *suite) oneByOne(ctx context.Context, c *cadre) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all assignments
	w, err := c.connect(ctx, host, nil, func(_ *fakeWorker, t api.TaskAssignment) { all.of(t.TaskID) <- assigned{t, time.Now()} })
	if err != nil {
		return err
	}
	defer w.close()
	var toWorker, toDone samples
	for i := range s.count(200) + 10 {
		began := time.Now()
		id, err := c.create(ctx, request(host, prompt))
		if err != nil {
			return err
		}
		var got assigned
		select {
		case got = <-all.of(id):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		seen, err := s.finish(ctx, c, w, got.task)
		if err != nil {
			return err
		}
		if i >= 10 { // warm
			toWorker, toDone = append(toWorker, got.at.Sub(began)), append(toDone, seen.Sub(began))
		}
	}
	r := toWorker.row("request sent → worker assigned")
	r.Floor, r.Budget = fmt.Sprintf("%.2f ms (create)", s.floor.create[1].P50), "p50 ≤ 2.5 ms, p99 ≤ 10 ms"
	r.Ratio = r.P50 / s.floor.create[1].P50
	s.add(r.judged(r.P50 <= 2.5 && r.P99 <= 10))
	r = toDone.row("request sent → done seen by a viewer")
	r.Floor, r.Budget = fmt.Sprintf("%.2f ms (4 × create)", 4*s.floor.create[1].P50), "p50 ≤ 8 ms"
	r.Ratio = r.P50 / (4 * s.floor.create[1].P50)
	s.add(r.judged(r.P50 <= 8))
	return nil
}

// finish carries a run out as a worker and a runner that have nothing to do, and returns when a viewer
// saw that it was done.
func (s *suite) finish(ctx context.Context, c *cadre, w *fakeWorker, task api.TaskAssignment) (time.Time, error) {
	open, done := make(chan struct{}), make(chan time.Time, 1)
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	go func() {
		_ = c.stream(ctx, c.key, "/agent/runs/"+task.TaskID+"/stream", func() { close(open) }, func(line []byte) bool {
			if strings.Contains(string(line), `"to":"SUCCEEDED"`) {
				done <- time.Now()
				return false
			}
			return true
		})
	}()
	if err := w.claim(ctx, task); err != nil {
		return time.Time{}, err
	}
	if err := c.call(ctx, token(task), http.MethodPost, "/runner/start", api.RunnerStartRequest{}, nil); err != nil {
		return time.Time{}, err
	}
	if err := c.say(ctx, token(task), 0, api.RunStateINPROGRESS); err != nil {
		return time.Time{}, err
	}
	if err := c.say(ctx, token(task), 0, api.RunStateSUCCEEDED, api.AgentMessage{Turn: 1, Text: "Done."}); err != nil {
		return time.Time{}, err
	}
	select {
	case at := <-done:
		return at, w.complete(ctx, task)
	case <-ctx.Done():
		return time.Time{}, fmt.Errorf("the end of a run was not seen: %w", context.Cause(ctx))
	}
}

// throughput has runs created, assigned, claimed, started and ended as quickly as it goes.
func (s *suite) throughput(ctx context.Context, c *cadre) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n := s.count(6000)
	tasks := make(chan api.TaskAssignment, n)
	var taken atomic.Int64
	last := make(chan struct{})
	w, err := c.connect(ctx, host, nil, func(w *fakeWorker, t api.TaskAssignment) {
		if w.claim(ctx, t) == nil {
			tasks <- t
		}
	})
	if err != nil {
		return err
	}
	defer w.close()
	go w.beat(ctx)
	for range 32 {
		go func() {
			for t := range tasks {
				if w.complete(ctx, t) == nil && taken.Add(1) == int64(n) {
					close(last)
				}
			}
		}()
	}
	create, err := c.creator(request(host, prompt))
	if err != nil {
		return err
	}
	began := time.Now()
	if _, _, err := drive(ctx, 32, n, create); err != nil {
		return err
	}
	select {
	case <-last:
	case <-time.After(60 * time.Second):
		return fmt.Errorf("%d of %d runs reached the worker in time", taken.Load(), n)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r := Row{Name: "created, assigned, claimed and ended, through one server", Rate: float64(n) / time.Since(began).Seconds(), Budget: "≥ 2,000/s"}
	r.Floor, r.Ratio = fmt.Sprintf("%.0f/s", s.floor.create[64].Rate), r.Rate/s.floor.create[64].Rate
	s.add(r.judged(r.Rate >= 2000))
	return nil
}
