package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSamples(t *testing.T) {
	var s samples
	for i := range 100 {
		s = append(s, time.Duration(100-i)*time.Millisecond)
	}
	if s.p50() != 51 || s.p99() != 100 || samples(nil).p99() != 0 {
		t.Errorf("p50 %v, p99 %v of 1 to 100 ms", s.p50(), s.p99())
	}
}

func TestDriveStopsAtTheFirstError(t *testing.T) {
	calls := make(chan struct{}, 100)
	_, _, err := drive(t.Context(), 1, 100, func(context.Context) error {
		if calls <- struct{}{}; len(calls) == 3 {
			return io.ErrClosedPipe
		}
		return nil
	})
	if err != io.ErrClosedPipe || len(calls) != 3 {
		t.Errorf("%d calls: %v", len(calls), err)
	}
}

func TestReport(t *testing.T) {
	r := Report{Rows: []Row{
		Row{Part: "p", Name: "näme", P50: 1.5, Rate: 1000, Budget: "≤ 2 ms"}.judged(true), {Part: "p", Name: "n", Note: "x", Verdict: Failed},
	}}
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")
	for _, want := range []string{"p: näme", "1.50 ms", "1000/s", "≤ 2 ms", "met"} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("%q lacks %q", lines[1], want)
		}
	}
	if at := strings.Index(lines[0], "VERDICT"); strings.Index(lines[2], "failed") != at {
		t.Errorf("the columns are not aligned:\n%s", b.String())
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestUnknownPart(t *testing.T) {
	if _, err := Run(t.Context(), Config{Only: []string{"nothing"}}); err == nil || !strings.Contains(err.Error(), "accept") {
		t.Errorf("error is %v, want one that lists the parts", err)
	}
}

// TestVendorPlaysItsTurns: tool calls until the last turn, and the first request is noted.
func TestVendorPlaysItsTurns(t *testing.T) {
	v := newVendor()
	url, stop, err := serve(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	came := v.expect("m1")
	ask := func(history string) string {
		rsp, err := http.Post(url+"/v1/messages", "application/json", strings.NewReader(`{"messages":[{"role":"user","content":"turns=2 mark=m1"}`+history+`]}`))
		if err != nil {
			t.Fatal(err)
		}
		defer rsp.Body.Close()
		b, err := io.ReadAll(rsp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := ask(""); !strings.Contains(got, "tool_use") {
		t.Errorf("first turn: %s", got)
	}
	<-came
	if got := ask(`,{"role":"assistant","content":"x"}`); !strings.Contains(got, "end_turn") {
		t.Errorf("last turn: %s", got)
	}
}
