package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// tick is the pace of everything that is not hinted: leases, deadlines, reaping, a look at the
	// whole queue.
	tick = time.Second
	// parallel bounds concurrent moves asked of Runs. They share commits, so many are better than few.
	parallel = 256
	// chunk bounds rows asked of or given to the store at once.
	chunk = 500
	// moveWait bounds one move, retries included.
	moveWait = 30 * time.Second
)

// ErrStopped says that the dispatcher takes no connections any more.
var ErrStopped = errors.New("dispatcher is stopped")

// Dispatcher places waiting runs on connected workers. Make it with New, keep Run running, and give
// every worker connection to Serve.
type Dispatcher struct {
	cfg  Config
	boot string // tells this process from its former self within Config.Instance

	kick chan struct{} // a round may find something; capacity 1

	mu       sync.Mutex
	registry registry
	peers    map[string]announcement // by sender
	stopped  bool
	// calm is when workers have had their time to come back since this process started or paused.
	calm time.Time
	// skipped is by how much the clock jumped forward.
	skipped time.Duration
	// future says that leases in the store may end too late. Only keep uses it.
	future bool
}

// New returns a Dispatcher, or what its Config lacks.
func New(cfg Config) (*Dispatcher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Dispatcher{
		cfg:      cfg,
		boot:     cfg.NewID(),
		kick:     make(chan struct{}, 1),
		registry: newRegistry(),
		peers:    make(map[string]announcement),
		future:   true,
	}, nil
}

// Run places runs until ctx ends, then closes all connections and returns when its work is done. It
// runs once.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.mu.Lock()
	d.calm = d.now().Add(d.cfg.Lease)
	d.mu.Unlock()
	d.recover(ctx)

	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){d.listen, d.meet, d.match, d.keep, d.explain} {
		loops.Go(func() { loop(ctx) })
	}
	<-ctx.Done()
	d.stop()
	loops.Wait()
	return context.Cause(ctx)
}

// stop refuses new connections and ends the present ones.
func (d *Dispatcher) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	for _, c := range d.registry.conns() {
		c.end(ErrStopped)
	}
}

// wakeUp makes the match loop look. It never blocks.
func (d *Dispatcher) wakeUp() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// listen follows hints, subscribing again when the subscription ends.
func (d *Dispatcher) listen(ctx context.Context) {
	if d.cfg.Wakes == nil {
		return
	}
	follow(ctx, d.cfg.Wakes, func(err error) {
		if err != nil {
			d.cfg.Logger.Warn("cannot listen for hints; looking once a second", "error", err)
		}
		d.hint(Wake{Dropped: true})
	}, d.hint)
}

// follow hears what a subscription delivers until ctx ends, and subscribes again when it fails or
// ends. tried is told of every attempt, except of one that failed because ctx ended.
func follow[T any](ctx context.Context, subscribe func(context.Context) (<-chan T, error), tried func(error), hear func(T)) {
	for ctx.Err() == nil {
		heard, err := subscribe(ctx)
		if ctx.Err() == nil {
			tried(err)
		}
		if err == nil { // a failed subscription has no channel, and a nil channel would never end
			for v := range heard {
				hear(v)
			}
		}
		pause(ctx, tick)
	}
}

func (d *Dispatcher) hint(w Wake) {
	if w.Host != "" || w.Dropped {
		d.mu.Lock()
		known := d.registry.soil(w.Host, w.Dropped)
		d.mu.Unlock()
		if known {
			d.wakeUp()
		}
	}
	if w.ExecutionID != "" {
		d.cancel(w.RunID, w.ExecutionID)
	}
}

// pause waits, or returns false when ctx ended.
func pause(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// persist asks for a move until it is made or refused, for at most moveWait: what a worker said is
// not said again, so an unreachable store must not lose it. It goes on when ctx ends.
func (d *Dispatcher) persist(ctx context.Context, move func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), moveWait)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := move(ctx)
		if err == nil || !transient(err) || !pause(ctx, wait) {
			return err
		}
	}
}

// transient tells an error of the platform, which may pass, from a refusal.
func transient(err error) bool {
	switch api.CodeOf(err) {
	case api.PlatformErrorCodeInternalError, api.PlatformErrorCodeResourceUnavailable:
		return true
	}
	return false
}

// each calls fn for every item, many at once, and returns when all returned.
func each[T any](items []T, fn func(T)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, item := range items {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			fn(item)
		})
	}
	all.Wait()
}
