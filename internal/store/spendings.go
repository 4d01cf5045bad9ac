package store

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/usage"
)

// Spendings tells what runs came to: usage.Spendings.
type Spendings struct{ db *DB }

// NewSpendings reads runs of db.
func NewSpendings(db *DB) Spendings { return Spendings{db} }

var _ usage.Spendings = Spendings{}

// groupColumns are the columns a summary groups by.
var groupColumns = map[api.UsageBy]string{
	api.UsageByDay: "''", api.UsageByCreator: "r.creator_uid", api.UsageByExecutor: "r.executor_uid",
	api.UsageByModel: "r.model_id", api.UsageByName: "r.config_name", api.UsageBySource: "r.source",
	api.UsageByEnvironment: "r.environment_id", api.UsageByHarness: "r.harness", api.UsageBySchedule: "r.schedule_id",
}

// Spent goes along the index of the owner's runs by creation, from and to being its bounds.
func (s Spendings) Spent(ctx context.Context, owner identity.Owner, by api.UsageBy, from, to time.Time) ([]usage.Spent, error) {
	list, err := all(scanSpent)(s.db.query(ctx, `SELECT r.created_at, r.state, r.active_us,
			r.input_tokens + r.output_tokens + r.cache_read_tokens + r.cache_write_tokens,
			r.input_usd + r.output_usd + r.cache_read_usd + r.cache_write_usd, r.unpriced, `+groupColumns[by]+`
		FROM runs r WHERE r.owner_type = $1 AND r.owner_uid = $2 AND r.created_at >= $3 AND r.created_at < $4`,
		string(owner.Type), owner.UID, micros(from), micros(to)))
	return list, public("read spendings", err)
}

func scanSpent(row scanner) (u usage.Spent, err error) {
	var created, worked int64
	var state string
	err = row.Scan(&created, &state, &worked, &u.Tokens, &u.USD, &u.Unpriced, &u.Key)
	u.CreatedAt, u.State, u.Worked = fromMicros(created), api.RunState(state), time.Duration(worked)*time.Microsecond
	return u, err
}
