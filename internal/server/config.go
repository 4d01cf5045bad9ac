package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cadrehq/cadre/internal/egress"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/server/httpapi"
	"github.com/cadrehq/cadre/internal/server/signin"
	"github.com/cadrehq/cadre/internal/session"
)

// DefaultListen is where a server listens unless told otherwise: this machine only.
const DefaultListen = "127.0.0.1:8787"

// Config says how a server runs. The zero value with a DataDir is a whole server for one machine.
// Every limit can be raised; zero takes the default.
type Config struct {
	// Listen is the TCP address to serve on. Port 0 takes a free one: see Server.URL. Default
	// DefaultListen.
	Listen string
	// DataDir holds the database, the blobs and nothing else. Required unless DatabaseURL and BlobURL
	// both say otherwise.
	DataDir string
	// DatabaseURL is "postgres://…" or "sqlite:/path". Default: cadre.db in DataDir.
	DatabaseURL string
	// NATSURL is an external NATS. Default: one in this process, joined with those of the other servers
	// of the same PostgreSQL by its notifications.
	NATSURL string
	// BlobURL says where blobs live. Default: blobs in DataDir.
	BlobURL string
	// PublicURL is the root under which people and sandboxes reach this server, without a slash at
	// its end. Default: http:// and the address listened on.
	PublicURL string
	// Instance names this server among those that share a database and stays the same when it starts
	// again. Default: the host's name.
	Instance string

	// MasterKeys seal what is sealed, in base64, separated by commas or white space; the same for all
	// servers of a database. Default: those in MasterKeyFile, which is made with a new one at the first
	// start. Default of that: master.key in DataDir.
	MasterKeys, MasterKeyFile string
	// BootstrapKey is the first admin's API key, used when the database has no user yet. Default: a
	// generated one, see Server.BootstrapKey.
	BootstrapKey string
	// Providers are those people may sign in with beside a password; NoPassword leaves the password out.
	// Provider and ProvidersFile are where the command line gathers them from; a server does not look.
	Providers     []signin.Provider
	Provider      signin.Provider
	ProvidersFile string
	NoPassword    bool
	// Proxies are those in front of the server whose word about a caller's address counts.
	Proxies []netip.Prefix
	// DefaultHost is the worker host of runs that name none. Default "local".
	DefaultHost string
	// SidecarImage holds the agent binary for backends that use images. May be empty.
	SidecarImage string
	// BaseImages are suggested to who defines an environment or runner. Default: a few public ones.
	BaseImages []string
	// Models configures the model gateway: vendors' keys, the local endpoint, scripts, limits. Its
	// Auth, Ledger and Log are set by the server.
	Models gateway.Config

	// TeamLimit is how many runs of a team may work at once unless the team has its own limit; 0 is
	// without bound.
	TeamLimit int
	// Egress says which addresses the server may call for what users wrote, such as repositories whose
	// skills it lists.
	Egress egress.Policy
	// MaxAgents is how many agents of a team can be used. Default 200.
	MaxAgents int
	// MaxSchedules is how many schedules a team or person may have. Default 10,000.
	MaxSchedules int
	// MaxSecrets is how many secrets a team or person may have. Default 1000.
	MaxSecrets int
	// ScheduleGrace is how late a tick of a schedule may be and not count as missed. Default 1 min.
	ScheduleGrace time.Duration
	// MaxWaiting is how many messages may wait for one run. Default 100.
	MaxWaiting int
	// MaxAttempts is how often in a row a sandbox of a run may be lost before its agent acted. Default 5.
	MaxAttempts int
	// MaxDepth is how many ancestors a run may have. Default 1; negative allows none.
	MaxDepth int
	// Lease is how long an execution lives without a sign of life; renewed at a third of it. Default
	// 18 s.
	Lease time.Duration
	// MaxActive is how long a run may work without a pause. Default 24 h; negative is without bound.
	MaxActive time.Duration
	// MaxQueued is how long a run waits while no worker serves its host, before it fails. Default 24 h;
	// negative waits for ever.
	MaxQueued time.Duration
	// Idle is how long a sandbox stays for follow-ups. Default 10 min.
	Idle time.Duration
	// Limits bound requests, Entries what a runner may append.
	Limits  httpapi.Limits
	Entries session.Limits
	// RunEntries and RunBlobs bound what one run may store, in bytes: its whole session; its
	// attachments, artifacts, snapshots and large outputs. A run that needs more fails. Defaults 1 GiB
	// and 16 GiB.
	RunEntries, RunBlobs int64
	// StopGrace is how long requests under way may take to finish when the server stops. Default 8 s.
	StopGrace time.Duration

	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Log receives everything. Default: slog.Default.
	Log *slog.Logger
}

// WithDefaults fills what is zero.
func (c Config) WithDefaults() Config {
	orDefault(&c.Listen, DefaultListen)
	if c.DataDir != "" {
		if dir, err := filepath.Abs(c.DataDir); err == nil {
			c.DataDir = dir
		}
		orDefault(&c.DatabaseURL, "sqlite:"+filepath.Join(c.DataDir, "cadre.db"))
		orDefault(&c.BlobURL, "file://"+filepath.Join(c.DataDir, "blobs"))
		orDefault(&c.MasterKeyFile, filepath.Join(c.DataDir, "master.key"))
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.Instance == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "server"
		}
		c.Instance = strings.ReplaceAll(host, "/", "-")
	}
	orDefault(&c.DefaultHost, "local")
	if c.BaseImages == nil {
		c.BaseImages = []string{"ubuntu:24.04", "debian:13-slim", "python:3.14", "node:24", "golang:1.26", "rust:1"}
	}
	orDefault(&c.Lease, 18*time.Second)
	orDefault(&c.MaxActive, 24*time.Hour)
	orDefault(&c.MaxQueued, 24*time.Hour)
	orDefault(&c.Idle, 10*time.Minute)
	orDefault(&c.StopGrace, 8*time.Second)
	orDefault(&c.RunEntries, 1<<30)
	orDefault(&c.RunBlobs, 16<<30)
	c.Limits = c.Limits.WithDefaults()
	c.Entries = c.Entries.WithDefaults()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports everything that is wrong with a Config whose defaults are filled.
func (c Config) Validate() error {
	var errs []error
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	_, _, err := net.SplitHostPort(c.Listen)
	wrong(err != nil, "listen address %q: want HOST:PORT", c.Listen)
	wrong(c.DatabaseURL == "", "a data directory or a database URL is required")
	wrong(c.BlobURL == "", "a data directory or a blob URL is required")
	if c.PublicURL != "" {
		u, err := url.Parse(c.PublicURL)
		ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.User == nil
		wrong(!ok, "public URL %q: want http://HOST or https://HOST", c.PublicURL)
	}
	wrong(strings.Contains(c.Instance, "/"), "instance name %q: must not contain a slash", c.Instance)
	wrong(c.TeamLimit < 0, "team limit: must not be negative")
	wrong(c.MaxAttempts < 0, "attempts: must not be negative")
	wrong(c.MaxAgents < 0, "agents: must not be negative")
	wrong(c.MaxSchedules < 0, "schedules: must not be negative")
	wrong(c.MaxSecrets < 0, "secrets: must not be negative")
	wrong(c.ScheduleGrace < 0, "schedule grace: must not be negative")
	wrong(c.MaxWaiting < 0, "waiting messages: must not be negative")
	wrong(c.Lease < time.Second, "lease %s: must be at least a second", c.Lease)
	wrong(c.Idle < 0, "idle time: must not be negative")
	wrong(c.StopGrace < 0, "stop grace: must not be negative")
	return errors.Join(append(errs, signin.CheckProviders(c.Providers))...)
}
