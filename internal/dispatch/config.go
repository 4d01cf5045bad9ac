package dispatch

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/run"
)

// Runs makes the moves that dispatch asks for. All are idempotent; a move that is not legal any more
// is refused with an api.Failure, or has no effect where so documented.
type Runs interface {
	// Assign opens an execution of a queued run. Refused when the run is not queued.
	Assign(ctx context.Context, runID string, p run.Placement) (run.Run, run.Execution, error)
	// Claim records that the worker took the execution. Refused when it is over or superseded.
	Claim(ctx context.Context, runID, executionID string, leaseUntil time.Time) error
	// Reject puts the run of an offered execution back in line. No effect on a claimed one.
	Reject(ctx context.Context, runID, executionID, reason string) error
	// Exited records how the process of an execution ended. No effect on one that is over.
	Exited(ctx context.Context, runID, executionID string, exit run.Exit) error
	// Lost records that nothing is heard of an execution any more. No effect on one that is over.
	Lost(ctx context.Context, runID, executionID, reason string) error
	// GiveUp fails a queued run that has found no worker for as long. No effect on any other.
	GiveUp(ctx context.Context, runID string, waited time.Duration) error
	// Explain says why a queued run waits. No effect on a run that is not queued.
	Explain(ctx context.Context, runID string, code api.WaitingCode, message string) error
}

// Tokens makes the run token an execution's runner authenticates with.
type Tokens interface {
	Mint(r run.Run, x run.Execution) (string, error)
}

// Places finds the environment and the machine that a run's config names: catalog.Catalog. One that is gone
// is environment_setup_failed.
type Places interface {
	Place(context.Context, api.AmbientAgentConfig) (api.CloudEnvironmentConfig, api.ComputeRunnerConfig, error)
}

// Wake is a hint: a run was queued for Host; or the processes of an execution must go; or, with
// Dropped, hints may have been missed.
type Wake struct {
	Host        string
	RunID       string
	ExecutionID string
	Dropped     bool
}

// Config says what a Dispatcher works with. Store, Runs, Tokens, RootURL and Logger are required.
type Config struct {
	Store  Store
	Runs   Runs
	Tokens Tokens
	// Wakes delivers hints until ctx ends. Without it runs are found once a second only.
	Wakes func(ctx context.Context) (<-chan Wake, error)
	// Peers are the dispatchers of other replicas. Without it this server is taken to be the only one.
	Peers Peers
	// Places resolves the image and shape of assignments. Without it they carry none.
	Places Places

	// Instance names this server among those that share the store and stays the same when it starts
	// again: what its former self offered goes back in line at once. Default "server".
	Instance string
	// RootURL is where runners reach this server, without a slash at its end. A worker that connected
	// through another address says so in WorkerInfo.
	RootURL string
	// SidecarImage holds the agent binary for backends that use images. May be empty.
	SidecarImage string
	// TeamLimit returns how many runs of a team may work at once; 0 is without bound, as for all without
	// it. It is asked about every team of a round and should remember.
	TeamLimit func(ctx context.Context, teamUID string) (int, error)
	// MaxActive is how long a run may be INPROGRESS without a pause before it is ended as timed out.
	// Default 24 h; negative is without bound.
	MaxActive time.Duration
	// MaxQueued is how long a run waits while no worker serves its host, before it fails. Default 24 h;
	// negative waits for ever.
	MaxQueued time.Duration
	// Lease is how long an execution lives without a sign of life. Default 18 s.
	Lease time.Duration
	// ClaimWait is how long an offer stands; shorter than Lease. Default 10 s.
	ClaimWait time.Duration

	Now    func() time.Time
	NewID  func() string // a UUID
	Logger *slog.Logger
}

// Validate names what is missing.
func (c Config) Validate() error {
	for _, need := range []struct {
		name   string
		absent bool
	}{
		{"Store", c.Store == nil}, {"Runs", c.Runs == nil}, {"Tokens", c.Tokens == nil},
		{"RootURL", c.RootURL == ""}, {"Logger", c.Logger == nil},
	} {
		if need.absent {
			return errors.New("dispatch: config lacks " + need.name)
		}
	}
	if strings.Contains(c.Instance, "/") {
		return errors.New("dispatch: Instance must not contain a slash")
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.RootURL = strings.TrimRight(c.RootURL, "/")
	if c.Instance == "" {
		c.Instance = "server"
	}
	if c.MaxActive == 0 {
		c.MaxActive = 24 * time.Hour
	}
	if c.MaxQueued == 0 {
		c.MaxQueued = 24 * time.Hour
	}
	if c.Lease == 0 {
		c.Lease = 18 * time.Second
	}
	if c.ClaimWait == 0 {
		c.ClaimWait = 10 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		// Version 7: ids made later sort later, which keeps indexes dense.
		c.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return c
}

// now is the current time as it is stored: UTC, microseconds.
func (d *Dispatcher) now() time.Time { return d.cfg.Now().UTC().Truncate(time.Microsecond) }
