package identity

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Attempts is how often something was tried of late.
type Attempts struct {
	Count int64
	At    time.Time // last
	Until time.Time // none is let through before
}

// limit says how often something may be tried: the first free times without hindrance, then after a
// wait that doubles from wait to most, and as if nothing had been when it rested for a while.
type limit struct {
	free             int64
	wait, most, rest time.Duration
}

// The limits. A person mistypes a few times; an address may be that of a whole office. An account is
// guarded most against one address that guesses at it, and less against all together: who is wrong often
// enough must not be able to keep its owner out.
var (
	limitAccount = limit{free: 5, wait: 2 * time.Second, most: 15 * time.Minute, rest: 12 * time.Hour}
	limitGuessed = limit{free: 100, wait: time.Second, most: 15 * time.Second, rest: time.Hour}
	limitAddress = limit{free: 50, wait: time.Second, most: 5 * time.Minute, rest: time.Hour}
	limitDevices = limit{free: 30, wait: time.Second, most: 5 * time.Minute, rest: 10 * time.Minute}
)

// next counts one more, or refuses it.
func (l limit) next(a Attempts, now time.Time) (Attempts, error) {
	if now.Before(a.Until) {
		return a, tooMany(a.Until.Sub(now))
	}
	if now.Sub(a.At) > l.rest {
		a.Count = 0
	}
	a.Count, a.At, a.Until = a.Count+1, now, time.Time{}
	if over := a.Count - l.free; over >= 0 {
		a.Until = now.Add(min(l.wait<<min(over, 30), l.most))
	}
	return a, nil
}

// tooMany refuses what was tried too often. It says the same whether there is such an account or not.
func tooMany(wait time.Duration) error {
	retryable := true
	f := api.Fail(api.PlatformErrorCodeResourceUnavailable, "too many attempts; try again in %d s", int(math.Ceil(wait.Seconds())))
	f.Status, f.Retryable = 429, &retryable // RFC 6585
	return f
}

// attempt counts before the thing is tried, so that many at once are counted too.
func (s *Service) attempt(ctx context.Context, l limit, subject string) error {
	err := s.cfg.Store.Attempt(ctx, subject, func(a Attempts) (Attempts, error) { return l.next(a, s.now()) })
	if err != nil {
		return fmt.Errorf("count attempts: %w", err)
	}
	return nil
}

// account is the subject that guesses at an e-mail address' password count for: those from one place, or
// all when from is empty. It is a hash, so that what people type by mistake (a password, say) is not kept.
func account(email, from string) string {
	h := hashOf(email + "\n" + from)
	return "account " + hex.EncodeToString(h[:16])
}

func address(of string) string { return "address " + of }

// guess counts a guess at an account's password.
func (s *Service) guess(ctx context.Context, email string, b Browser) error {
	if err := s.attempt(ctx, limitAddress, address(b.Address)); err != nil {
		return err
	}
	if err := s.attempt(ctx, limitAccount, account(email, b.Address)); err != nil {
		return err
	}
	return s.attempt(ctx, limitGuessed, account(email, ""))
}

// guessed forgets the guesses at an account once one is right. Of the place it came from only this one is
// taken back: others there may still be guessing.
func (s *Service) guessed(ctx context.Context, email string, b Browser) {
	s.succeeded(ctx, account(email, b.Address))
	s.succeeded(ctx, account(email, ""))
	err := s.cfg.Store.Attempt(ctx, address(b.Address), func(a Attempts) (Attempts, error) {
		a.Count, a.Until = max(a.Count-1, 0), time.Time{}
		return a, nil
	})
	if err != nil {
		s.cfg.Log.Warn("take back attempt", "err", err)
	}
}

// succeeded forgets what was counted for a subject. That it cannot costs the person a wait at worst.
func (s *Service) succeeded(ctx context.Context, subject string) {
	if err := s.cfg.Store.ForgetAttempts(ctx, subject); err != nil {
		s.cfg.Log.Warn("forget attempts", "err", err)
	}
}
