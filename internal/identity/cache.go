package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

// hash is the SHA-256 of a credential: what is stored, compared and cached instead of it.
type hash [sha256.Size]byte

func hashOf(credential string) hash { return sha256.Sum256([]byte(credential)) }

// cached is who is behind a credential, as read from the store at a time.
type cached struct {
	who    principal
	readAt time.Time
}

// cache remembers principals by credential hash for a short time. It keeps two generations of at most
// size entries: when the young one is full the old one is forgotten, so memory stays bounded whatever
// credentials are presented, and those in use survive.
type cache struct {
	ttl  time.Duration
	size int

	mu         sync.RWMutex
	epoch      int // how often everything was forgotten
	young, old map[hash]cached
}

func newCache(ttl time.Duration, size int) *cache {
	return &cache{ttl: ttl, size: size, young: map[hash]cached{}}
}

// get returns what is known, and the epoch to put under what is read because nothing is.
func (c *cache) get(h hash, now time.Time) (e cached, epoch int, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok = c.young[h]
	if !ok {
		e, ok = c.old[h]
	}
	// A clock set back makes an entry look newer than now: it is read again.
	if age := now.Sub(e.readAt); !ok || age < 0 || age >= c.ttl {
		return cached{}, c.epoch, false
	}
	return e, c.epoch, true
}

// put remembers what was read, unless everything was forgotten since the epoch: it may have been read
// before the change that made everybody forget.
func (c *cache) put(h hash, e cached, epoch int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if epoch != c.epoch {
		return
	}
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[hash]cached, c.size/4)
	}
	c.young[h] = e
}

// forget drops everything. Changes of who may do what are rare, and reading again is one query.
func (c *cache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	c.old, c.young = nil, map[hash]cached{}
}
