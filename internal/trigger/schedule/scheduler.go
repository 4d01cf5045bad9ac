package schedule

import (
	"context"
	"sync"
	"time"
)

const (
	// poll bounds how long the scheduler sleeps: a schedule made by another server, and a clock that
	// was set, are noticed within it.
	poll = time.Second
	// batch is how many schedules are claimed at once.
	batch = 256
	// serveWait bounds serving one schedule, the wait for the database included.
	serveWait = 15 * time.Second
	// forgetEvery is how often old outcomes are deleted, forgetBatch how many in one transaction.
	forgetEvery = time.Hour
	forgetBatch = 1000
)

// Run turns ticks into runs until ctx ends; then it finishes what it has claimed. Any number of
// servers may run at the same time.
//
// It sleeps until the earliest due time in the store, at most poll, whatever the number of schedules.
func (s *Service) Run(ctx context.Context) error {
	jobs := make(chan Schedule)
	var parts sync.WaitGroup
	for range s.cfg.Workers {
		parts.Go(func() { s.work(ctx, jobs) })
	}
	parts.Go(func() { s.forget(ctx) })
	defer parts.Wait()
	defer close(jobs)

	s.held.Store(true) // until the store says otherwise
	timer := time.NewTimer(0)
	defer timer.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-s.changed:
		}
		wait, err := s.round(ctx, jobs)
		if err != nil && ctx.Err() == nil && !failing {
			s.cfg.Log.Warn("schedules wait", "error", err)
		}
		failing = err != nil
		timer.Reset(wait)
	}
}

// round hands out everything that is due and says how long there is nothing to do.
func (s *Service) round(ctx context.Context, jobs chan<- Schedule) (time.Duration, error) {
	for ctx.Err() == nil {
		now := s.now()
		if err := s.release(ctx, now); err != nil {
			return poll, err
		}
		next, err := s.cfg.Ticks.NextDue(ctx, now)
		if err != nil {
			return poll, err
		}
		if next.IsZero() || next.After(now) {
			if next.IsZero() {
				return poll, nil
			}
			return min(next.Sub(now), poll), nil
		}
		due, err := s.cfg.Ticks.Claim(ctx, now, now.Add(s.cfg.ClaimFor), batch)
		if err != nil {
			return poll, err
		}
		for _, c := range due {
			jobs <- c // workers outlive this loop
		}
		if len(due) == 0 { // another server was quicker
			return poll / 100, nil
		}
	}
	return 0, nil
}

// release lets those ticks go on that wait for runs, if there are any.
func (s *Service) release(ctx context.Context, now time.Time) error {
	if !s.held.Load() {
		return nil
	}
	// Cleared first: a tick held meanwhile sets it again.
	s.held.Store(false)
	waiting, err := s.cfg.Ticks.Release(ctx, now)
	if waiting > 0 || err != nil {
		s.held.Store(true)
	}
	return err
}

func (s *Service) work(ctx context.Context, jobs <-chan Schedule) {
	for c := range jobs {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), serveWait)
		if err := s.serve(bounded, c); err != nil {
			s.cfg.Log.Warn("schedule started no run", "schedule_id", c.ID, "tick", c.Tick, "error", err)
		}
		cancel()
	}
}

// forget deletes old outcomes now and then.
func (s *Service) forget(ctx context.Context) {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for {
			n, err := s.cfg.Ticks.Forget(ctx, s.now().Add(-s.cfg.KeepHistory), forgetBatch)
			if err != nil || n < forgetBatch {
				break // what is left waits for the next time
			}
		}
	}
}
