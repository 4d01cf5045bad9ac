package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/api"
)

// viewers watch one run.
const viewers = 1000

// measureFanout measures how soon a model's word reaches a thousand viewers of its run.
func measureFanout(ctx context.Context, s *suite) error {
	c, err := s.start(ctx, "server", filepath.Join(s.dir, "fanout"), "")
	if err != nil {
		return err
	}
	defer c.stop()
	for _, rate := range []int{1, 50} {
		if err := s.words(ctx, c, rate); err != nil {
			return err
		}
	}
	return s.saturate(ctx, c)
}

// crowd is the viewers of a run.
type crowd struct {
	mu      sync.Mutex
	took    samples
	words   atomic.Int64 // delivered to anybody
	wrong   atomic.Int64 // lost, doubled or out of order
	reached sync.WaitGroup
}

// word is a fragment that says which one it is and when it left.
func word(i int, at time.Time) string { return fmt.Sprintf("|%d.%d|", i, at.UnixNano()) }

// watch opens the viewers' streams; each is counted off when it has seen as many words as expected.
func (c *cadre) watch(ctx context.Context, id string, expect int) (*crowd, error) {
	all := &crowd{}
	var opened sync.WaitGroup
	var failed atomic.Pointer[error]
	for range viewers {
		opened.Add(1)
		all.reached.Add(1)
		once := sync.OnceFunc(opened.Done)
		go func() {
			defer once()
			next := 0
			var mine samples
			err := c.stream(ctx, c.key, "/agent/runs/"+id+"/stream", once, func(line []byte) bool {
				for {
					_, rest, ok := bytes.Cut(line, []byte{'|'})
					if !ok {
						break
					}
					var stamp []byte
					if stamp, line, ok = bytes.Cut(rest, []byte{'|'}); !ok {
						break
					}
					at, sent, _ := strings.Cut(string(stamp), ".")
					nano, err := strconv.ParseInt(sent, 10, 64)
					if err != nil {
						continue
					}
					if at != strconv.Itoa(next) {
						all.wrong.Add(1)
					}
					next++
					mine = append(mine, time.Since(time.Unix(0, nano)))
				}
				if next >= expect {
					all.words.Add(int64(next))
					all.mu.Lock()
					all.took = append(all.took, mine...)
					all.mu.Unlock()
					all.reached.Done()
					return false
				}
				return true
			})
			if err != nil && ctx.Err() == nil {
				failed.Store(&err)
			}
		}()
	}
	opened.Wait()
	if err := failed.Load(); err != nil {
		return nil, *err
	}
	return all, nil
}

// everybody waits until each viewer has seen everything.
func (all *crowd) everybody(ctx context.Context, patience time.Duration) error {
	done := make(chan struct{})
	go func() { all.reached.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(patience):
		return errors.New("not every viewer saw every word")
	}
}

// local registers a run that this process carries out.
func (c *cadre) local(ctx context.Context) (api.LocalRunResponse, error) {
	var r api.LocalRunResponse
	if err := c.call(ctx, c.key, http.MethodPost, "/agent/local-runs", api.LocalRunRequest{Prompt: prompt}, &r); err != nil {
		return r, err
	}
	if err := c.call(ctx, r.RunToken, http.MethodPost, "/runner/start", api.RunnerStartRequest{}, nil); err != nil {
		return r, err
	}
	return r, c.say(ctx, r.RunToken, 0, api.RunStateINPROGRESS)
}

// words sends words at a steady rate.
func (s *suite) words(ctx context.Context, c *cadre, rate int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run, err := c.local(ctx)
	if err != nil {
		return err
	}
	n := min(rate*8, s.count(150)+5)
	all, err := c.watch(ctx, run.RunId, n)
	if err != nil {
		return err
	}
	if err := pause(ctx, 300*time.Millisecond); err != nil { // a thousand connections settle
		return err
	}
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	offset := int64(0)
	for i := range n {
		<-tick.C
		text := word(i, time.Now())
		delta := api.Delta{Key: "answer", Kind: api.DeltaKindText, Offset: offset, Text: text}
		offset += int64(len(text))
		if err := c.call(ctx, run.RunToken, http.MethodPost, "/runner/deltas", api.RunnerDeltasRequest{Deltas: []api.Delta{delta}}, nil); err != nil {
			return err
		}
	}
	err = all.everybody(ctx, 10*time.Second)
	r := all.took.row(fmt.Sprintf("a word → %d viewers, %d a second", viewers, rate))
	r.Budget = "p50 ≤ 14 ms, p99 ≤ 32 ms, all in order"
	r.Note = fmt.Sprintf("%d out of place", all.wrong.Load())
	r.Floor, r.Ratio = fmt.Sprintf("%.2f ms (one viewer)", s.floor.sse.P50), r.P50/s.floor.sse.P50
	r = r.judged(r.P50 <= 14 && r.P99 <= 32)
	if err != nil || all.wrong.Load() > 0 {
		r.Verdict = Failed
	}
	s.add(r)
	return err
}

// saturate sends words as fast as they are taken.
func (s *suite) saturate(ctx context.Context, c *cadre) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run, err := c.local(ctx)
	if err != nil {
		return err
	}
	const together = 50
	batches := s.count(60)
	all, err := c.watch(ctx, run.RunId, batches*together)
	if err != nil {
		return err
	}
	began := time.Now()
	offset := int64(0)
	for b := range batches {
		deltas := make([]api.Delta, together)
		for i := range deltas {
			text := word(b*together+i, time.Now())
			deltas[i] = api.Delta{Key: "answer", Kind: api.DeltaKindText, Offset: offset, Text: text}
			offset += int64(len(text))
		}
		if err := c.call(ctx, run.RunToken, http.MethodPost, "/runner/deltas", api.RunnerDeltasRequest{Deltas: deltas}, nil); err != nil {
			return err
		}
	}
	err = all.everybody(ctx, 30*time.Second)
	r := Row{Name: fmt.Sprintf("words to %d viewers, saturated", viewers), Rate: float64(all.words.Load()) / time.Since(began).Seconds(), Budget: "≥ 600,000 deliveries/s"}
	r.Note = fmt.Sprintf("%d out of place", all.wrong.Load())
	r = r.judged(r.Rate >= 600_000)
	if err != nil || all.wrong.Load() > 0 {
		r.Verdict = Failed
	}
	s.add(r)
	return err
}
