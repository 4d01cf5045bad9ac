package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cadrehq/cadre/api/client"
	"github.com/cadrehq/cadre/internal/cli/demo"
	"github.com/cadrehq/cadre/internal/server"
)

// greeting is what up has to say once runs are carried out.
type greeting struct {
	srv   *server.Server
	cfg   server.Config
	given bool   // the first admin's key was brought along
	saved string // what became of the login for the local CLI
	link  bool   // a browser is to be signed in at once
}

// welcome says where everything is and what to do next. A sign-in link is made now, since it does not
// work for long.
func (a *app) welcome(ctx context.Context, g greeting) string {
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "  %s %s\n", a.style.Bold(fmt.Sprintf("%-8s", label)), fmt.Sprintf(format, args...))
	}
	b.WriteString(a.style.Green("Cadre is up.") + "\n\n")
	line("Console", "%s", a.style.Cyan(g.srv.URL()))
	again := a.linkCommand(g.srv.URL(), g.cfg)
	if !g.link {
		line("Sign in", "%s makes a link that signs a browser in once", a.style.Cyan(again))
	} else if url, until, err := g.srv.SignInLink(ctx); err != nil {
		line("Sign in", "no link was made: %v; %s makes one", err, a.style.Cyan(again))
	} else {
		line("Sign in", "%s", a.style.Cyan(url))
		line("", "opens the console, works once, until %s; for another: %s", until.Local().Format("15:04"), a.style.Cyan(again))
	}
	if key := g.srv.BootstrapKey(); key != "" {
		if g.given {
			line("API key", "the one given in CADRE_BOOTSTRAP_API_KEY; %s", g.saved)
		} else {
			line("API key", "%s", key)
			line("", "the first admin's, shown only now; %s", g.saved)
		}
	}
	line("Data", "%s", g.cfg.DataDir)
	line("Next", "%s", a.style.Cyan(a.typed()+" agent run-cloud --prompt 'What can you do?' --no-environment --follow"))
	line("Stop", "Ctrl-C; started runs continue when it is up again")
	return b.String()
}

// linkCommand is what to type on this machine for a sign-in link to a server that people reach at root.
func (a *app) linkCommand(root string, cfg server.Config) string {
	words := []string{a.typed(), "login-link"}
	switch usual, _ := a.dataDir(); {
	case cfg.DatabaseURL != "":
		words = append(words, "--database-url", "…") // it may hold a password
	case cfg.DataDir != usual:
		dir := cfg.DataDir
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		words = append(words, "--data", shellWord(dir))
	}
	if root != a.linkRoot(a.saved.ServerURL) {
		words = append(words, "--public-url", shellWord(root))
	}
	return strings.Join(words, " ")
}

// linkRoot is where people reach this machine's server when nothing says so: the one the CLI is logged in
// to, if it is on this machine. A link that led to another would give that one the way into this one.
func (a *app) linkRoot(loggedIn string) string {
	if root, err := client.RootURL(loggedIn); err == nil && demo.OnThisMachine(root) {
		return root
	}
	return defaultServer
}

// shellWord writes a word so that a shell takes it as one.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r < '+' || strings.ContainsRune(";<>?[\\]^`{|}~", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// saveLogin saves a login for the local CLI and says where: on the first start, and whenever the CLI is
// logged in with this key and the address has changed. A login elsewhere is left alone.
func (a *app) saveLogin(server, key string, first bool) string {
	elsewhere := a.saved.APIKey != "" && !demo.OnThisMachine(a.saved.ServerURL)
	if a.saved.APIKey != key && (!first || elsewhere) {
		return "not saved: the CLI is logged in to " + a.saved.ServerURL
	}
	if a.saved.APIKey == key && sameServer(a.saved.ServerURL, server) {
		return "saved"
	}
	a.saved.ServerURL, a.saved.APIKey, a.saved.Approved = server, key, false
	path, err := a.save()
	if err != nil {
		return "not saved: " + err.Error()
	}
	return "saved in " + path
}
