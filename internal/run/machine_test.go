package run

import (
	"errors"
	"strings"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// grid says again, in another form, who may cause which move: p person, d dispatch, w worker,
// r runner. Rows are from, columns to.
const grid = `
           QUEUED PENDING CLAIMED INPROGRESS SUCCEEDED FAILED ERROR BLOCKED CANCELLED
new        p      .       p       .          .         .      .     p       .
QUEUED     .      d       .       .          .         d      d     .       p
PENDING    dw     .       wr      .          .         dw     dw    .       .
CLAIMED    dwr    .       .       r          .         dwr    dwr   .       pr
INPROGRESS dwr    .       .       .          r         dwr    dwr   r       pr
SUCCEEDED  p      .       .       pr         .         .      .     .       .
FAILED     p      .       .       pr         .         .      .     .       .
ERROR      p      .       .       pr         .         .      .     .       .
BLOCKED    p      .       .       pr         r         r      r     .       pr
CANCELLED  p      .       .       .          .         .      .     .       .`

func TestEveryCellOfTheMoveTable(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(grid), "\n")
	columns := strings.Fields(lines[0])
	if len(columns) != len(api.AllRunStates) || len(lines) != len(api.AllRunStates)+2 {
		t.Fatalf("the grid has %d columns and %d rows for %d states", len(columns), len(lines)-1, len(api.AllRunStates))
	}
	letter := map[Cause]string{ByPerson: "p", ByDispatch: "d", ByWorker: "w", ByRunner: "r"}
	for _, row := range lines[1:] {
		cells := strings.Fields(row)
		from := api.RunState(cells[0])
		if from == "new" {
			from = none
		}
		for i, cell := range cells[1:] {
			to := api.RunState(columns[i])
			for _, by := range AllCauses {
				event, err := legal(from, to, by)
				want := strings.Contains(cell, letter[by])
				var refused *MoveError
				switch {
				case want && (err != nil || event == ""):
					t.Errorf("%s to %s by %s: refused: %v", from, to, by, err)
				case !want && (!errors.Is(err, ErrMove) || !errors.As(err, &refused) || refused.From != from || refused.To != to || refused.By != by):
					t.Errorf("%s to %s by %s: want a MoveError, got %q, %v", from, to, by, event, err)
				}
			}
		}
	}
}

func TestMoveTableHasNoDoubles(t *testing.T) {
	type pair struct{ from, to api.RunState }
	seen := map[pair]bool{}
	for _, m := range moves {
		p := pair{m.from, m.to}
		if seen[p] {
			t.Errorf("%s to %s is there twice", m.from, m.to)
		}
		seen[p] = true
	}
}
