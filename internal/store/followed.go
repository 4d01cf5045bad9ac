package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/internal/run"
)

// followedTypes are the types of events that orchestrators follow, as a list in SQL.
var followedTypes = func() string {
	words := make([]string, len(run.Followed))
	for i, t := range run.Followed {
		words[i] = "'" + string(t) + "'"
	}
	return strings.Join(words, ", ")
}()

// followedAtOnce are how many runs one statement asks about; statements are kept by their text.
var followedAtOnce = []int{32, 8, 1}

// followedQuery reads the events of n runs between two numbers: for each run by the index, since no engine
// finds the first of many runs without reading all of them.
func followedQuery(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`SELECT * FROM (%sWHERE run_id = $%d AND seq > $1 AND seq <= $2 AND type IN (%s)
			ORDER BY seq LIMIT $3) e%d`, selectEvents, i+4, followedTypes, i)
	}
	return strings.Join(parts, " UNION ALL ")
}

var followedQueries = func() map[int]string {
	texts := make(map[int]string, len(followedAtOnce))
	for _, n := range followedAtOnce {
		texts[n] = followedQuery(n)
	}
	return texts
}()

// Of returns at most limit events of runs that orchestrators follow, numbered above since and up to upTo,
// in order.
func (s Events) Of(ctx context.Context, runIDs []string, since, upTo int64, limit int) ([]run.Event, error) {
	var found []run.Event
	for _, n := range followedAtOnce {
		for ; len(runIDs) >= n; runIDs = runIDs[n:] {
			args := []any{since, upTo, limit}
			for _, id := range runIDs[:n] {
				args = append(args, id)
			}
			list, err := all(scanEvent)(s.db.query(ctx, followedQueries[n], args...))
			if err != nil {
				return nil, public("read events of runs", err)
			}
			found = append(found, list...)
			if len(found) > 16*limit { // many runs of which each has much: keep what may be returned
				found = first(found, limit)
			}
		}
	}
	return first(found, limit), nil
}

// first sorts events and cuts them to limit.
func first(list []run.Event, limit int) []run.Event {
	slices.SortFunc(list, func(a, b run.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return list[:min(limit, len(list))]
}

// Descendants lists the ids of all runs below one, parents before their children.
func (s Events) Descendants(ctx context.Context, runID string) ([]string, error) {
	var found []string
	seen := map[string]bool{runID: true}
	for level := []string{runID}; len(level) > 0; {
		children, err := Runs(s).Children(ctx, level...)
		if err != nil {
			return nil, err
		}
		var next []string
		for _, parent := range level {
			for _, id := range children[parent] {
				if !seen[id] {
					seen[id] = true
					next = append(next, id)
				}
			}
		}
		found, level = append(found, next...), next
	}
	return found, nil
}
