package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/worker/backend"
)

// Config says which host a worker is and how it works.
type Config struct {
	// WorkerID is the host's name: runs with this worker_host come here. Several workers may share
	// it. Names that begin with "warp" are reserved. Required.
	WorkerID string
	// ServerRootURL is the server's root, without /api/v1; it is handed to the runners too. Required.
	ServerRootURL string
	// WebSocketURL is where to connect, if that is not below ServerRootURL. Any path and further
	// query parameters are kept.
	WebSocketURL string
	// APIKey authenticates the worker. Required.
	APIKey string
	// Backend builds the sandboxes. Required.
	Backend backend.Backend
	// MaxConcurrent bounds tasks at once; 0 is without bound.
	MaxConcurrent int
	// IdleOnComplete is handed to runners whose run does not say how long to idle; nil leaves it to
	// the runner.
	IdleOnComplete *time.Duration
	// Env is added to the environment of every runner, over what the server sends.
	Env map[string]string
	// Grace is how long a runner may take to leave when its task is cancelled or the worker stops.
	// Default 5 seconds.
	Grace time.Duration
	// OneShot takes a single task and returns after its end.
	OneShot bool
	// Version is told to the server.
	Version string
	// Log is required.
	Log *slog.Logger
	// HTTPClient dials; nil takes one of its own.
	HTTPClient *http.Client
	// OnConnect, if set, is called after each connection was made.
	OnConnect func()

	// The rhythm of the link. Defaults are the contract's: heartbeat 6 s, ping 30 s, silence 60 s,
	// reconnecting after 1 s, doubled up to 60 s.
	Heartbeat, Ping, Silence      time.Duration
	ReconnectFirst, ReconnectMost time.Duration
}

// The bounds of the link that nothing sets.
const (
	writeWait   = 10 * time.Second
	queueSize   = 256
	enqueueWait = 5 * time.Second
	maxFrame    = 16 << 20
)

// reservedPrefix begins the names of hosts that are not ours to give.
const reservedPrefix = "warp"

func (c *Config) defaults() {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&c.Grace, 5*time.Second)
	set(&c.Heartbeat, 6*time.Second)
	set(&c.Ping, 30*time.Second)
	set(&c.Silence, 60*time.Second)
	set(&c.ReconnectFirst, time.Second)
	set(&c.ReconnectMost, time.Minute)
	if c.OneShot {
		c.MaxConcurrent = 1
	}
}

// Validate names what is missing or wrong.
func (c *Config) Validate() error {
	switch {
	case strings.TrimSpace(c.WorkerID) == "":
		return errors.New("worker id: required")
	case strings.HasPrefix(strings.ToLower(c.WorkerID), reservedPrefix):
		return fmt.Errorf("worker id %q: names that begin with %q are reserved", c.WorkerID, reservedPrefix)
	case c.APIKey == "":
		return errors.New("API key: required")
	case c.Backend == nil:
		return errors.New("backend: required")
	case c.MaxConcurrent < 0:
		return errors.New("maximum of concurrent tasks: must not be negative")
	case c.Log == nil:
		return errors.New("worker: no logger")
	}
	_, err := c.socketURL()
	return err
}

// socketURL is where to connect.
func (c *Config) socketURL() (string, error) {
	raw := c.WebSocketURL
	if raw == "" {
		raw = strings.TrimRight(c.ServerRootURL, "/") + api.WorkerPath
	}
	u, err := url.Parse(raw)
	if err != nil {
		return "", fmt.Errorf("server URL: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	case "ws", "wss":
	default:
		return "", fmt.Errorf("server URL %q: want http, https, ws or wss", u.Redacted())
	}
	if u.Host == "" {
		return "", fmt.Errorf("server URL %q: names no host", u.Redacted())
	}
	q := u.Query()
	q.Set("worker_id", c.WorkerID)
	u.RawQuery = q.Encode()
	return u.String(), nil
}
