package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// Verdict says whether a row keeps its budget.
type Verdict string

// The verdicts. Floors have none.
const (
	Met    Verdict = "met"
	Missed Verdict = "missed"
	Failed Verdict = "failed" // it could not be measured, or something was lost
)

// Row is one thing measured. Members that make no sense for it are left out.
type Row struct {
	Part string `json:"part"`
	Name string `json:"name"`
	// P50 and P99 are milliseconds.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
	// Rate is per second.
	Rate float64 `json:"rate,omitempty"`
	// Note holds what else was measured.
	Note string `json:"note,omitempty"`
	// Floor says what the least program took; Ratio is this row's part of it: of time, or of rate.
	Floor   string  `json:"floor,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	Budget  string  `json:"budget,omitempty"`
	Verdict Verdict `json:"verdict,omitempty"`
}

// judged is the row with a verdict.
func (r Row) judged(ok bool) Row {
	r.Verdict = Missed
	if ok {
		r.Verdict = Met
	}
	return r
}

// Report is everything measured, and the machine it was measured on.
type Report struct {
	StartedAt time.Time `json:"started_at"`
	Seconds   float64   `json:"seconds"`
	CPUs      int       `json:"cpus"`
	// LoadBefore is the machine's load average over a minute before anything was measured: with much
	// of it, only the ratios mean something.
	LoadBefore string `json:"load_before,omitempty"`
	Rows       []Row  `json:"rows"`
}

func (r *Report) begin() {
	r.StartedAt, r.CPUs = time.Now().UTC(), runtime.NumCPU()
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		r.LoadBefore, _, _ = strings.Cut(string(b), " ")
	}
}

func (r *Report) end() { r.Seconds = time.Since(r.StartedAt).Seconds() }

// header and cells are the columns of the text table.
var header = []string{"WHAT", "P50", "P99", "RATE", "NOTE", "FLOOR", "RATIO", "BUDGET", "VERDICT"}

func (r Row) cells() []string {
	number := func(v float64, format string) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf(format, v)
	}
	return []string{
		r.Part + ": " + r.Name, number(r.P50, "%.2f ms"), number(r.P99, "%.2f ms"), number(r.Rate, "%.0f/s"), r.Note,
		r.Floor, number(r.Ratio, "%.2f×"), r.Budget, string(r.Verdict),
	}
}

// WriteText writes the report as an aligned table.
func (r Report) WriteText(w io.Writer) error {
	table := [][]string{header}
	for _, row := range r.Rows {
		table = append(table, row.cells())
	}
	widths := make([]int, len(header))
	for _, cells := range table {
		for i, c := range cells {
			widths[i] = max(widths[i], len([]rune(c)))
		}
	}
	for _, cells := range table {
		var b strings.Builder
		for i, c := range cells {
			b.WriteString(c + strings.Repeat(" ", widths[i]-len([]rune(c))+2))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " ")); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d CPUs, load %s before, %.0f s\n", r.CPUs, r.LoadBefore, r.Seconds)
	return err
}
