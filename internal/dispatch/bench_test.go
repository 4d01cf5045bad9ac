package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cadrehq/cadre/api"
)

// BenchmarkQueueToAssigned is one run at a time: from the commit that queued it to the assignment in
// the worker's hands. It reports percentiles in milliseconds.
func BenchmarkQueueToAssigned(b *testing.B) {
	p := newPlane(b, "")
	d := p.start(b, "server")
	got := make(chan time.Time, 1)
	attach(b, d, "linux", 0, claims(b, func(api.TaskAssignment) { got <- time.Now() }))
	var waits []float64
	for b.Loop() {
		_, _, err := p.runs.Create(context.Background(), person, api.RunAgentRequest{
			Prompt: "do it", Config: api.AmbientAgentConfig{WorkerHost: "linux"},
		}, api.RunSourceTypeAPI)
		if err != nil {
			b.Fatal(err)
		}
		queued := time.Now()
		waits = append(waits, max(0, (<-got).Sub(queued)).Seconds()*1e3)
	}
	reportPercentiles(b, waits)
}

// BenchmarkThroughput queues b.N runs from 64 clients and hands them to two workers that claim and
// complete each.
func BenchmarkThroughput(b *testing.B) {
	p := newPlane(b, "")
	d := p.start(b, "server")
	var done atomic.Int64
	finish := func(m api.WorkerEnvelope) [][]byte {
		if m.Type != api.WorkerAssignment {
			return nil
		}
		a := assignmentOf(b, m)
		done.Add(1)
		report := api.TaskReport{TaskID: a.TaskID, ExecutionID: a.ExecutionID}
		return [][]byte{message(api.WorkerClaimed, report), message(api.WorkerCompleted, report)}
	}
	attach(b, d, "linux", 0, finish)
	attach(b, d, "linux", 0, finish)
	b.ResetTimer()
	p.create(b, "linux", b.N)
	for done.Load() < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkBacklog hands out a queue that was there before the workers.
func BenchmarkBacklog(b *testing.B) {
	p := newPlane(b, "")
	p.create(b, "linux", b.N)
	var c counter
	b.ResetTimer()
	d := p.start(b, "server")
	attach(b, d, "linux", 0, claims(b, c.note))
	attach(b, d, "linux", 0, claims(b, c.note))
	for c.size() < b.N {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

func reportPercentiles(b *testing.B, values []float64) {
	b.Helper()
	slices.Sort(values)
	for _, p := range []int{50, 99} {
		b.ReportMetric(values[min(len(values)*p/100, len(values)-1)], fmt.Sprintf("p%d-ms", p))
	}
}
