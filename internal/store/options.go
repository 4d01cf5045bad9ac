package store

import (
	"log/slog"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// Options says which database to open and how.
type Options struct {
	// DSN is "sqlite:/path/to/file", a plain path, or a "postgres://" URL.
	DSN string
	// Logger receives what no caller can be told; slog.Default when nil.
	Logger *slog.Logger
	// OnCommit receives the notices of each committed group, a run's own in the order of its commits,
	// just after the callers were answered. Writers call it, several at once on PostgreSQL, and it holds
	// up their next group: it must not block and must not write.
	OnCommit func([]run.Notice)
	// Now is the clock for rows that bring no time of their own; time.Now when nil.
	Now func() time.Time
	// Writers is how many groups may be in flight at once on PostgreSQL (default 4). SQLite has one.
	Writers int
	// Readers bounds the connections that serve reads (default 8).
	Readers int
	// Queue bounds the operations waiting for each writer (default 4096); callers wait for room.
	Queue int
	// Group bounds the operations in one transaction (default 256).
	Group int
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.OnCommit == nil {
		o.OnCommit = func([]run.Notice) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	setDefault(&o.Writers, 4)
	setDefault(&o.Readers, 8)
	setDefault(&o.Queue, 4096)
	setDefault(&o.Group, 256)
	return o
}

func setDefault(n *int, value int) {
	if *n <= 0 {
		*n = value
	}
}

// dialect names an engine.
type dialect string

const (
	sqlite   dialect = "sqlite"
	postgres dialect = "postgres"
)

// parseDSN tells the engine and what its driver is to open: a path or a URL.
func parseDSN(dsn string) (dialect, string, error) {
	switch {
	case dsn == "" || dsn == "sqlite:":
		return "", "", api.Invalid("dsn", "names no database")
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		return postgres, dsn, nil
	case strings.HasPrefix(dsn, "sqlite:"):
		return sqlite, strings.TrimPrefix(strings.TrimPrefix(dsn, "sqlite:"), "//"), nil
	case strings.Contains(dsn, "://"):
		return "", "", api.Invalid("dsn", "is neither sqlite: nor postgres://")
	}
	return sqlite, dsn, nil
}
