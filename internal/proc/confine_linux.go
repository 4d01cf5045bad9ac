package proc

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// The Landlock versions that brought what Level tells apart. Before the second, files could not be
// moved between directories at all, which breaks git and every package manager.
const (
	landlockFiles   = 2
	landlockSignals = 6
)

// Apply puts the confinement into force for every thread of this process, as far as the kernel can.
// A kernel without Landlock is no error: Level then says that nothing is confined.
func (c Confinement) Apply() (Level, error) {
	version, err := ll.LandlockGetABIVersion()
	if err != nil || version < landlockFiles {
		return Level{}, nil
	}
	write, read, err := c.grants()
	if err != nil {
		return Level{}, err
	}
	rules := []landlock.Rule{landlock.RODirs("/proc").IgnoreIfMissing()}
	for _, path := range read {
		rules = append(rules, grant(path, landlock.RODirs, landlock.ROFiles))
	}
	for _, path := range write {
		rules = append(rules, grant(path, func(p ...string) landlock.FSRule {
			return landlock.RWDirs(p...).WithRefer()
		}, landlock.RWFiles))
	}
	for _, path := range existing(devices) {
		rules = append(rules, grant(path, func(p ...string) landlock.FSRule {
			return landlock.RWDirs(p...).WithIoctlDev()
		}, func(p ...string) landlock.FSRule { return landlock.RWFiles(p...).WithIoctlDev() }))
	}
	config := landlock.MustConfig(landlock.V6.HandledAccessFS, landlock.V6.Scoped).BestEffort()
	if err := config.Restrict(rules...); err != nil {
		return Level{}, fmt.Errorf("confine: %w", err)
	}
	return Level{Files: true, Signals: version >= landlockSignals}, nil
}

// grant picks the rule that fits what path is: rights on directories are refused for files.
func grant(path string, dirs, files func(...string) landlock.FSRule) landlock.Rule {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return dirs(path).IgnoreIfMissing()
	}
	return files(path).IgnoreIfMissing()
}
