package httpapi

import (
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// burstFor is how long a caller who was quiet may spend what it saved, in seconds of its rate.
	burstFor = 5
	// maxCallers bounds the callers that are remembered: of more, the quiet ones are forgotten, who have
	// saved all they may anyway, or else any.
	maxCallers = 10_000
)

// rates bounds how often a credential is used and how many streams it has open. What a runner does about
// its execution is not counted: it is bounded by what a run may do, and must never wait for others.
type rates struct {
	perSecond float64 // <= 0 is without bound
	streams   int     // <= 0 is without bound
	now       func() time.Time
	seed      maphash.Seed

	mu      sync.Mutex
	callers map[uint64]*caller
}

// caller is what one credential has left.
type caller struct {
	tokens  float64
	at      time.Time
	streams int
}

func newRates(perSecond, streams int, now func() time.Time) *rates {
	return &rates{perSecond: float64(perSecond), streams: streams, now: now, seed: maphash.MakeSeed(), callers: map[uint64]*caller{}}
}

// key tells credentials apart without keeping them.
func (r *rates) key(c identity.Credential) uint64 {
	return maphash.String(r.seed, c.Bearer+"\x00"+c.SignIn)
}

// spend takes one request from a credential's allowance. It returns how long to wait when nothing is left.
func (r *rates) spend(key uint64) (wait time.Duration) {
	if r.perSecond <= 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.of(key)
	if c.tokens < 1 {
		return time.Duration((1 - c.tokens) / r.perSecond * float64(time.Second))
	}
	c.tokens--
	return 0
}

// of is a caller as it stands now. mu is held.
func (r *rates) of(key uint64) *caller {
	now := r.now()
	c := r.callers[key]
	if c == nil {
		r.makeRoom(now)
		c = &caller{tokens: r.perSecond * burstFor, at: now}
		r.callers[key] = c
	}
	r.earn(c, now)
	return c
}

// earn adds what a caller saved since. A clock that was set back adds nothing.
func (r *rates) earn(c *caller, now time.Time) {
	c.tokens = min(c.tokens+max(0, now.Sub(c.at).Seconds())*r.perSecond, max(r.perSecond, 0)*burstFor)
	c.at = now
}

// makeRoom forgets callers when there are too many, but none with open streams. mu is held.
func (r *rates) makeRoom(now time.Time) {
	if len(r.callers) < maxCallers {
		return
	}
	for key, c := range r.callers {
		if r.earn(c, now); c.streams == 0 && c.tokens >= r.perSecond*burstFor {
			delete(r.callers, key)
		}
	}
	for key, c := range r.callers {
		if len(r.callers) < maxCallers {
			return
		}
		if c.streams == 0 {
			delete(r.callers, key)
		}
	}
}

// enter counts a stream of a credential; false when it has as many as it may. leave counts it out, once.
func (r *rates) enter(key uint64) (leave func(), ok bool) {
	if r.streams <= 0 {
		return func() {}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.of(key)
	if c.streams >= r.streams {
		return nil, false
	}
	c.streams++
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		c.streams--
	}), true
}

// admit refuses who asks too often, or has too many streams open for another one. The stream's place is
// noted in the request's state, for newEvents to keep.
func (a *API) admit(op operation, s *state, c identity.Credential) error {
	if op.reach == execution {
		return nil
	}
	key := a.rates.key(c)
	if wait := a.rates.spend(key); wait > 0 {
		return tooMany(wait, "this key makes more than %d requests a second; wait a moment", a.cfg.Limits.Rate)
	}
	if !strings.HasSuffix(op.path, "/stream") {
		return nil
	}
	leave, ok := a.rates.enter(key)
	if !ok {
		return tooMany(time.Second, "this key has %d streams open; close some", a.cfg.Limits.Streams)
	}
	s.leave = leave
	return nil
}

// tooMany is a refusal to be tried again after a while.
func tooMany(wait time.Duration, format string, args ...any) error {
	f := api.Fail(api.PlatformErrorCodeResourceUnavailable, format, args...)
	yes := true
	f.Status, f.Retryable = http.StatusTooManyRequests, &yes
	return &waitFailure{Failure: f, wait: wait}
}

// waitFailure is a failure with the time after which to try again.
type waitFailure struct {
	*api.Failure
	wait time.Duration
}

// Unwrap lets errors.As find the failure.
func (f *waitFailure) Unwrap() error { return f.Failure }
