package cli

import (
	"testing"

	"github.com/cadrehq/cadre/internal/server"
)

// What is told to be typed for a sign-in link says what differs from what the command takes by itself, and
// leads no shell astray.
func TestLinkCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ loggedIn, root, data, database, want string }{
		{"", defaultServer, "/home/ada/.local/share/cadre", "", "bin/cadre login-link"},
		{"http://127.0.0.1:9000", "http://127.0.0.1:9000", "/srv/cadre", "", "bin/cadre login-link --data /srv/cadre"},
		{"http://127.0.0.1:9000", "https://cadre.example.com", "/srv/cadre", "", "bin/cadre login-link --data /srv/cadre --public-url https://cadre.example.com"},
		{"https://cadre.example.com", "https://cadre.example.com", "/srv/ada's", "", `bin/cadre login-link --data '/srv/ada'\''s' --public-url https://cadre.example.com`},
		{"", defaultServer, "/srv/$(rm x)", "", "bin/cadre login-link --data '/srv/$(rm x)'"},
		{"", defaultServer, "", "postgres://cadre:secret@db/cadre", "bin/cadre login-link --database-url …"},
	} {
		a := &app{Program: Program{Args: []string{"bin/cadre"}, Getenv: func(n string) string { return map[string]string{"HOME": "/home/ada"}[n] }}}
		a.saved.ServerURL = c.loggedIn
		if got := a.linkCommand(c.root, server.Config{DataDir: c.data, DatabaseURL: c.database}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
