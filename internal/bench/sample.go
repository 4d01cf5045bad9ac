package bench

import (
	"context"
	"slices"
	"sync"
	"time"
)

// samples are how long something took, many times.
type samples []time.Duration

// at is the duration that a share of the samples does not exceed, in milliseconds.
func (s samples) at(share float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return float64(sorted[min(len(sorted)-1, int(share*float64(len(sorted))))].Microseconds()) / 1000
}

func (s samples) p50() float64 { return s.at(0.50) }
func (s samples) p99() float64 { return s.at(0.99) }

// row is the samples' row.
func (s samples) row(name string) Row {
	return Row{Name: name, P50: s.p50(), P99: s.p99()}
}

// drive has clients share n calls of f and returns how long each took, and the calls per second. It
// stops at the first error.
func drive(ctx context.Context, clients, n int, f func(ctx context.Context) error) (samples, float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	var mu sync.Mutex
	var all samples
	var wg sync.WaitGroup
	start := time.Now()
	for range clients {
		wg.Go(func() {
			var mine samples
			for range work {
				t0 := time.Now()
				if err := f(ctx); err != nil {
					cancel(err)
					return
				}
				mine = append(mine, time.Since(t0))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, mine...)
		})
	}
	wg.Wait()
	return all, float64(len(all)) / time.Since(start).Seconds(), context.Cause(ctx)
}
