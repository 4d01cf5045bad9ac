package dispatch

import (
	"context"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
)

const (
	// settle is how long a run waits before it is told why: one placed at once is never written to.
	settle = time.Second
	// walk is how many waiting runs one tick looks at. A longer queue takes several ticks.
	walk = 1000
	// explained bounds the reasons written per tick, so that explaining never crowds out placing.
	explained = 200
	// patience is how long a server that started leaves to workers to come back, whatever runs have
	// waited by then: they try again every minute.
	patience = 3 * time.Minute
)

// explain walks the queue, a page a tick, and tells runs why they wait.
func (d *Dispatcher) explain(ctx context.Context) {
	w := walker{d: d, impatient: d.now().Add(patience)}
	if d.cfg.Peers != nil && !pause(ctx, introduced*tick) {
		return
	}
	for pause(ctx, tick) {
		if err := w.page(ctx); err != nil && ctx.Err() == nil {
			d.cfg.Logger.Error("cannot explain the queue", "error", err)
		}
	}
}

// walker is one walk along the queue.
type walker struct {
	d         *Dispatcher
	impatient time.Time // no run is given up before
	after     Waiting
	ahead     map[Place]int // runs met so far in this walk
}

type reason struct {
	code    api.WaitingCode
	message string
}

func (w *walker) page(ctx context.Context) error {
	if w.after.RunID == "" {
		w.ahead = make(map[Place]int)
	}
	d := w.d
	waiting, err := d.cfg.Store.Queued(ctx, d.now().Add(-settle), w.after, walk)
	if err != nil {
		return err
	}
	limits, err := d.teamLimits(ctx, placesOf(waiting))
	if err != nil {
		return err
	}
	type news struct {
		Waiting
		reason
	}
	var told []news
	for _, q := range waiting {
		at := Place{q.Host, q.TeamUID}
		why := d.why(at, w.ahead[at], limits[at.TeamUID])
		w.ahead[at]++
		w.after = q
		if w.hopeless(q, why) || q.Told.Code != why.code || q.Told.Message != why.message {
			told = append(told, news{q, why})
		}
		if len(told) == explained {
			break
		}
	}
	if len(told) < explained && len(waiting) < walk {
		w.after = Waiting{} // the end: begin again
	}
	each(told, func(n news) {
		var err error
		if w.hopeless(n.Waiting, n.reason) {
			err = d.cfg.Runs.GiveUp(ctx, n.RunID, d.cfg.MaxQueued)
		} else {
			err = d.cfg.Runs.Explain(ctx, n.RunID, n.code, n.message)
		}
		if err != nil && transient(err) && ctx.Err() == nil {
			d.cfg.Logger.Error("cannot explain a waiting run", "run_id", n.RunID, "error", err)
		}
	})
	return nil
}

// hopeless reports whether a run has waited for any worker of its host for as long as it may.
func (w *walker) hopeless(q Waiting, why reason) bool {
	now, limit := w.d.now(), w.d.cfg.MaxQueued
	return limit > 0 && why.code == api.WaitingCodeNoWorker && q.Told.Code == why.code &&
		now.Sub(q.Told.Since) >= limit+w.d.untold() && !now.Before(w.impatient)
}

// placesOf are the places that runs wait for.
func placesOf(waiting []Waiting) []Place {
	places := make([]Place, len(waiting))
	for i, w := range waiting {
		places[i] = Place{w.Host, w.TeamUID}
	}
	return places
}

// why says what the run behind so many others of its place waits for, in a team with that many places.
func (d *Dispatcher) why(at Place, ahead, limit int) reason {
	n := d.Counts(at)
	switch {
	case n.Connections == 0:
		return reason{api.WaitingCodeNoWorker, fmt.Sprintf("No worker serves host %q.", at.Host)}
	case ahead > 0:
		return reason{api.WaitingCodeInLine, "In line behind " + crowd(ahead) + fmt.Sprintf(" for host %q.", at.Host)}
	case n.Free == 0:
		return reason{api.WaitingCodeAtCapacity, fmt.Sprintf("Every worker of host %q is busy.", at.Host)}
	case limit > 0:
		return reason{api.WaitingCodeAtCapacity, fmt.Sprintf("All %d places of the team are taken; waiting for one.", limit)}
	}
	return reason{api.WaitingCodeInLine, fmt.Sprintf("Next in line for host %q.", at.Host)}
}

// crowd names a number of runs in steps, so that a moving line does not rewrite every run in it with
// every step.
func crowd(n int) string {
	if n == 1 {
		return "1 run"
	}
	step := 2
	for base := 1; ; base *= 10 {
		for _, s := range []int{2 * base, 5 * base, 10 * base} {
			if s > n {
				if step == n {
					return fmt.Sprintf("%d runs", n)
				}
				return fmt.Sprintf("more than %d runs", step)
			}
			step = s
		}
	}
}
