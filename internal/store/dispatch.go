package store

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/cadrehq/cadre/internal/dispatch"
)

// Dispatch answers what waits and whose lease ran out: dispatch.Store.
type Dispatch struct{ db *DB }

// NewDispatch answers from db.
func NewDispatch(db *DB) Dispatch { return Dispatch{db} }

var _ dispatch.Store = Dispatch{}

// queueColumns is what scanQueued reads.
const queueColumns = "id, team_uid, host, queued_at, waiting_code, waiting_message, waiting_since"

func scanQueued(row scanner) (w dispatch.Waiting, err error) {
	var queued, since int64
	err = row.Scan(&w.RunID, &w.TeamUID, &w.Host, &queued, &w.Told.Code, &w.Told.Message, &since)
	w.QueuedAt, w.Told.Since = fromMicros(queued), fromMicros(since)
	return w, err
}

// Waiting returns queued runs for the places, teams taking turns. It reads about as many rows as it
// returns, however long the queues are.
func (s Dispatch) Waiting(ctx context.Context, places []dispatch.Place, teamLimits map[string]int, limit int) ([]dispatch.Waiting, error) {
	byTeam := map[string]*turn{}
	var turns []*turn
	for _, p := range places {
		t := byTeam[p.TeamUID]
		if t == nil {
			t = &turn{room: limit}
			byTeam[p.TeamUID] = t
			turns = append(turns, t)
		}
		t.lanes = append(t.lanes, &lane{place: p})
	}
	for team, t := range byTeam {
		most := teamLimits[team]
		if most <= 0 {
			continue
		}
		working, err := countWorking(s.db.on(ctx), team, most)
		if err != nil {
			return nil, public("count working runs", err)
		}
		t.room = min(t.room, most-working)
	}
	turns = slices.DeleteFunc(turns, func(t *turn) bool { return t.room <= 0 })
	list, err := s.takeTurns(ctx, turns, limit)
	return list, public("read queue", err)
}

// countWorking counts the runs that hold a place of their team, but not beyond atMost (0: all of
// them). Local runs hold none: their owner's machine carries them out.
func countWorking(query querier, teamUID string, atMost int) (int, error) {
	if atMost <= 0 {
		atMost = math.MaxInt32
	}
	return one(value[int])(query(`SELECT count(*) FROM (SELECT 1 FROM runs WHERE live = 1 AND team_uid = $1
		AND state IN ('PENDING', 'CLAIMED', 'INPROGRESS') AND location <> 'LOCAL' LIMIT $2) AS working`, teamUID, atMost))
}

// lane is a team's queue for one host, read a batch at a time.
type lane struct {
	place dispatch.Place
	batch []dispatch.Waiting
	last  dispatch.Waiting // of the batches read so far
	ended bool
}

// turn is a team's place in the round.
type turn struct {
	lanes []*lane
	room  int // runs that may still be taken
}

// takeTurns deals the teams' oldest runs one round after the other. Within a round the run that has
// waited longest goes first.
func (s Dispatch) takeTurns(ctx context.Context, turns []*turn, limit int) ([]dispatch.Waiting, error) {
	var list []dispatch.Waiting
	for len(turns) > 0 && len(list) < limit {
		want := max(1, (limit-len(list))/len(turns))
		var round []dispatch.Waiting
		next := turns[:0]
		for _, t := range turns {
			w, ok, err := s.oldest(ctx, t.lanes, want)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			round = append(round, w)
			if t.room--; t.room > 0 {
				next = append(next, t)
			}
		}
		slices.SortFunc(round, compareWaiting)
		list = append(list, round...)
		turns = next
	}
	return list[:min(len(list), limit)], nil
}

func compareWaiting(a, b dispatch.Waiting) int {
	return cmp.Or(a.QueuedAt.Compare(b.QueuedAt), cmp.Compare(a.RunID, b.RunID))
}

// oldest takes the first run of a team's lanes, reading about want rows when a lane is dry.
func (s Dispatch) oldest(ctx context.Context, lanes []*lane, want int) (w dispatch.Waiting, ok bool, err error) {
	var from *lane
	for _, l := range lanes {
		if len(l.batch) == 0 && !l.ended {
			if err := s.refill(ctx, l, want); err != nil {
				return w, false, err
			}
		}
		if len(l.batch) > 0 && (from == nil || compareWaiting(l.batch[0], from.batch[0]) < 0) {
			from = l
		}
	}
	if from == nil {
		return w, false, nil
	}
	w, from.batch = from.batch[0], from.batch[1:]
	return w, true, nil
}

func (s Dispatch) refill(ctx context.Context, l *lane, want int) error {
	batch, err := all(scanQueued)(s.db.query(ctx, "SELECT "+queueColumns+` FROM runs
		WHERE state = 'QUEUED' AND host = $1 AND team_uid = $2 AND (queued_at, id) > ($3, $4)
		ORDER BY queued_at, id LIMIT $5`, l.place.Host, l.place.TeamUID, micros(l.last.QueuedAt), l.last.RunID, want))
	l.batch, l.ended = batch, len(batch) < want
	if len(batch) > 0 {
		l.last = batch[len(batch)-1]
	}
	return err
}

// Queued pages through all runs queued before a time, in the order they were.
func (s Dispatch) Queued(ctx context.Context, before time.Time, after dispatch.Waiting, limit int) ([]dispatch.Waiting, error) {
	list, err := all(scanQueued)(s.db.query(ctx, "SELECT "+queueColumns+` FROM runs
		WHERE state = 'QUEUED' AND queued_at < $1 AND (queued_at, id) > ($2, $3)
		ORDER BY queued_at, id LIMIT $4`, micros(before), micros(after.QueuedAt), after.RunID, limit))
	return list, public("read queue", err)
}
