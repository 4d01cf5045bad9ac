// Package usage owns what work cost: the ledger of model calls, prices and the sums shown on runs.
// It refuses to guess: tokens come from the vendor's own usage fields, and a call whose price is
// unknown is recorded as unpriced, never as free.
package usage

import (
	"context"
	"time"
)

// Tokens counts what one model call consumed. Input excludes tokens read from or written to the
// vendor's prompt cache, which are priced differently.
//
// CacheWriteLong is the part of CacheWrite that the vendor keeps for longer at a higher price. It
// serves pricing only and is not stored on its own.
type Tokens struct {
	Input, Output, CacheRead, CacheWrite, CacheWriteLong int64
}

// Total is the number of tokens that passed, of every kind.
func (t Tokens) Total() int64 { return t.Input + t.Output + t.CacheRead + t.CacheWrite }

// Cost is the price of a call in dollars, by kind of token.
type Cost struct {
	Input, Output, CacheRead, CacheWrite float64
}

// Total is the whole price.
func (c Cost) Total() float64 { return c.Input + c.Output + c.CacheRead + c.CacheWrite }

// Call is one model call in the ledger.
type Call struct {
	ID          string
	RunID       string
	ExecutionID string
	Execution   int
	TeamUID     string
	Provider    string // "anthropic", "openai", "gemini", "local" or "scripted"
	ModelID     string // as priced
	Tokens      Tokens
	Cost        Cost
	Priced      bool
	StartedAt   time.Time
	Duration    time.Duration
	Status      int    // HTTP status the vendor answered; 0 when it could not be reached
	Error       string // why the call failed, without any secret
}

// Ledger stores calls. Record adds the call and the run's totals in one transaction and is
// idempotent by Call.ID.
type Ledger interface {
	Record(ctx context.Context, c Call) error
	Calls(ctx context.Context, runID string) ([]Call, error)
}
