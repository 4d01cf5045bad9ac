package store

import (
	"context"
	"slices"
)

// order is what is known of the lane's order; nil if nothing is.
func (l *runLane) order() *order {
	if l.known == nil {
		return nil
	}
	return l.known.orders[l.seg.index]
}

// meetKnown walks in the known order until some of what the filters select is met. What several spans
// have is taken only as far as it is read at once: a run that has moved since may be met where it was,
// and again where it is.
func (l *runLane) meetKnown(ctx context.Context, want int) error {
	enough := max(2*want, 32)
	met := stretch{from: l.after, whole: true}
	at := l.begin()
	for {
		numbers, end, err := l.order().next(ctx, at, l.seg.ascending)
		if err != nil {
			return err
		}
		had := len(met.numbers)
		for i := range numbers {
			if !l.seg.ascending {
				i = len(numbers) - 1 - i
			}
			if n := int64(numbers[i]); l.among.Has(n) {
				met.numbers = append(met.numbers, n)
			}
		}
		if had > 0 && len(met.numbers) > enough {
			met.numbers = met.numbers[:had]
			break // with this one begins the next stretch
		}
		if at = end; at != nil && l.beyond(*at) {
			at = nil
		}
		if met.to = l.placeOf(at); at == nil || len(met.numbers) >= enough {
			met.whole = len(met.numbers) <= enough
			break
		}
	}
	if met.whole {
		slices.Sort(met.numbers)
		met.numbers = slices.Compact(met.numbers)
	}
	l.pending, l.after, l.ended = met, met.to, len(met.numbers) == 0
	return nil
}

// begin is where the walk goes on, as a place of the whole index; nil for one of its ends.
func (l *runLane) begin() *place {
	text := l.seg.index == "runs_agent"
	switch {
	case l.after != nil && l.seg.key == "":
		return &place{"", l.after.id}
	case l.after != nil:
		return l.after
	case text && l.seg.ascending == (l.seg.key != ""): // those with a skill upwards, those without downwards
		return place{"", lastID}.behind()
	case l.seg.key == "r.created_at" && l.seg.ascending && !l.q.CreatedAfter.IsZero():
		return &place{micros(l.q.CreatedAfter), lastID}
	case l.seg.key == "r.created_at" && !l.seg.ascending && !l.q.CreatedBefore.IsZero():
		return &place{key: micros(l.q.CreatedBefore)}
	case l.seg.key == "r.updated_at" && l.seg.ascending && !l.q.UpdatedAfter.IsZero():
		return &place{micros(l.q.UpdatedAfter), lastID}
	}
	return nil
}

// lastID is above every id.
const lastID = "~"

// beyond says that nothing that comes after a place of the index belongs to the lane.
func (l *runLane) beyond(at place) bool {
	switch {
	case l.seg.index == "runs_agent" && l.seg.key == "":
		return l.seg.ascending && at.key != ""
	case l.seg.index == "runs_agent":
		return !l.seg.ascending && at.key == ""
	case l.seg.key == "r.created_at" && l.seg.ascending:
		return !l.q.CreatedBefore.IsZero() && at.key.(int64) >= micros(l.q.CreatedBefore)
	case l.seg.key == "r.created_at":
		return !l.q.CreatedAfter.IsZero() && at.key.(int64) <= micros(l.q.CreatedAfter)
	case l.seg.key == "r.updated_at" && !l.seg.ascending:
		return !l.q.UpdatedAfter.IsZero() && at.key.(int64) <= micros(l.q.UpdatedAfter)
	}
	return false
}

// placeOf is a place of the index as one of the lane.
func (l *runLane) placeOf(at *place) *place {
	if at != nil && l.seg.key == "" {
		return &place{nil, at.id}
	}
	return at
}
