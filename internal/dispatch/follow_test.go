package dispatch

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// deafPeers can be told things, but not listened to.
type deafPeers struct{ tries atomic.Int32 }

func (p *deafPeers) Announce([]byte) {}

func (p *deafPeers) Announcements(context.Context) (<-chan []byte, error) {
	p.tries.Add(1)
	return nil, errors.New("no bus")
}

// A bus that refuses subscriptions costs promptness only: runs are found by looking, the subscription
// is tried again, and the dispatcher stops when told to.
func TestSubscriptionsThatFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var peers deafPeers
		var wakes atomic.Int32
		d := w.start(t, func(c *Config) { // which waits, at the end of the test, until the dispatcher has stopped
			c.Peers = &peers
			c.Wakes = func(context.Context) (<-chan Wake, error) {
				wakes.Add(1)
				return nil, errors.New("no bus")
			}
		})
		worker := connect(t, d, "team", "linux")
		w.queue("team", "linux", 1)
		worker.claim(worker.assignment())
		time.Sleep(10 * time.Second)
		if peers.tries.Load() < 3 || wakes.Load() < 3 {
			t.Errorf("subscribed %d and %d times", peers.tries.Load(), wakes.Load())
		}
	})
}
