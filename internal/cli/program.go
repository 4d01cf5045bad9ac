package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cadrehq/cadre/api/client"
	outterm "github.com/cadrehq/cadre/internal/cli/term"
)

// Program is one invocation of the binary: all that it may touch of the outside world.
type Program struct {
	// Args are the arguments, the program's name first. Called as oz it is the reference CLI's twin.
	Args []string
	// Version is shown and sent to servers.
	Version string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	// Getenv reads an environment variable, Environ all of them.
	Getenv  func(string) string
	Environ func() []string
}

// app is a running program: its settings after flags, environment and saved settings were merged.
type app struct {
	Program
	settings settings
	saved    saved
	running  bool // a command's body was entered: errors from here on are no usage errors
	style    outterm.Style
	log      *slog.Logger
}

// Main carries the program out and returns its exit status.
func (p Program) Main(ctx context.Context) int {
	a := &app{Program: p, log: slog.New(slog.DiscardHandler)}
	root := a.root()
	root.SetArgs(joinOptionalValues(p.Args[1:]))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var usage usageError
	if !a.running || errors.As(err, &usage) {
		a.printError(err)
		if cmd != nil {
			fmt.Fprintf(p.Stderr, "\nTry '%s --help'.\n", cmd.CommandPath())
		}
		return exitUsage
	}
	return a.fail(ctx, err)
}

// name is what the program was called as.
func (p Program) name() string {
	base := p.Args[0][strings.LastIndexByte(p.Args[0], '/')+1:]
	if isOz(base) {
		return base
	}
	return "cadre"
}

// typed is how the user calls the program, for commands to type next: it need not be on the PATH.
func (p Program) typed() string {
	if strings.Contains(p.Args[0], "/") {
		return p.Args[0]
	}
	return p.name()
}

// isOz says whether a program name is the reference CLI's.
func isOz(name string) bool { return name == "oz" || name == "oz-preview" }

// prepare merges settings before any command's body.
func (a *app) prepare(cmd *cobra.Command, _ []string) error {
	if err := applyEnv(cmd, a.Getenv); err != nil {
		return err
	}
	if err := a.loadSaved(); err != nil {
		return err
	}
	switch {
	case a.settings.json:
		a.settings.format = formatJSON
	case a.saved.OutputFormat != "" && !cmd.Flags().Changed("output-format"):
		if err := a.settings.format.Set(a.saved.OutputFormat); err != nil {
			return fmt.Errorf("saved output_format: %w", err)
		}
	}
	a.style = outterm.Style(a.settings.format == formatPretty && a.terminal(a.Stdout) && a.colour())
	if a.settings.debug {
		a.log = slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return nil
}

// colour says whether the user wants colours at all.
func (a *app) colour() bool { return a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" }

// terminal says whether a stream is an interactive terminal.
func (a *app) terminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// client makes the API client of the server and key that are set.
func (a *app) client() (*client.Client, error) {
	if a.settings.apiKey == "" {
		return nil, errNoKey
	}
	return a.clientFor(a.settings.server, a.settings.apiKey)
}

func (a *app) clientFor(server, key string) (*client.Client, error) {
	source := "CLI"
	if a.Getenv("GITHUB_ACTIONS") == "true" {
		source = "GITHUB_ACTION"
	}
	headers := http.Header{"X-Oz-Api-Source": {source}}
	if team := a.Getenv("CADRE_TEAM"); team != "" {
		headers.Set("X-Cadre-Team", team)
	}
	return client.New(server, key, client.Options{UserAgent: "cadre-cli/" + a.Version, Headers: headers})
}

// progress shows on stderr, while something is waited for, what and for how long.
func (a *app) progress(text string) *outterm.Progress {
	live := a.terminal(a.Stderr) && a.settings.format == formatPretty && a.Getenv("TERM") != "dumb"
	return outterm.StartProgress(a.Stderr, live, text)
}

// within runs do with a progress line.
func (a *app) within(text string, do func() error) error {
	p := a.progress(text)
	defer p.Stop()
	return do()
}

// now is the wall clock, for showing ages only.
func now() time.Time { return time.Now() }
