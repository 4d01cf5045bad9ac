package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/server"
)

// logLevel is the flag of long-running commands.
func logLevel(c *cobra.Command, level *slog.Level) {
	c.Flags().TextVar(level, "log-level", *level, "least `level` to log to stderr: debug, info, warn, error")
	fromEnv(c.Flags(), "log-level", "CADRE_LOG_LEVEL")
}

// serviceLog is the log of a long-running command.
func (a *app) serviceLog(level slog.Level) *slog.Logger {
	if a.settings.debug {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: level}))
}

func (a *app) serverCommand() *cobra.Command {
	var cfg server.Config
	level := slog.LevelInfo
	c := &cobra.Command{Use: "server", Short: "Run the control plane alone",
		Long: `Runs the control plane without a worker. Any number of servers may share one PostgreSQL
and one directory of blobs. Every flag has an environment variable, named behind it.
` + modelKeysHelp,
		Example: `  cadre server --listen :8787 --public-url https://cadre.example.com \
    --database-url postgres://cadre@db/cadre --blob-url file:///var/lib/cadre/blobs
  cadre worker --worker-id linux-1 --server-root-url https://cadre.example.com`}
	serverFlags(c.Flags(), &cfg)
	logLevel(c, &level)
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if cfg.DataDir == "" && (cfg.DatabaseURL == "" || cfg.BlobURL == "") {
			return usagef("give --data, or both --database-url and --blob-url")
		}
		modelKeys(&cfg, a.Getenv)
		if err := providers(&cfg, a.Getenv); err != nil {
			return err
		}
		cfg.Log = a.serviceLog(level)
		s, err := server.New(cmd.Context(), cfg)
		if err != nil {
			return startHint(err, cfg.Listen)
		}
		if key := s.BootstrapKey(); key != "" && key != cfg.BootstrapKey {
			fmt.Fprintf(a.Stdout, "First admin's API key, shown only now: %s\n", key)
		}
		if s.BootstrapKey() != "" {
			fmt.Fprintf(a.Stdout, "To sign in with a browser: %s\n", a.linkCommand(s.URL(), cfg))
		}
		fmt.Fprintf(a.Stdout, "Cadre serves on %s, reached at %s\n", s.Addr(), s.URL())
		return s.Run(cmd.Context())
	})
}

// startHint says what to do about a server that does not start.
func startHint(err error, listen string) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return withHint(err, "another program listens on %s; stop it, or name another address with --listen or CADRE_LISTEN", firstNonEmpty(listen, server.DefaultListen))
	}
	return err
}

// dataDir is where 'up' keeps everything unless told otherwise.
func (a *app) dataDir() (string, error) {
	dir := a.Getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) {
		home := a.Getenv("HOME")
		if home == "" {
			return "", usagef("neither XDG_DATA_HOME nor HOME is set: name a directory with --data or CADRE_DATA")
		}
		dir = filepath.Join(home, ".local", "share")
	}
	return filepath.Join(dir, "cadre"), nil
}

// inside runs inner while outer runs: outer is stopped when inner has ended, inner when outer fails or
// ctx ends. It returns once both have.
func inside(ctx context.Context, outer, inner func(context.Context) error) error {
	outerCtx, stopOuter := context.WithCancel(context.WithoutCancel(ctx))
	innerCtx, stopInner := context.WithCancelCause(ctx)
	defer stopInner(nil)
	ended := make(chan error, 1)
	go func() {
		err := outer(outerCtx)
		stopInner(errOuterEnded)
		ended <- err
	}()
	err := inner(innerCtx)
	if errors.Is(err, errOuterEnded) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil
	}
	stopOuter()
	return errors.Join(err, <-ended)
}

// errOuterEnded ends what runs inside something that has ended.
var errOuterEnded = errors.New("ended")
