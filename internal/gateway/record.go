package gateway

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/internal/usage"
)

// record writes one attempt into the ledger.
type record struct {
	x       *exchange
	meter   meter
	begun   time.Time
	status  int
	began   bool // the vendor has sent something of an answer
	written bool
}

const (
	recordTries   = 3
	recordTimeout = 5 * time.Second // of each try
)

// write records the attempt, once; failure says why it did not succeed. An attempt that the vendor
// began to answer is worth a row even when it did not say what it consumed: it is unpriced, never
// free. One that brought nothing consumed nothing. The caller's end does not end the
// writing, and a ledger that fails is tried again; what cannot be written is logged in full.
func (r *record) write(failure string) {
	x := r.x
	if r.written || !x.call.Metered() || (failure != "" && !r.meter.known && !r.began) {
		return
	}
	r.written = true
	c := usage.Call{
		ID: x.g.cfg.NewID(), RunID: x.caller.RunID, ExecutionID: x.caller.ExecutionID, Execution: x.caller.Execution,
		TeamUID: x.caller.TeamUID, Provider: x.to.name, ModelID: x.model.ID, Tokens: r.meter.tokens,
		StartedAt: r.begun.UTC().Truncate(time.Microsecond), Duration: x.g.cfg.Now().Sub(r.begun),
		Status: r.status, Error: x.to.scrubString(failure),
	}
	if r.meter.known && !r.meter.special {
		c.Cost, c.Priced = x.g.prices.Price(x.to.name, x.model.upstreamID, c.Tokens, c.StartedAt)
	} else if x.model.Scripted() {
		c.Priced = true
	}
	base := context.WithoutCancel(x.r.Context())
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(base, recordTimeout)
		err := x.g.cfg.Ledger.Record(ctx, c)
		cancel()
		if err == nil {
			return
		}
		if try == recordTries {
			x.log.Error("what a model call consumed could not be recorded", "error", err, "call_id", c.ID,
				"provider", c.Provider, "model", c.ModelID, "input", c.Tokens.Input, "output", c.Tokens.Output,
				"cache_read", c.Tokens.CacheRead, "cache_write", c.Tokens.CacheWrite)
			return
		}
		x.log.Warn("recording a model call is tried again", "error", err, "call_id", c.ID)
		time.Sleep(time.Duration(try) * 100 * time.Millisecond)
	}
}
