package cli

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/cadrehq/cadre/internal/cli/term"
	"github.com/cadrehq/cadre/internal/server"
)

func (a *app) loginLinkCommand() *cobra.Command {
	var cfg server.Config
	c := &cobra.Command{Use: "login-link [EMAIL]", Short: "On the server's machine: make a link that signs a browser in once", Args: arguments(0, 1),
		Long: `Opens the server's database, so it needs no key: whoever may read the database may come in as anybody.
Without an address the link is for the first person, the admin of the first start. It works once, within
15 minutes. 'cadre up' shows one on its first start.`,
		Example: `  cadre login-link
  cadre login-link ada@example.com --database-url postgres://cadre@db/cadre --public-url https://cadre.example.com`}
	f := flagger{c.Flags()}
	f.text(&cfg.DataDir, "data", "`directory` of the server's data (default: that of 'cadre up')")
	f.text(&cfg.DatabaseURL, "database-url", "postgres://… or sqlite:/path (default: the SQLite file in the data directory)")
	f.text(&cfg.PublicURL, "public-url", "`URL` people reach the server at (default: the one logged in to, if it is on this machine, else "+defaultServer+")")
	return a.newCommand(c, func(cmd *cobra.Command, args []string) (err error) {
		if cfg.DataDir == "" && cfg.DatabaseURL == "" {
			if cfg.DataDir, err = a.dataDir(); err != nil {
				return err
			}
		}
		cfg.PublicURL = firstNonEmpty(cfg.PublicURL, a.linkRoot(a.settings.server))
		cfg.Log = a.serviceLog(slog.LevelWarn)
		email := ""
		if len(args) > 0 {
			email = args[0]
		}
		url, until, err := server.SignInLink(cmd.Context(), cfg, email)
		if err != nil {
			return withHint(err, "name the server's data with --data or --database-url")
		}
		if a.settings.format.machine() {
			return a.printObject(map[string]any{"url": url, "expires_at": until.UTC().Format(time.RFC3339)})
		}
		_, err = fmt.Fprintln(a.Stdout, term.CleanLine(url))
		return err
	})
}
