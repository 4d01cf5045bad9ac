package store

import (
	"strconv"
	"strings"
	"testing"
)

// A row's zeros stand in the text and the rest are arguments, in order; the number of texts is bounded,
// since the statements made of them are kept.
func TestInsertOfOneRow(t *testing.T) {
	in := newInsert("t", "a", "b", "c", "d", "e")
	query, args := in.single([]any{"x", "", 0, int64(7), 0.0})
	if want := "INSERT INTO t (a, b, c, d, e) VALUES ($1, '', 0, $2, 0)"; query != want {
		t.Errorf("statement is %q, want %q", query, want)
	}
	if len(args) != 2 || args[0] != "x" || args[1] != int64(7) {
		t.Errorf("arguments are %v", args)
	}

	wide := make([]string, maxNamed+6)
	row := make([]any, len(wide))
	for i := range wide {
		wide[i], row[i] = "c"+strconv.Itoa(i), 0
	}
	in = newInsert("t", wide...)
	if query, args = in.single(row); len(args) != 6 || !strings.HasSuffix(query, "0, $1, $2, $3, $4, $5, $6)") {
		t.Errorf("%d arguments for %q", len(args), query)
	}
	seen := map[string]bool{}
	for i := range 4 * maxShapes {
		for bit := range 8 {
			row[bit] = i >> bit & 1
		}
		query, args = in.single(row)
		if seen[query] = true; strings.Count(query, "$") != len(args) {
			t.Fatalf("%d arguments for %q", len(args), query)
		}
	}
	if len(seen) > maxShapes+1 {
		t.Errorf("%d statements, want %d at most", len(seen), maxShapes+1)
	}
}
