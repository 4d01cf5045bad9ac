package session_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/cadrehq/cadre/api"
)

// BenchmarkFanOut measures one entry reaching all viewers of a run, who take what has come whenever
// they are awake.
func BenchmarkFanOut(b *testing.B) {
	for _, viewers := range []int{1, 1000} {
		b.Run(strconv.Itoa(viewers), func(b *testing.B) {
			m := newMemory()
			s, _ := newService(b, m, nil)
			var wg sync.WaitGroup
			results := make([]reader, viewers)
			for i := range results {
				wg.Go(func() { results[i].follow(b.Context(), s) })
			}
			b.ResetTimer()
			for range b.N {
				m.signal(m.put(api.AgentMessage{Text: "a few words of a model"}))
			}
			m.signal(m.put(api.StateChange{To: api.RunStateSUCCEEDED}))
			wg.Wait()
			for _, r := range results {
				if r.err != nil || r.seq != int64(b.N)+1 {
					b.Fatalf("ended at %d of %d: %v", r.seq, b.N+1, r.err)
				}
			}
			b.ReportMetric(float64(viewers*b.N)/b.Elapsed().Seconds(), "deliveries/s")
		})
	}
}
