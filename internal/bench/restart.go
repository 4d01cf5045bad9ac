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

// measureRestart kills a server that has ten thousand active runs, half of them waiting and half with
// a worker, and starts it again.
func measureRestart(ctx context.Context, s *suite) error {
	data := filepath.Join(s.dir, "restart")
	c, err := s.start(ctx, "server", data, "")
	if err != nil {
		return err
	}
	addr := strings.TrimPrefix(c.url, "http://")
	half := s.count(5000)
	taken, ids, running, err := s.activate(ctx, c, half)
	if err != nil {
		return err
	}
	c.kill()
	again, err := s.start(ctx, "server", data, addr)
	if err != nil {
		return err
	}
	defer again.stop()
	r := Row{Name: fmt.Sprintf("kill -9 with %d active runs: start → serving again", 2*half), P50: float64(again.ready.Milliseconds()), Budget: "≤ 1 s"}
	s.add(r.judged(again.ready <= time.Second))
	return s.handOut(ctx, again, taken, ids, running)
}

// activate has half the runs claimed by a worker and the other half waiting for it.
func (s *suite) activate(ctx context.Context, c *cadre, half int) (taken map[string]bool, ids []string, running []string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	taken = map[string]bool{}
	var mu sync.Mutex
	enough := make(chan struct{})
	w, err := c.connect(ctx, host, nil, func(w *fakeWorker, t api.TaskAssignment) {
		mu.Lock()
		defer mu.Unlock()
		if w.claim(ctx, t) == nil {
			taken[t.TaskID] = true
		}
		if len(taken) == half {
			close(enough)
		}
	})
	if err != nil {
		return nil, nil, nil, err
	}
	defer w.close()
	go w.beat(ctx)
	create := func(ctx context.Context) error {
		id, err := c.create(ctx, request(host, prompt))
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, id)
		return err
	}
	if _, _, err := drive(ctx, 32, half, create); err != nil {
		return nil, nil, nil, err
	}
	select {
	case <-enough:
	case <-time.After(30 * time.Second):
		return nil, nil, nil, fmt.Errorf("only %d of %d runs were assigned", len(taken), half)
	}
	// Let the last claims be stored, then refuse everything: what comes now waits.
	if err := pause(ctx, 500*time.Millisecond); err != nil {
		return nil, nil, nil, err
	}
	w.close()
	_, _, err = drive(ctx, 32, half, create)
	return taken, ids, w.running(), err
}

// handOut connects the worker again and checks that it gets exactly what it has not got yet.
func (s *suite) handOut(ctx context.Context, c *cadre, taken map[string]bool, ids, running []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	twice := 0
	rest := len(ids) - len(taken)
	var last time.Time
	all := make(chan struct{})
	began := time.Now()
	w, err := c.connect(ctx, host, running, func(w *fakeWorker, t api.TaskAssignment) {
		mu.Lock()
		defer mu.Unlock()
		_ = w.claim(ctx, t) // a lost connection shows as runs that are not handed out
		if taken[t.TaskID] {
			twice++
			return
		}
		taken[t.TaskID], last = true, time.Now()
		if len(taken) == len(ids) {
			close(all)
		}
	})
	if err != nil {
		return err
	}
	defer w.close()
	go w.beat(ctx)
	select {
	case <-all:
	case <-ctx.Done():
	case <-time.After(60 * time.Second):
	}
	if err := pause(ctx, 2*time.Second); err != nil { // time for a run to be handed out twice
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	lost := 0
	for _, id := range ids {
		if !taken[id] {
			lost++
		}
	}
	r := Row{Name: "the waiting half handed out", Rate: float64(rest-lost) / last.Sub(began).Seconds(), Budget: "≥ 2,000/s, 0 lost, 0 twice"}
	r.Note = fmt.Sprintf("%d lost, %d assigned twice", lost, twice)
	r = r.judged(r.Rate >= 2000)
	if lost > 0 || twice > 0 {
		r.Verdict = Failed
	}
	s.add(r)
	return nil
}
