package cli

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/server"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/store/seed"
)

func (a *app) devCommand() *cobra.Command {
	return a.newGroup(&cobra.Command{Use: "dev", Short: "Measure Cadre and fill it with made-up runs"},
		a.devSeedCommand(), a.devBenchCommand())
}

type seedFlags struct {
	data, database string
	runs           int
	seed           uint64
	more           bool
}

func (a *app) devSeedCommand() *cobra.Command {
	var f seedFlags
	c := &cobra.Command{Use: "seed", Short: "Fill a data directory with made-up runs",
		Long: `Stores a year of plausible runs of one busy team: titles, prompts, people, agents, states, sources,
sessions, artifacts. Nothing acts on them. 'cadre up' on the same directory shows them. The same
--seed makes the same runs.`,
		Example: "  cadre dev seed --data ./big --runs 1000000\n  cadre up --data ./big"}
	fs := c.Flags()
	flagger{fs}.text(&f.data, "data", "`directory` of the database")
	flagger{fs}.text(&f.database, "database-url", "postgres://… or sqlite:/path (default: a SQLite file in the data directory)")
	fs.IntVar(&f.runs, "runs", 10_000, "how many `runs`")
	fs.Uint64Var(&f.seed, "seed", 1, "another `number` makes other runs")
	fs.BoolVar(&f.more, "append", false, "add to a database that has runs already")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error { return a.devSeed(cmd.Context(), f) })
}

// seeded is what dev seed reports.
type seeded struct {
	Runs          int     `json:"runs"`
	Seconds       float64 `json:"seconds"`
	RunsPerSecond float64 `json:"runs_per_second"`
	Data          string  `json:"data,omitempty"`
	APIKey        string  `json:"api_key,omitempty"`
}

func (a *app) devSeed(ctx context.Context, f seedFlags) error {
	if f.data == "" && f.database == "" {
		return usagef("give --data or --database-url")
	}
	if f.runs < 1 {
		return usagef("--runs must be at least 1")
	}
	started := now()
	report := seeded{Runs: f.runs, Data: f.data}
	err := a.fill(ctx, f, &report)
	if err != nil {
		return err
	}
	report.Seconds = now().Sub(started).Seconds()
	report.RunsPerSecond = float64(f.runs) / report.Seconds
	if a.settings.format.machine() {
		return a.printObject(report)
	}
	if _, err := fmt.Fprintf(a.Stdout, "Stored %d runs in %.0f s (%.0f a second).\n", report.Runs, report.Seconds, report.RunsPerSecond); err != nil {
		return err
	}
	if report.APIKey != "" {
		_, err = fmt.Fprintf(a.Stdout, "The first admin's API key, shown only now: %s\n", report.APIKey)
	}
	return err
}

// fill opens the database as a server would and fills it.
func (a *app) fill(ctx context.Context, f seedFlags, report *seeded) (err error) {
	key := a.Getenv("CADRE_BOOTSTRAP_API_KEY")
	if f.data != "" {
		unlock, err := lockDir(f.data)
		if err != nil {
			return err
		}
		defer unlock()
		if key, err = adminKey(f.data, key); err != nil {
			return err
		}
	}
	cfg := server.Config{DataDir: f.data, DatabaseURL: f.database}.WithDefaults()
	db, err := store.Open(ctx, store.Options{DSN: cfg.DatabaseURL, Logger: a.serviceLog(slog.LevelWarn)})
	if err != nil {
		return err
	}
	defer func() {
		if closing := db.Close(); err == nil {
			err = closing
		}
	}()
	newest, err := store.NewRuns(db).Newest(ctx)
	if err != nil {
		return err
	}
	if newest > 0 && !f.more {
		return withHint(fmt.Errorf("the database has runs already"), "name another directory, or add to it with --append")
	}
	users := store.NewIdentity(db)
	ids, err := identity.New(ctx, identity.Config{Store: users, Log: a.log})
	if err != nil {
		return err
	}
	made, err := ids.Bootstrap(ctx, key)
	if err != nil {
		return err
	}
	if f.data == "" {
		report.APIKey = made
	}
	team, user, err := users.First(ctx)
	if err != nil {
		return err
	}
	return a.fillFor(ctx, db, f, seed.Options{
		Runs: f.runs, Seed: f.seed + uint64(newest), Owner: identity.Owner{Type: api.ScopeTypeTeam, UID: team}, User: user,
		Until: now().UTC().Truncate(time.Hour),
	})
}

// fillFor fills the database and shows how far it is.
func (a *app) fillFor(ctx context.Context, db *store.DB, f seedFlags, opts seed.Options) error {
	p := a.progress("Storing runs")
	defer p.Stop()
	opts.Progress = func(stored int) {
		if stored == f.runs {
			p.Say("Building the search index")
			return
		}
		p.Say(fmt.Sprintf("Storing runs: %d of %d", stored, f.runs))
	}
	return seed.Fill(ctx, db, opts)
}
