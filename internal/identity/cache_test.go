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
		var h keyHash
		binary.LittleEndian.PutUint64(h[:], uint64(i))
		c.put(h, cached{readAt: now})
	}
	if n := len(c.young) + len(c.old); n > 200 {
		t.Fatalf("%d entries kept", n)
	}
}

func TestCacheDistrustsAClockSetBack(t *testing.T) {
	c := newCache(time.Minute, 10)
	now := time.Unix(1_000_000, 0)
	c.put(keyHash{}, cached{readAt: now})
	if _, ok := c.get(keyHash{}, now.Add(-time.Hour)); ok {
		t.Fatal("an entry from the future is trusted")
	}
}
