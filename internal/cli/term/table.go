package term

import (
	"io"
	"strings"

	"golang.org/x/text/width"
)

// Width is how many columns a cleaned line takes.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	if r < 0x300 {
		return 1
	}
	if r <= 0x36f || r == 0x200d || (r >= 0xfe00 && r <= 0xfe0f) {
		return 0 // combining marks and joiners
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Table is a list with a header. Cells are cleaned when it is written.
type Table struct {
	Header []string
	Rows   [][]string
}

// cells cleans the table and measures its columns.
func (t Table) cells() (rows [][]string, widths []int) {
	widths = make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		clean := make([]string, len(t.Header))
		for i := range clean {
			if i < len(row) {
				clean[i] = Shorten(CleanLine(row[i]), 80)
			}
			widths[i] = max(widths[i], Width(clean[i]))
		}
		rows = append(rows, clean)
	}
	return rows, widths
}

// WriteText writes tab-aligned plain columns with a header row.
func (t Table) WriteText(w io.Writer) error {
	rows, widths := t.cells()
	var b strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				pad(&line, widths[i]-Width(cell)+2)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WritePretty writes a table with rounded corners.
func (t Table) WritePretty(w io.Writer, s Style) error {
	rows, widths := t.cells()
	var b strings.Builder
	rule := func(left, mid, right string) {
		for i, n := range widths {
			if i == 0 {
				b.WriteString(left)
			} else {
				b.WriteString(mid)
			}
			b.WriteString(strings.Repeat("─", n+2))
		}
		b.WriteString(right + "\n")
	}
	rule("╭", "┬", "╮")
	for n, row := range rows {
		for i, cell := range row {
			b.WriteString("│ ")
			if n == 0 {
				b.WriteString(s.Bold(cell))
			} else {
				b.WriteString(cell)
			}
			pad(&b, widths[i]-Width(cell)+1)
		}
		b.WriteString("│\n")
		if n == 0 {
			rule("├", "┼", "┤")
		}
	}
	rule("╰", "┴", "╯")
	_, err := io.WriteString(w, b.String())
	return err
}

func pad(b *strings.Builder, n int) { b.WriteString(strings.Repeat(" ", max(n, 0))) }
