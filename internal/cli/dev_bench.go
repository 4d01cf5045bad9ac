package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/bench"
)

func (a *app) devBenchCommand() *cobra.Command {
	var cfg bench.Config
	c := &cobra.Command{Use: "bench", Short: "Measure this machine's Cadre against its budgets",
		Long: `Starts servers and workers of this very program in temporary directories, measures them over
loopback, and shows each result beside its budget and beside the least program that could do the
same (its floor), measured in the same run. On a busy machine only the ratios mean something.

Parts: ` + strings.Join(bench.Parts(), ", ") + `. The last one needs a database with many runs and
fills one first, which takes minutes, unless --seed-data names one.`,
		Example: `  cadre dev bench --quick
  cadre dev bench --only accept,queue
  cadre dev seed --data ./big --runs 1000000 && cadre dev bench --only seeded --seed-data ./big`}
	fs := c.Flags()
	fs.StringSliceVar(&cfg.Only, "only", nil, "measure these `parts` only (floors are always measured)")
	fs.BoolVar(&cfg.Quick, "quick", false, "a fifth of the samples and of the stored runs")
	fs.IntVar(&cfg.Runs, "runs", 1_000_000, "how many stored `runs` the seeded part has")
	fs.StringVar(&cfg.SeedData, "seed-data", "", "`directory` that 'dev seed' has filled, used as it is")
	fs.StringVar(&cfg.SeedDatabase, "seed-database", "", "postgres:// `URL` that 'dev seed --data … --database-url …' has filled, with --seed-data")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error { return a.devBench(cmd.Context(), cfg) })
}

func (a *app) devBench(ctx context.Context, cfg bench.Config) error {
	var err error
	if cfg.Executable, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if cfg.Runs < 1 {
		return usagef("--runs must be at least 1")
	}
	if cfg.SeedDatabase != "" && cfg.SeedData == "" {
		return usagef("--seed-database needs --seed-data, which has the key")
	}
	p := a.progress("Measuring")
	cfg.Progress = func(text string) { p.Say("Measuring: " + text) }
	report, err := bench.Run(ctx, cfg)
	p.Stop()
	if len(report.Rows) > 0 {
		if a.settings.format.machine() {
			if e := a.printObject(report); e != nil {
				return e
			}
		} else if e := report.WriteText(a.Stdout); e != nil {
			return e
		}
	}
	return err
}
