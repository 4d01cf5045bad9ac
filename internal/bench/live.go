package bench

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

// measureLive keeps a thousand sessions open, each with a runner that listens and a viewer that
// watches, and nothing to say.
func measureLive(ctx context.Context, s *suite) error {
	c, err := s.start(ctx, "server", filepath.Join(s.dir, "live"), "")
	if err != nil {
		return err
	}
	defer c.stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const sessions = 1000
	var open sync.WaitGroup
	open.Add(2 * sessions)
	started := make(chan api.TaskAssignment, sessions)
	w, err := c.connect(ctx, host, nil, func(w *fakeWorker, t api.TaskAssignment) {
		if w.claim(ctx, t) == nil {
			started <- t
		}
	})
	if err != nil {
		return err
	}
	defer w.close()
	go w.beat(ctx)
	for range 16 {
		go func() {
			for t := range started {
				if c.call(ctx, token(t), http.MethodPost, "/runner/start", api.RunnerStartRequest{}, nil) != nil ||
					c.say(ctx, token(t), 0, api.RunStateINPROGRESS) != nil {
					continue // never open: noticed below
				}
				ignore := func([]byte) bool { return true }
				go func() { _ = c.stream(ctx, token(t), "/runner/commands/stream", open.Done, ignore) }()
				go func() { _ = c.stream(ctx, c.key, "/agent/runs/"+t.TaskID+"/stream", open.Done, ignore) }()
			}
		}()
	}
	if _, _, err := drive(ctx, 16, sessions, func(ctx context.Context) error {
		_, err := c.create(ctx, request(host, prompt))
		return err
	}); err != nil {
		return err
	}
	all := make(chan struct{})
	go func() { open.Wait(); close(all) }()
	select {
	case <-all:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(60 * time.Second):
		return fmt.Errorf("not all of %d sessions and viewers were open after a minute", sessions)
	}
	if err := pause(ctx, 5*time.Second); err != nil { // what opening left behind is cleaned up
		return err
	}
	cpu, err := c.cpu(ctx, 12*time.Second) // twice every heartbeat
	if err != nil {
		return err
	}
	rss, err := c.rss()
	if err != nil {
		return err
	}
	r := Row{Name: "1,000 live sessions and 1,000 viewers, quiet", Note: fmt.Sprintf("%.0f MiB, %.2f %% of a core", rss, cpu), Budget: "≤ 150 MiB, ≤ 3 %"}
	s.add(r.judged(rss <= 150 && cpu <= 3))
	return nil
}
