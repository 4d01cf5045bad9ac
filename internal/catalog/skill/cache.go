package skill

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// MaxAge is how old what is known of a repository may be before it is read again, while lists go on
	// showing it.
	MaxAge = 10 * time.Minute
	// MinAge is how old it must be for a refresh to be carried out: refreshing costs a repository's host
	// more than whoever asks for it.
	MinAge = 10 * time.Second

	maxKept   = 64 << 20 // bytes of skills remembered
	maxAtOnce = 4        // repositories read at once
)

// reading is what a repository held when it was last read. Its zero value says that it is being read
// for the first time.
type reading struct {
	found []Found
	err   error
	at    time.Time
}

// bytes is about what a reading takes.
func (r reading) bytes() int {
	n := 256
	for _, f := range r.found {
		n += 128 + len(f.Path) + len(f.Skill.Name) + len(f.Skill.Description) + len(f.Skill.Body)
	}
	return n
}

// entry is a repository the cache knows of.
type entry struct {
	cache *cache
	used  time.Time // guarded by cache.mu, as all of it is
	last  reading
	busy  chan struct{} // closed when the reading under way ends; nil when there is none
}

// result is an entry as one list wants it: when until is closed, at once when it is nil.
type result struct {
	*entry
	until <-chan struct{}
}

// cache remembers what repositories hold and reads each at most once at a time.
type cache struct {
	reader Reader
	now    func() time.Time
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	slots  chan struct{}

	mu      sync.Mutex
	closed  bool
	entries map[string]*entry
	bytes   int
}

func newCache(reader Reader, now func() time.Time) *cache {
	c := &cache{reader: reader, now: now, slots: make(chan struct{}, maxAtOnce), entries: map[string]*entry{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

func (c *cache) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.work.Wait()
}

func keyOf(url, ref string) string { return url + "\x00" + ref }

// get starts reading a repository when nothing is known of it, what is known is old, or it is to be
// refreshed. Only the first and the last are worth waiting for.
func (c *cache) get(url, ref string, refresh bool) result {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, now := keyOf(url, ref), c.now()
	e := c.entries[key]
	if e == nil {
		e = &entry{cache: c}
		c.entries[key] = e
	}
	e.used = now
	age := now.Sub(e.last.at)
	if e.busy == nil && !c.closed && (age >= MaxAge || refresh && age >= MinAge) {
		e.busy = make(chan struct{})
		c.work.Go(func() { c.read(e, url, ref) })
	}
	if e.last.at.IsZero() || refresh {
		return result{e, e.busy}
	}
	return result{e, nil}
}

// read reads a repository and remembers what it holds. One that fails after it was read before keeps
// what was found, beside the reason.
func (c *cache) read(e *entry, url, ref string) {
	var r reading
	select {
	case c.slots <- struct{}{}:
		r.found, r.err = c.reader.Read(c.ctx, url, ref)
		<-c.slots
	case <-c.ctx.Done():
		r.err = context.Cause(c.ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	r.at = c.now()
	if errors.Is(r.err, context.Canceled) {
		r = e.last // the server stops
	} else if r.err != nil && len(r.found) == 0 {
		r.found = e.last.found
	}
	c.bytes += r.bytes() - e.last.bytes()
	e.last = r
	close(e.busy)
	e.busy = nil
	c.shrink()
}

// shrink forgets what was asked for longest ago while too much is remembered.
func (c *cache) shrink() {
	for c.bytes > maxKept {
		var oldest string
		for key, e := range c.entries {
			if e.busy == nil && (oldest == "" || e.used.Before(c.entries[oldest].used)) {
				oldest = key
			}
		}
		if oldest == "" {
			return
		}
		c.bytes -= c.entries[oldest].last.bytes()
		delete(c.entries, oldest)
	}
}

// wait returns what the repository holds once it has been read or the context ends.
func (r result) wait(ctx context.Context) reading {
	if r.until != nil {
		select {
		case <-r.until:
		case <-ctx.Done():
		}
	}
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	return r.last
}
