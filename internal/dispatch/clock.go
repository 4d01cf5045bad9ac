package dispatch

import (
	"context"
	"time"
)

// keepTime looks at the clock once per tick. Leases, deadlines and ages are wall-clock times, which
// other processes compare with theirs; a clock that is set must neither end what lives nor keep what
// is dead.
//
// After a jump forward, or when this process stood still, leases may have ended although their
// workers live: nothing is reaped until these had the time to say so, and the jump does not count as
// time that runs worked or waited.
//
// After a jump backward, what was promised before it lies too far in the future: no lease may last
// longer than one given now. The same holds at the start, since the clock may have been set while
// nobody looked.
func (d *Dispatcher) keepTime(ctx context.Context, last, now time.Time) {
	gap := now.Sub(last)
	switch {
	case gap > d.cfg.Lease/2:
		d.mu.Lock()
		d.skipped += gap
		d.mu.Unlock()
		d.paused(now)
	case gap < 0:
		d.cfg.Logger.Warn("the clock was set back", "by", -gap)
		d.mu.Lock()
		d.registry.setBack(now, d.cfg.ClaimWait)
		for from, peer := range d.peers {
			peer.at = earlier(peer.at, now)
			d.peers[from] = peer
		}
		d.future = true
		d.mu.Unlock()
		d.paused(now)
	}
	if !d.future {
		return
	}
	// Twice the length leaves room for the clocks of other replicas.
	if err := d.cfg.Store.Shorten(ctx, now.Add(2*d.cfg.Lease), now.Add(d.cfg.Lease)); err != nil {
		if ctx.Err() == nil {
			d.cfg.Logger.Error("cannot shorten leases from before the clock was set; the next tick tries again", "error", err)
		}
		return
	}
	d.future = false
}

// paused notes that this process stood still, its clock jumped or the store was out of reach: leases
// may have ended although their workers live, so these get the time to say so.
func (d *Dispatcher) paused(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calm = now.Add(d.cfg.Lease)
}

// untold is how much of the wall clock's time since the start did not really pass, as far as this
// process saw.
func (d *Dispatcher) untold() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.skipped
}

// setBack keeps everything from lying further in the future than if it were noted now.
func (r *registry) setBack(now time.Time, claimWait time.Duration) {
	for _, c := range r.conns() {
		c.since, c.seen = earlier(c.since, now), earlier(c.seen, now)
		c.full, c.relearn = earlier(c.full, now.Add(fullWait)), earlier(c.relearn, now.Add(learnedWait))
	}
	for _, t := range r.tasks {
		t.deadline = earlier(t.deadline, now.Add(claimWait))
		t.proof, t.renewed, t.gone = earlier(t.proof, now), earlier(t.renewed, now), earlier(t.gone, now)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
