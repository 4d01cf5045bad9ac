package proc

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"time"
)

// ErrSurvivors is returned by Kill when processes outlived SIGKILL: they hang inside the kernel.
var ErrSurvivors = errors.New("processes survived being killed")

// Cookie is an environment entry that marks every process of one execution.
type Cookie struct {
	Name, Value string
}

func (c Cookie) String() string { return c.Name + "=" + c.Value }

// Tree names the processes of one execution.
type Tree struct {
	// Cookies mark processes: one that carries any of them belongs.
	Cookies []Cookie
	// Marked, if set, tells by the Mark of a process that has one whether it belongs.
	Marked func(Mark) bool
	// Roots are processes whose descendants belong, and that belong themselves.
	Roots []int
	// Since, by the clock of Ticks, is when the first of them started, so that older processes need
	// not be searched for cookies and marks.
	Since uint64
	// Closed says that every process of the tree descends from Roots, which adopt what detaches itself
	// (see Adopt): when they have no children, nothing else is looked for.
	Closed bool
	// Spare lists processes that are never signalled, though their descendants may be.
	Spare []int
}

// killWithin bounds how long Kill waits for processes to vanish after SIGKILL.
const killWithin = time.Second

// scanEvery is how often Kill looks again: a scan costs about 10 µs per process of the machine.
const scanEvery = 10 * time.Millisecond

// Kill ends every process of the tree and returns once none is left: SIGTERM at once, SIGKILL to
// what is left after grace or when ctx ends, whichever comes first. A grace of 0 kills at once. It
// returns after at most grace plus about a second, with ErrSurvivors if anything is left then.
func (t Tree) Kill(ctx context.Context, grace time.Duration) error {
	told := map[int]bool{}
	known := slices.Clone(t.Roots)
	softUntil := time.Now().Add(grace)
	hardUntil := softUntil.Add(killWithin)
	tick := time.NewTicker(scanEvery)
	defer tick.Stop()
	done := ctx.Done()
	for {
		left := t.members(known)
		if len(left) == 0 {
			return nil
		}
		now := time.Now()
		if now.After(hardUntil) {
			return ErrSurvivors
		}
		hard := !now.Before(softUntil)
		for _, pid := range left {
			// Remembered as roots, so that children they leave behind in this very moment are found.
			if !slices.Contains(known, pid) {
				known = append(known, pid)
			}
			if hard {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			} else if !told[pid] {
				told[pid] = true
				_ = syscall.Kill(pid, syscall.SIGTERM)
			}
		}
		select {
		case <-tick.C:
		case <-done:
			done = nil
			if softUntil = time.Now(); hardUntil.After(softUntil.Add(killWithin)) {
				hardUntil = softUntil.Add(killWithin)
			}
		}
	}
}

// Members lists the processes of the tree that are alive; one that has ended and only waits to be
// collected by its parent is not.
func (t Tree) Members() []int { return t.members(t.Roots) }
