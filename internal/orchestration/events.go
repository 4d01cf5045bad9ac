package orchestration

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// The bounds of what is asked about events.
const (
	MaxFollowed = 200 // runs named at once
	MaxEvents   = 500 // events per answer
)

// Events returns what happened to runs after an event, oldest first.
func (s *Service) Events(ctx context.Context, actor identity.Actor, runIDs []string, since int64, limit int) ([]run.Event, error) {
	if limit < 1 || limit > MaxEvents {
		return nil, api.Invalid("limit", "must be between 1 and %d", MaxEvents)
	}
	if since < 0 {
		return nil, api.Invalid("since", "must not be negative")
	}
	runIDs, err := s.MayFollow(ctx, actor, runIDs)
	if err != nil {
		return nil, err
	}
	// The runs are read one after the other. What happens meanwhile must wait for the next call, or its
	// number would let the caller skip an earlier one of a run that had been read.
	last, err := s.cfg.Events.Last(ctx)
	if err != nil {
		return nil, err
	}
	return s.cfg.Events.Of(ctx, runIDs, since, last, limit)
}

// MayFollow refuses runs that the actor may not follow, and returns the others, each once.
func (s *Service) MayFollow(ctx context.Context, actor identity.Actor, runIDs []string) ([]string, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, err
	}
	switch n := len(runIDs); {
	case n == 0:
		return nil, api.Invalid("run_ids", "names no run")
	case n > MaxFollowed:
		return nil, api.Invalid("run_ids", "may name at most %d runs, names %d", MaxFollowed, n)
	}
	seen := make(map[string]bool, len(runIDs))
	once := runIDs[:0:0]
	for _, id := range runIDs {
		if err := run.CheckID("run_ids", id); err != nil {
			return nil, err
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if _, err := s.cfg.Runs.Get(ctx, actor, id); err != nil {
			return nil, err
		}
		once = append(once, id)
	}
	return once, nil
}
