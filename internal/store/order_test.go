package store

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// However many runs entered an order since it was walked, a walk reads it in small parts, in either
// direction and from wherever it begins, and misses none.
func TestWalksAreBounded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := Open(ctx, Options{DSN: filepath.Join(t.TempDir(), "a.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	owner := identity.Owner{Type: api.ScopeTypeTeam, UID: "t"}
	const size, half = 8, 100
	o := newOrder(db, owner, "runs_updated", "r.updated_at", size)
	at := func(i int) place { return place{int64(1 + i/3), fmt.Sprintf("%04d", i)} }
	for first := range 2 {
		var past []Past
		for i := first * half; i < (first+1)*half; i++ {
			r := run.Run{ID: at(i).id, Owner: owner, UpdatedAt: fromMicros(at(i).key.(int64))}
			past = append(past, Past{New: run.New{Run: r, Event: run.Event{Type: run.EventCreated}}})
		}
		if err := NewRuns(db).InsertPast(ctx, past); err != nil {
			t.Fatal(err)
		}
		for _, p := range past {
			o.enter(place{micros(p.Run.UpdatedAt), p.Run.ID})
		}
		all, mid := (first+1)*half, first*half+half/2
		from := at(mid)
		for _, c := range []struct {
			from      *place
			ascending bool
			want      int
		}{{nil, false, all}, {&from, false, mid}, {&from, true, all - mid - 1}, {nil, true, all}} {
			if got := walked(ctx, t, o, c.from, c.ascending, 2*size); got != c.want {
				t.Errorf("from %v, ascending %t: %d runs, want %d", c.from, c.ascending, got, c.want)
			}
		}
	}
}

// walked counts the runs of a walk, none of which may come twice or with too many others.
func walked(ctx context.Context, t *testing.T, o *order, at *place, ascending bool, most int) int {
	t.Helper()
	var all []uint32
	for {
		numbers, end, err := o.next(ctx, at, ascending)
		if err != nil {
			t.Fatal(err)
		}
		if len(numbers) > most {
			t.Errorf("after %v came %d runs at once, want at most %d", at, len(numbers), most)
		}
		if all = append(all, numbers...); end == nil {
			break
		}
		at = end
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d of %d runs came twice", len(all)-n, len(all))
	}
	return len(all)
}
