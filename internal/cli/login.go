package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cadrehq/cadre/api"
	outterm "github.com/cadrehq/cadre/internal/cli/term"
)

func (a *app) loginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "login",
		Short: "Save a server and an API key for this user",
		Long: `Checks an API key with the server and saves both in the config file, which only you can read.
The key is taken from --api-key or CADRE_API_KEY, or read from standard input. On a terminal you approve
this machine in a browser instead, here or elsewhere, and it gets a key of its own; --key asks for one.
'cadre up' does this for its own user on its first start.`,
		Example: `  cadre login --server-root-url https://cadre.example.com
  pass show cadre | cadre login --server-root-url https://cadre.example.com`,
	}
	var browser, ask bool
	c.Flags().BoolVar(&browser, "browser", false, "approve in a browser, also where there is no terminal")
	c.Flags().BoolVar(&ask, "key", false, "ask for an API key")
	c.MarkFlagsMutuallyExclusive("browser", "key")
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) (err error) {
		f, isFile := a.Stdin.(*os.File)
		key := a.settings.apiKey
		approved := !cmd.Flags().Lookup("api-key").Changed && (browser || !ask && isFile && a.terminal(f))
		switch {
		case cmd.Flags().Lookup("api-key").Changed:
		case approved:
			key, err = a.approveInBrowser(cmd.Context())
		default:
			key, err = a.askSecret("API key: ")
		}
		if err != nil {
			return err
		}
		return a.login(cmd.Context(), a.settings.server, key, approved)
	})
}

// approveInBrowser waits until somebody signed in approves this machine, and returns its key.
func (a *app) approveInBrowser(ctx context.Context) (string, error) {
	cl, err := a.clientFor(a.settings.server, "")
	if err != nil {
		return "", err
	}
	name := "cadre"
	if host, err := os.Hostname(); err == nil {
		name += " on " + host
	}
	d, err := cl.StartDeviceLogin(ctx, name)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(a.Stderr, "Open this address in any browser and approve the code %s:\n\n  %s\n\n",
		a.style.Bold(outterm.CleanLine(d.UserCode)), outterm.CleanLine(d.FullURL))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.ExpiresIn+10)*time.Second)
	defer cancel()
	return cl.AwaitDeviceLogin(ctx, d)
}

// login checks a key and saves it with its server, and whether it was approved for this machine alone.
func (a *app) login(ctx context.Context, server, key string, approved bool) error {
	c, err := a.clientFor(server, key)
	if err != nil {
		return err
	}
	var who api.WhoamiResponse
	if err := a.within("checking the key", func() (err error) { who, err = c.Whoami(ctx); return }); err != nil {
		err = fmt.Errorf("log in to %s: %w", c.Root(), err)
		if api.CodeOf(err) == api.PlatformErrorCodeAuthenticationRequired {
			return withHint(err, "check the key: 'cadre up' printed it on its first start, and keeps it in admin.key in its data directory")
		}
		return err
	}
	before := a.saved
	a.saved.ServerURL, a.saved.APIKey, a.saved.Approved = c.Root(), key, approved
	path, err := a.save()
	if err != nil {
		return err
	}
	if before.Approved && before.APIKey != key {
		if err := a.giveUp(ctx, before.ServerURL, before.APIKey); err != nil {
			fmt.Fprintf(a.Stderr, "The key that was saved before is still valid: %v\n", err)
		}
	}
	_, err = fmt.Fprintf(a.Stdout, "Logged in to %s as %s.\nSaved in %s\n", c.Root(), outterm.CleanLine(firstNonEmpty(who.DisplayName, who.Email, who.Uid)), path)
	return err
}

// askSecret reads one line without showing it, or from a pipe.
func (a *app) askSecret(prompt string) (string, error) {
	if f, ok := a.Stdin.(*os.File); ok && a.terminal(f) {
		fmt.Fprint(a.Stderr, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the key: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	line, err := bufio.NewReader(io.LimitReader(a.Stdin, 64<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the key: %w", err)
	}
	if line = strings.TrimSpace(line); line == "" {
		return "", usagef("no API key: give --api-key, set CADRE_API_KEY or write it to standard input")
	}
	return line, nil
}

func (a *app) logoutCommand() *cobra.Command {
	c := &cobra.Command{Use: "logout", Short: "Forget the saved API key",
		Long: `Removes the saved API key from the config file. A key that was approved in a browser is revoked; one that
was given stays valid on the server.`}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if a.saved.APIKey == "" {
			_, err := fmt.Fprintln(a.Stdout, "Not logged in.")
			return err
		}
		server, key, approved := a.saved.ServerURL, a.saved.APIKey, a.saved.Approved
		a.saved.APIKey, a.saved.Approved = "", false
		if _, err := a.save(); err != nil {
			return err
		}
		if approved {
			if err := a.giveUp(cmd.Context(), server, key); err != nil {
				return withHint(err, "the key is forgotten here but still valid: end it with 'cadre api-key expire' or in the console")
			}
		}
		_, err := fmt.Fprintf(a.Stdout, "Logged out of %s.\n", outterm.CleanLine(server))
		return err
	})
}

// giveUp revokes a key that only this machine has.
func (a *app) giveUp(ctx context.Context, server, key string) error {
	cl, err := a.clientFor(server, "")
	if err != nil {
		return err
	}
	return a.within("revoking the key", func() error { return cl.GiveUpKey(ctx, key) })
}

func (a *app) whoamiCommand() *cobra.Command {
	c := &cobra.Command{Use: "whoami", Short: "Show whose key is in use", Example: "  cadre whoami --json"}
	return a.newCommand(c, func(cmd *cobra.Command, _ []string) error {
		if a.settings.format == formatNDJSON {
			return usagef("whoami has no ndjson output; use --output-format json")
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if a.settings.format == formatJSON {
			return passThrough(a, filter{})(readRaw(c.API().Whoami(cmd.Context())))
		}
		who, err := c.Whoami(cmd.Context())
		if err != nil {
			return err
		}
		return a.printWhoami(who)
	})
}

func (a *app) printWhoami(who api.WhoamiResponse) error {
	if a.settings.format == formatText {
		_, err := fmt.Fprintf(a.Stdout, "%s:%s\n", who.Type, outterm.CleanLine(who.Uid))
		return err
	}
	label := "User ID"
	switch who.Type {
	case api.WhoamiResponseTypeServiceAccount:
		label = "Service account ID"
	case api.WhoamiResponseTypeRun:
		label = "Run ID"
	}
	lines := []field{{label, who.Uid}, {"Display Name", who.DisplayName}, {"Email", who.Email}}
	for i, uid := range who.TeamUids {
		name := uid
		if i < len(who.TeamNames) {
			name = who.TeamNames[i] + " (" + uid + ")"
		}
		lines = append(lines, field{"Team", name})
	}
	lines = append(lines, field{"Role", who.Role}, field{"Server", a.settings.server})
	return a.printFields(lines)
}

// field is one labelled line; one without a value is left out.
type field struct{ label, value string }

func (a *app) printFields(fields []field) error {
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.Stdout, "%s: %s\n", a.style.Bold(f.label), outterm.CleanLine(f.value)); err != nil {
			return err
		}
	}
	return nil
}
