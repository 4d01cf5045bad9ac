// Command cadre is the control plane, the worker, the runner and the command line in one program.
// It parses nothing itself: see internal/cli.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/cadrehq/cadre/internal/cli"
)

// version is set when the program is linked.
var version = "dev"

func main() {
	ctx, stop := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		// The first signal asks for an orderly end, the second ends the program as if none were
		// handled.
		s := <-signals
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		stop(errors.New(s.String()))
	}()
	os.Exit(cli.Program{
		Args: os.Args, Version: version,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Environ: os.Environ,
	}.Main(ctx))
}
