package agent

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// limitAge is how long a team's limit is taken to be what it was, on every server.
	limitAge = time.Second
	// maxLimits bounds the teams that are remembered at a time.
	maxLimits = 10_000
)

// RunLimits knows how many runs of each team may work at once. It asks the store about a team at most
// once per limitAge, however many runs are made and placed. It is safe for concurrent use.
type RunLimits struct {
	store Store
	usual int
	now   func() time.Time

	mu    sync.Mutex // a leaf
	known map[string]knownLimit
}

type knownLimit struct {
	runs int
	at   time.Time
}

// NewRunLimits returns limits of which usual is that of teams without their own; 0 is without bound.
func NewRunLimits(store Store, usual int, now func() time.Time) *RunLimits {
	return &RunLimits{store: store, usual: usual, now: now, known: map[string]knownLimit{}}
}

// Of returns how many runs of a team may work at once; 0 is without bound.
func (l *RunLimits) Of(ctx context.Context, teamUID string) (int, error) {
	now := l.now()
	l.mu.Lock()
	k, ok := l.known[teamUID]
	l.mu.Unlock()
	if age := now.Sub(k.at); ok && age >= 0 && age < limitAge {
		return k.runs, nil
	}
	d, err := l.store.Defaults(ctx, teamUID)
	if err != nil {
		return 0, fmt.Errorf("read team's limit: %w", err)
	}
	k = knownLimit{cmp.Or(d.MaxConcurrentRuns, l.usual), now}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= maxLimits {
		clear(l.known)
	}
	l.known[teamUID] = k
	return k.runs, nil
}
