package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// Config says what to measure and with what.
type Config struct {
	// Executable is the program to measure.
	Executable string
	// Runs is how many runs the seeded rows have stored; SeedData a directory that 'dev seed' filled.
	// Without one, a directory is filled first. The rows add runs to it.
	Runs     int
	SeedData string
	// SeedDatabase is the URL of the database that 'dev seed' filled, when it is not in SeedData.
	SeedDatabase string
	// Only names the parts to measure; empty for all.
	Only []string
	// Quick takes a fifth of the samples and of the runs.
	Quick bool
	// Progress hears what is being measured.
	Progress func(string)
	// Row hears each row when it is measured.
	Row func(Row)
}

// part is a group of rows that are measured together.
type part struct {
	name    string
	measure func(context.Context, *suite) error
}

// parts are in the order they are measured: floors first, what wants the machine to itself last.
var parts = []part{
	{"floors", measureFloors},
	{"idle", measureIdle},
	{"accept", measureAccept},
	{"queue", measureQueue},
	{"schedules", measureSchedules},
	{"turns", measureTurns},
	{"fanout", measureFanout},
	{"live", measureLive},
	{"restart", measureRestart},
	{"seeded", measureSeeded},
}

// Parts lists the names of the parts.
func Parts() []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return names
}

// Run measures. A part that fails is reported as such and does not end the others.
func Run(ctx context.Context, cfg Config) (Report, error) {
	for _, name := range cfg.Only {
		if !slices.Contains(Parts(), name) {
			return Report{}, fmt.Errorf("there is no part %q; there are %s", name, strings.Join(Parts(), ", "))
		}
	}
	dir, err := os.MkdirTemp("", "cadre-bench-")
	if err != nil {
		return Report{}, fmt.Errorf("make directory: %w", err)
	}
	s := &suite{cfg: cfg, dir: dir}
	if s.cfg.Progress == nil {
		s.cfg.Progress = func(string) {}
	}
	s.report.begin()
	for _, p := range parts {
		// The floors are what the others are compared with.
		if len(cfg.Only) > 0 && p.name != "floors" && !slices.Contains(cfg.Only, p.name) {
			continue
		}
		if err := s.measure(ctx, p); err != nil {
			s.add(Row{Part: p.name, Name: "could not be measured", Note: err.Error(), Verdict: Failed})
		}
		if ctx.Err() != nil {
			break
		}
	}
	s.report.end()
	return s.report, errors.Join(context.Cause(ctx), os.RemoveAll(dir))
}

// suite is one measuring.
type suite struct {
	cfg    Config
	dir    string
	part   string
	report Report
	floor  floors
}

// longest bounds a part.
const longest = 3 * time.Minute

func (s *suite) measure(ctx context.Context, p part) error {
	s.part = p.name
	s.cfg.Progress(p.name)
	if p.name != "seeded" { // which may have to fill a database first
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, longest)
		defer stop()
	}
	return p.measure(ctx, s)
}

// add keeps a row.
func (s *suite) add(r Row) {
	r.Part = s.part
	s.report.Rows = append(s.report.Rows, r)
	if s.cfg.Row != nil {
		s.cfg.Row(r)
	}
}

// count is a number of samples, fewer if it has to be quick.
func (s *suite) count(n int) int {
	if s.cfg.Quick {
		return max(1, n/5)
	}
	return n
}
