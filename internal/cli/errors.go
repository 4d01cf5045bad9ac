package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/term"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (e hinted) Error() string { return e.err.Error() }
func (e hinted) Unwrap() error { return e.err }

// withHint adds what to do about an error.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return hinted{err, fmt.Sprintf(format, args...)}
}

// errNoKey is met by every command that calls a server before anybody logged in.
var errNoKey = hinted{errors.New("not logged in: no API key is set"),
	"log in with 'cadre login', set CADRE_API_KEY, or start a server of your own with 'cadre up'"}

// exitStatus is an end that is no error: the status says what a script wants to know, and
// everything worth saying was printed.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// fail prints an error and returns the program's exit status.
func (a *app) fail(ctx context.Context, err error) int {
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitFailure // the reader of our output went away; nobody reads an explanation
	}
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		fmt.Fprintln(a.Stderr, "stopped:", context.Cause(ctx))
		return exitFailure
	}
	a.printError(err)
	a.logFailure(err)
	var f *api.Failure
	if errors.As(err, &f) {
		return api.LookupCode(f.Code).Exit
	}
	return exitFailure
}

// printError writes an error: its message, then one "=> " line per cause, then what to do.
func (a *app) printError(err error) { fmt.Fprint(a.Stderr, explainError(err)) }

func explainError(err error) string {
	var b strings.Builder
	prefix := ""
	for _, line := range append(chain(err), hints(err)...) {
		b.WriteString(prefix + strings.TrimSpace(term.Clean(line)) + "\n")
		prefix = "=> "
	}
	return b.String()
}

// chain splits an error into its message and the messages of its causes.
func chain(err error) []string {
	var lines []string
	for err != nil {
		text := err.Error()
		next := errors.Unwrap(err)
		if next != nil {
			inner := next.Error()
			text = strings.TrimSuffix(strings.TrimSuffix(text, inner), ": ")
		}
		if text != "" {
			lines = append(lines, text)
		}
		err = next
	}
	if len(lines) == 0 {
		return []string{"unknown error"}
	}
	return lines
}

// hints says what to do about an error.
func hints(err error) []string {
	var out []string
	var h hinted
	if errors.As(err, &h) {
		out = append(out, h.hint)
	}
	var lost *client.Unreachable
	if errors.As(err, &lost) {
		out = append(out, "is the server running? start one with 'cadre up', or name another with --server-root-url or CADRE_SERVER_URL")
	}
	var f *api.Failure
	if !errors.As(err, &f) {
		return out
	}
	if text := codeHints[f.Code]; text != "" && len(out) == 0 {
		out = append(out, text)
	}
	return out
}

// codeHints says what a user can do about an error the server named.
var codeHints = map[api.PlatformErrorCode]string{
	api.PlatformErrorCodeAuthenticationRequired: "the server does not accept this key; log in again with 'cadre login' or set CADRE_API_KEY",
	api.PlatformErrorCodeNotAuthorized:          "this key may not do that; 'cadre whoami' shows whose it is",
	api.PlatformErrorCodeResourceUnavailable:    "the server is at a limit; try again in a moment",
	api.PlatformErrorCodeBudgetExceeded:         "raise the budget, then send the run a message to continue it",
}
