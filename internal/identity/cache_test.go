package identity

import (
	"encoding/binary"
	"testing"
	"time"
)

func TestCacheStaysBounded(t *testing.T) {
	c := newCache(time.Hour, 100)
	now := time.Unix(1_000_000, 0)
	for i := range 10_000 {
		var h hash
		binary.LittleEndian.PutUint64(h[:], uint64(i))
		c.put(h, cached{readAt: now}, 0)
	}
	if n := len(c.young) + len(c.old); n > 200 {
		t.Fatalf("%d entries kept", n)
	}
}

func TestCacheDistrustsAClockSetBack(t *testing.T) {
	c := newCache(time.Minute, 10)
	now := time.Unix(1_000_000, 0)
	c.put(hash{}, cached{readAt: now}, 0)
	if _, _, ok := c.get(hash{}, now.Add(-time.Hour)); ok {
		t.Fatal("an entry from the future is trusted")
	}
}

// TestCacheForgetsWhatWasReadBefore: what was read before everybody had to forget is not put back.
func TestCacheForgetsWhatWasReadBefore(t *testing.T) {
	c := newCache(time.Minute, 10)
	now := time.Unix(1_000_000, 0)
	_, epoch, _ := c.get(hash{}, now)
	c.forget()
	c.put(hash{}, cached{readAt: now}, epoch)
	if _, _, ok := c.get(hash{}, now); ok {
		t.Fatal("what was read before the change is remembered after it")
	}
}
