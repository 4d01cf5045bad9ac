package identity

import (
	"crypto/sha256"
	"sync"
	"time"
)

// keyHash is the SHA-256 of an API key: what is stored, compared and cached instead of the key.
type keyHash [sha256.Size]byte

// cached is an actor as read from the store at a time.
type cached struct {
	actor   Actor
	expires time.Time // of the key itself; zero: never
	readAt  time.Time
}

// cache remembers actors by key hash for a short time. It keeps two generations of at most size
// entries: when the young one is full the old one is forgotten, so memory stays bounded whatever
// keys are presented, and keys in use survive.
type cache struct {
	ttl  time.Duration
	size int

	mu         sync.RWMutex
	young, old map[keyHash]cached
}

func newCache(ttl time.Duration, size int) *cache {
	return &cache{ttl: ttl, size: size, young: map[keyHash]cached{}}
}

func (c *cache) get(h keyHash, now time.Time) (cached, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.young[h]
	if !ok {
		e, ok = c.old[h]
	}
	// A clock set back makes an entry look newer than now: it is read again.
	if age := now.Sub(e.readAt); !ok || age < 0 || age >= c.ttl {
		return cached{}, false
	}
	return e, true
}

func (c *cache) put(h keyHash, e cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[keyHash]cached, c.size/4)
	}
	c.young[h] = e
}
