package run

import "time"

// Cancellable says whether a run of this type can be cancelled at all, whatever its state.
func (r Run) Cancellable() bool { return cancellable(r) }

// ActiveTime is how long the run's agent has worked, the current stretch included.
func (r Run) ActiveTime(now time.Time) time.Duration {
	active := r.Active
	if !r.ActiveAt.IsZero() && now.After(r.ActiveAt) {
		active += now.Sub(r.ActiveAt)
	}
	return active
}
