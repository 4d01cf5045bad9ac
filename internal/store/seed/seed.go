package seed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/store"
)

// span is the time the runs are spread over.
const span = 365 * 24 * time.Hour

// batch is how many runs one transaction stores; batches are made independently of each other.
const batch = 1000

// Options say what to make.
type Options struct {
	// Runs is how many.
	Runs int
	// Seed makes another set of runs.
	Seed uint64
	// Owner is the team they are of, User the one of whom a few are.
	Owner identity.Owner
	User  string
	// Until is when the year ends.
	Until time.Time
	// Progress hears how many are stored; nil for nobody.
	Progress func(stored int)
}

// Fill stores the runs, then settles the database.
func Fill(ctx context.Context, db *store.DB, opts Options) error {
	if opts.Progress == nil {
		opts.Progress = func(int) {}
	}
	runs := store.NewRuns(db)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan (<-chan []store.Past), runtime.GOMAXPROCS(0))
	go produce(ctx, opts, batches)
	stored := 0
	for next := range batches {
		list := <-next
		if err := runs.InsertPast(ctx, list); err != nil {
			return fmt.Errorf("store runs: %w", err)
		}
		stored += len(list)
		opts.Progress(stored)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return db.Settle(ctx)
}

// produce makes batches side by side and hands them out in order.
func produce(ctx context.Context, opts Options, batches chan<- (<-chan []store.Past)) {
	defer close(batches)
	words := newVocabulary(12_000)
	for first := 0; first < opts.Runs; first += batch {
		made := make(chan []store.Past, 1)
		go func() { made <- makeBatch(opts, words, first) }()
		select {
		case batches <- made:
		case <-ctx.Done():
			return
		}
	}
}

func makeBatch(opts Options, words *vocabulary, first int) []store.Past {
	m := &maker{rng: rand.New(rand.NewPCG(opts.Seed, uint64(first))), words: words, opts: opts}
	list := make([]store.Past, 0, batch)
	for i := first; i < min(first+batch, opts.Runs); i++ {
		var parent *store.Past
		if len(list) > 0 {
			parent = &list[m.rng.IntN(len(list))]
		}
		list = append(list, m.past(i, parent))
	}
	return list
}
