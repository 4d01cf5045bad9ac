package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/fault"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

const (
	// maxAttempts is how often a tick is tried when it fails for reasons of ours. With the waits
	// between (2 s, doubled each time up to 5 min) that is a quarter of an hour.
	maxAttempts = 10
	retryBase   = 2 * time.Second
	retryMax    = 5 * time.Minute
	// maxOpen bounds how many earlier runs are cancelled for a tick, or told in its outcome.
	maxOpen = 100
	// maxReason bounds the text kept of an error, in bytes.
	maxReason = 1024
)

// serve decides on a schedule that is due, and does it. What fails for reasons of ours stays due for
// later; an error is returned for the log only.
func (s *Service) serve(ctx context.Context, c Schedule) error {
	t, err := c.Timing()
	if err != nil {
		return s.stuck(ctx, c, err)
	}
	do := c.decide(t, s.now(), s.cfg.Grace)
	if do.at.IsZero() {
		return s.settle(ctx, c, c.at(do.next), Outcome{
			First: do.skipFirst, At: do.skipLast, Outcome: api.ScheduleTickOutcomeSkipped,
			Reason: "Missed: no server could serve it in time.",
		})
	}
	err = s.fire(ctx, c, do)
	if err == nil || errors.Is(err, run.ErrTickTaken) {
		return nil
	}
	return s.failed(ctx, c, do, err)
}

// fire starts the run of a tick, as the overlap rule has it.
func (s *Service) fire(ctx context.Context, c Schedule, do step) error {
	principal, err := s.principal(ctx, c)
	if err != nil {
		return err
	}
	if c.Overlap != api.ScheduleOverlapAllow {
		free, err := s.makeRoom(ctx, principal, c, do)
		if err != nil || !free {
			return err
		}
	}
	fault.Here(fault.ScheduleBeforeStart)
	_, _, err = s.cfg.Runs.StartScheduled(ctx, principal, c.request(), s.origin(c, do.at), run.Tick{
		ScheduleID: c.ID, Rev: c.Rev, From: c.Tick, First: do.first, At: do.at, Next: do.next, Due: c.due(do.next),
	})
	fault.Here(fault.ScheduleAfterStart)
	return err
}

// makeRoom applies the overlap rule. It reports whether the run may start now; if not, what becomes
// of the tick is stored.
func (s *Service) makeRoom(ctx context.Context, principal identity.Actor, c Schedule, do step) (free bool, err error) {
	open, err := s.cfg.Ticks.OpenRuns(ctx, c.ID, maxOpen)
	if err != nil || len(open) == 0 {
		return err == nil, err
	}
	switch c.Overlap {
	case api.ScheduleOverlapSkip:
		return false, s.settle(ctx, c, c.at(do.next), Outcome{
			First: do.first, At: do.at, Outcome: api.ScheduleTickOutcomeSkipped,
			Reason: fmt.Sprintf("Run %s of this schedule had not ended.", open[0]),
		})
	case api.ScheduleOverlapQueueAfter:
		wait := c.Clock
		wait.Held, wait.Due = true, time.Time{}
		if err := s.settle(ctx, c, wait); err != nil {
			return false, err
		}
		// The run may have ended while we looked.
		s.held.Store(true)
		s.wake()
		return false, nil
	}
	return true, s.cancelAll(ctx, principal, open)
}

// cancelAll ends the earlier runs of a schedule. Those that ended meanwhile, or that cannot be
// cancelled, are left.
func (s *Service) cancelAll(ctx context.Context, principal identity.Actor, ids []string) error {
	for _, id := range ids {
		if _, err := s.cfg.Runs.Cancel(ctx, principal, id); err != nil && passing(err) {
			return fmt.Errorf("cancel run %s: %w", id, err)
		}
	}
	return nil
}

// settle stores what becomes of a schedule; a tick that somebody else settled is no error.
func (s *Service) settle(ctx context.Context, from Schedule, to Clock, outcomes ...Outcome) error {
	for i := range outcomes {
		outcomes[i].ScheduleID, outcomes[i].RecordedAt = from.ID, s.now()
	}
	err := s.cfg.Ticks.Settle(ctx, from, to, outcomes...)
	if errors.Is(err, run.ErrTickTaken) {
		return nil
	}
	return err
}

// failed stores that a tick could not be served: it is tried again when the cause is ours and no
// later tick is due by then, else it is over.
func (s *Service) failed(ctx context.Context, c Schedule, do step, cause error) error {
	now := s.now()
	again := now.Add(min(retryBase<<min(c.Attempts, 16), retryMax))
	if passing(cause) && c.Attempts+1 < maxAttempts && (do.next.IsZero() || c.due(do.next).After(again)) {
		to := c.Clock
		to.Attempts, to.Due, to.LastError = c.Attempts+1, again, reason(cause)
		return errors.Join(cause, s.settle(ctx, c, to))
	}
	to := c.at(do.next)
	to.LastError = reason(cause)
	return errors.Join(cause, s.settle(ctx, c, to, Outcome{
		First: do.first, At: do.at, Outcome: api.ScheduleTickOutcomeFailed, Reason: to.LastError,
	}))
}

// stuck stops a schedule whose stored times mean nothing any more: its zone was abolished, say.
func (s *Service) stuck(ctx context.Context, c Schedule, cause error) error {
	to := c.at(time.Time{})
	to.LastError = reason(cause)
	return errors.Join(cause, s.settle(ctx, c, to, Outcome{
		First: c.Tick, At: c.Tick, Outcome: api.ScheduleTickOutcomeFailed, Reason: to.LastError,
	}))
}

// passing reports whether the same may succeed later without anybody changing anything.
func passing(err error) bool {
	var f *api.Failure
	if !errors.As(err, &f) {
		return true // nothing a person was meant to see
	}
	if f.Retryable != nil {
		return *f.Retryable
	}
	return api.LookupCode(f.Code).Retryable
}

// reason is an error as the schedule's owner may see it.
func reason(err error) string {
	var f *api.Failure
	if !errors.As(err, &f) {
		return "The server could not start a run; its log says why."
	}
	text := strings.ToValidUTF8(f.Detail, "\uFFFD")
	if len(text) > maxReason {
		text = text[:maxReason]
		for !utf8.ValidString(text) {
			text = text[:len(text)-1]
		}
	}
	return text
}
