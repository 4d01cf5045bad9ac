package store

import (
	"context"
	"encoding/json"
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
			r.input_usd + r.output_usd + r.cache_read_usd + r.cache_write_usd, r.unpriced, r.id, `+groupColumns[by]+`
		FROM runs r WHERE r.owner_type = $1 AND r.owner_uid = $2 AND r.created_at >= $3 AND r.created_at < $4`,
		string(owner.Type), owner.UID, micros(from), micros(to)))
	return list, public("read spendings", err)
}

// Names reads who asked for runs, or whom they act as.
func (s Spendings) Names(ctx context.Context, by api.UsageBy, runIDs []string) (map[string]string, error) {
	column := "creator"
	if by == api.UsageByExecutor {
		column = "executor"
	}
	type named struct{ run, profile string }
	scan := func(row scanner) (n named, err error) {
		err = row.Scan(&n.run, &n.profile)
		return n, err
	}
	names := map[string]string{}
	for chunk := range chunksOf(runIDs) {
		list, err := all(scan)(s.db.queryOnce(ctx, "SELECT run_id, "+column+" FROM run_specs WHERE run_id IN ("+placeholders(1, len(chunk))+")", chunk...))
		if err != nil {
			return nil, public("read names", err)
		}
		for _, n := range list {
			var p api.UserProfile
			if err := json.Unmarshal([]byte(n.profile), &p); err != nil {
				return nil, public("read names", err)
			}
			names[n.run] = p.DisplayName
		}
	}
	return names, nil
}

func scanSpent(row scanner) (u usage.Spent, err error) {
	var created, worked int64
	var state string
	err = row.Scan(&created, &state, &worked, &u.Tokens, &u.USD, &u.Unpriced, &u.RunID, &u.Key)
	u.CreatedAt, u.State, u.Worked = fromMicros(created), api.RunState(state), time.Duration(worked)*time.Microsecond
	return u, err
}
