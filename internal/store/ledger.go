package store

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/usage"
)

// Ledger keeps what model calls consumed: usage.Ledger.
type Ledger struct{ db *DB }

// NewLedger keeps the ledger in db.
func NewLedger(db *DB) Ledger { return Ledger{db} }

var _ usage.Ledger = Ledger{}

const callColumns = `id, run_id, execution_id, execution, team_uid, provider, model_id, input_tokens,
	output_tokens, cache_read_tokens, cache_write_tokens, input_usd, output_usd, cache_read_usd,
	cache_write_usd, priced, started_at, duration_us, status, error`

// Record adds a call and its run's totals, once per Call.ID. A call of an unknown run is
// api.NotFound and not stored.
func (s Ledger) Record(ctx context.Context, c usage.Call) error {
	return s.db.Write(ctx, c.RunID, func(tx *Tx) error {
		// The run first, as every change does, so that all lock in one order.
		unpriced := flag(!c.Priced)
		t, p := c.Tokens, c.Cost
		have, err := all(value[string])(tx.Query("SELECT r.id FROM runs r WHERE r.id = $1"+tx.forUpdate("r"), c.RunID))
		if err != nil {
			return err
		}
		if len(have) == 0 {
			return api.NotFound("run", c.RunID)
		}
		n, err := tx.Exec("INSERT INTO usage_calls ("+callColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
				$10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT (id) DO NOTHING`,
			c.ID, c.RunID, c.ExecutionID, c.Execution, c.TeamUID, c.Provider, c.ModelID, t.Input, t.Output,
			t.CacheRead, t.CacheWrite, p.Input, p.Output, p.CacheRead, p.CacheWrite, flag(c.Priced),
			micros(c.StartedAt), c.Duration.Microseconds(), c.Status, c.Error)
		if err != nil || n == 0 {
			return err
		}
		_, err = tx.Exec(`UPDATE runs SET input_tokens = input_tokens + $1, output_tokens = output_tokens + $2,
			cache_read_tokens = cache_read_tokens + $3, cache_write_tokens = cache_write_tokens + $4,
			input_usd = input_usd + $5, output_usd = output_usd + $6, cache_read_usd = cache_read_usd + $7,
			cache_write_usd = cache_write_usd + $8, unpriced = unpriced + $9 WHERE id = $10`,
			t.Input, t.Output, t.CacheRead, t.CacheWrite, p.Input, p.Output, p.CacheRead, p.CacheWrite,
			unpriced, c.RunID)
		return err
	})
}

// Calls lists a run's calls, oldest first.
func (s Ledger) Calls(ctx context.Context, runID string) ([]usage.Call, error) {
	list, err := all(scanCall)(s.db.query(ctx, "SELECT "+callColumns+
		" FROM usage_calls WHERE run_id = $1 ORDER BY started_at, id", runID))
	return list, public("read usage", err)
}

func scanCall(row scanner) (c usage.Call, err error) {
	var priced, started, duration int64
	err = row.Scan(&c.ID, &c.RunID, &c.ExecutionID, &c.Execution, &c.TeamUID, &c.Provider, &c.ModelID,
		&c.Tokens.Input, &c.Tokens.Output, &c.Tokens.CacheRead, &c.Tokens.CacheWrite,
		&c.Cost.Input, &c.Cost.Output, &c.Cost.CacheRead, &c.Cost.CacheWrite,
		&priced, &started, &duration, &c.Status, &c.Error)
	c.Priced, c.StartedAt, c.Duration = priced != 0, fromMicros(started), time.Duration(duration)*time.Microsecond
	return c, err
}
