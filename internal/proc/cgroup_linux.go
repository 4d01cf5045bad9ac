package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// FindCgroups makes a place of that name below the group this process is in, or takes the one there
// is, and tries it: its groups can be entered and killed. The error says why they cannot.
func FindCgroups(name string) (Cgroups, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return Cgroups{}, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return Cgroups{}, err
	}
	dir, err := ownCgroup(string(own), string(mounts))
	if err != nil {
		return Cgroups{}, err
	}
	c := Cgroups{filepath.Join(dir, name)}
	if err := os.Mkdir(c.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return Cgroups{}, fmt.Errorf("make a control group: %w", err)
	}
	if err := c.probe(); err != nil {
		_ = os.Remove(c.dir)
		return Cgroups{}, err
	}
	return c, nil
}

// probe makes a group, enters it and kills it. It is entered by a process that is to become a program
// which is not there: the kernel looks for that last, so this being the error tells that all else went
// well, for less than any program costs.
func (c Cgroups) probe() error {
	g, err := c.Make("probe")
	if errors.Is(err, os.ErrExist) {
		g = Cgroup{filepath.Join(c.dir, "probe")} // of a process that was killed here
	} else if err != nil {
		return err
	}
	defer func() { _ = g.Remove() }()
	none := &exec.Cmd{Path: filepath.Join(g.dir, "none")}
	leave, err := g.Enter(none)
	if err != nil {
		return err
	}
	defer leave()
	if err := none.Start(); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("enter a control group: %w", err)
	}
	return g.Kill(context.Background())
}

// Enter has the command start inside the group. The returned function is called once it has started.
func (g Cgroup) Enter(cmd *exec.Cmd) (started func(), err error) {
	dir, err := os.Open(g.dir)
	if err != nil {
		return nil, fmt.Errorf("enter a control group: %w", err)
	}
	a := attributes(cmd)
	a.UseCgroupFD, a.CgroupFD = true, int(dir.Fd())
	return func() { _ = dir.Close() }, nil
}

// Kill ends every process of the group at once, those included that are just being started, and
// returns when all have ended, or after about a second with ErrSurvivors. Processes can be started
// into the group again.
func (g Cgroup) Kill(ctx context.Context) error {
	if err := os.WriteFile(filepath.Join(g.dir, killFile), []byte("1"), 0); err != nil {
		return fmt.Errorf("kill a control group: %w", err)
	}
	until := time.NewTimer(killWithin)
	defer until.Stop()
	for wait := time.Millisecond; ; wait = min(2*wait, scanEvery) {
		populated, err := g.Populated()
		if err != nil || !populated {
			return err
		}
		select {
		case <-time.After(wait):
		case <-until.C:
			return ErrSurvivors
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Populated reports whether a process lives in the group or below it.
func (g Cgroup) Populated() (bool, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, "cgroup.events"))
	return bytes.Contains(b, []byte("populated 1")), err
}
