package run

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/session"
)

// Environments finds the environment a run names.
type Environments interface {
	Get(ctx context.Context, uid string) (catalog.Environment, error)
}

// Shared finds what a request names of what is shared, by uid or name: catalog.Catalog.
type Shared interface {
	// RunnerFor returns the uid of a runner that what owner has may use.
	RunnerFor(ctx context.Context, actor identity.Actor, owner identity.Owner, ref string) (uid string, err error)
	// Prompt returns the text of a saved prompt with its arguments put in, and the prompt's uid.
	Prompt(ctx context.Context, actor identity.Actor, ref string, arguments map[string]string) (text, uid string, err error)
	// Pin replaces the names of shared MCP servers by their uids.
	Pin(ctx context.Context, actor identity.Actor, owner identity.Owner, servers map[string]api.MCPServerConfig) (map[string]api.MCPServerConfig, error)
}

// Models resolves what a request says about the model ("" is the default) to the id of a model that
// the harness can use. It returns an api.Failure for one that does not exist.
type Models interface {
	Resolve(modelID string, harness api.HarnessType, own ...api.SecretType) (string, error)
}

// Blobs keeps what is too large for a row.
type Blobs interface {
	// Put is blob.ErrFull when the blob's run may store no more.
	Put(ctx context.Context, m blob.Meta, r io.Reader, limit int64) (blob.Meta, error)
	// Discard removes the bytes of a blob whose row is gone.
	Discard(id string)
	Stat(ctx context.Context, id string) (blob.Meta, error)
	// Open returns a blob's bytes, which the caller closes.
	Open(ctx context.Context, id string) (blob.Meta, io.ReadCloser, error)
}

// Uploads keeps promises to take files, beside what blob asks of them.
type Uploads interface {
	// Promise stores uploads, or promises those anew that are there; blob.ErrFinal for a closed one.
	Promise(ctx context.Context, uploads ...blob.Upload) error
	// Get returns one; api.NotFound when there is none.
	Get(ctx context.Context, id string) (blob.Upload, error)
	// OfRun lists a run's uploads for some purposes, oldest first.
	OfRun(ctx context.Context, runID string, purposes ...blob.Purpose) ([]blob.Upload, error)
	// OfOwner lists what waits for a run to take it over: of one batch, or, when that is empty, of all.
	OfOwner(ctx context.Context, owner, batch string, limit int) ([]blob.Upload, error)
	// Close makes files of a run final as they are known here, all or none; api.NotFound when one is gone or
	// was sent again since.
	Close(ctx context.Context, runID string, uploads ...blob.Upload) error
	// Drop forgets uploads of a run and returns the ids of the blobs whose bytes may go.
	Drop(ctx context.Context, runID string, ids ...string) (blobs []string, err error)
	// Format keeps the format of a run's conversation, and returns the one that was kept first.
	Format(ctx context.Context, runID, format string) (kept string, err error)
}

// Memory refuses memory stores that an actor may not give to runs with this owner.
type Memory interface {
	CheckRefs(ctx context.Context, actor identity.Actor, owner identity.Owner, field string, refs []api.MemoryStoreRef) error
}

// Leases renews the leases of live executions; it returns the ids of those that are over.
type Leases interface {
	Renew(ctx context.Context, executionIDs []string, until time.Time) (ended []string, err error)
}

// Secrets decides which secrets a run gets: secret.Service.
type Secrets interface {
	Deliver(ctx context.Context, r secret.Reach, l secret.Lists, phase api.SecretPhase) (api.RunnerSecretsResponse, error)
	// CheckModelKey refuses a name that is not a key of the type within a run's reach.
	CheckModelKey(ctx context.Context, r secret.Reach, field, name string, t api.SecretType) error
	Received(ctx context.Context, runID string) (secret.Received, error)
}

// Config says what a Service works with. Store, History, Log, Environments, Models, Blobs, Uploads
// and Leases are required; the rest has defaults.
type Config struct {
	Store        Store
	History      History
	Log          session.Log
	Environments Environments
	// Shared may be nil where nothing but environments is shared.
	Shared  Shared
	Models  Models
	Blobs   Blobs
	Uploads Uploads
	Leases  Leases
	// Secrets hands out what runs may have and nobody may read. Without it there are none.
	Secrets Secrets
	// AgentSecrets returns the names of secrets that a team's agent lists; none for what is no agent.
	AgentSecrets func(ctx context.Context, teamUID, agentUID string) ([]string, error)

	// Agents and People are whom runs may run as, and for; without them there are none.
	Agents Agents
	People People
	// Memory says which memory stores a run may be given; without it there are none.
	Memory Memory

	// PublicURL is the root of the server as people reach it, without a slash at its end.
	PublicURL string
	// DefaultHost serves runs that name no worker host. Default "local".
	DefaultHost string
	// Harnesses are the harness types this server can carry out. Default: oz.
	Harnesses []api.HarnessType
	// Lease is how long a local run's execution lives without a heartbeat. Default 18 s.
	Lease time.Duration
	// TeamLimit returns how many runs of a team may work at once; 0 is without bound, as for all without it.
	TeamLimit func(ctx context.Context, teamUID string) (int, error)
	// MaxDepth is how many ancestors a run may have. Default 1; negative allows none.
	MaxDepth int
	// MaxAttempts is how often in a row an execution may be lost before its agent acted. Default 5.
	MaxAttempts int
	// MaxWaiting is how many messages may wait for one run: of people, and as many of other runs.
	// Default 100.
	MaxWaiting int
	// MailBytes bounds all messages one run is ever sent by others, with entryRow for each. Default 256 MiB.
	MailBytes int64
	// MaxAttachments and MaxAttachmentBytes (all files together) bound what comes with a prompt.
	// Defaults 25 and 64 MiB.
	MaxAttachments     int
	MaxAttachmentBytes int64
	// Entries bounds what a runner may append.
	Entries session.Limits
	// RunEntries bounds what all entries of one run take, in bytes with entryRow for each. Default 1 GiB.
	RunEntries int64
	// RunBlobs is what Blobs lets one run store, for the message of a run that meets it.
	RunBlobs int64

	Now   func() time.Time
	NewID func() string // a UUID
}

// Validate names what is missing.
func (c Config) Validate() error {
	var missing []string
	for name, absent := range map[string]bool{
		"Store": c.Store == nil, "History": c.History == nil, "Log": c.Log == nil, "Blobs": c.Blobs == nil, "Uploads": c.Uploads == nil,
		"Environments": c.Environments == nil, "Models": c.Models == nil, "Leases": c.Leases == nil,
	} {
		if absent {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return errors.New("run: config lacks " + strings.Join(missing, ", "))
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.DefaultHost == "" {
		c.DefaultHost = "local"
	}
	if c.Shared == nil {
		c.Shared = nothingShared{}
	}
	if len(c.Harnesses) == 0 {
		c.Harnesses = []api.HarnessType{api.HarnessTypeOz}
	}
	orDefault(&c.Lease, 18*time.Second)
	orDefault(&c.MaxDepth, 1)
	orDefault(&c.MaxAttempts, 5)
	orDefault(&c.MaxWaiting, 100)
	orDefault(&c.MailBytes, 256<<20)
	orDefault(&c.MaxAttachments, 25)
	orDefault(&c.MaxAttachmentBytes, 64<<20)
	c.Entries = c.Entries.WithDefaults()
	orDefault(&c.RunEntries, 1<<30)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		// Version 7: ids made later sort later, which keeps indexes dense.
		c.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	return c
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Service carries out every act on runs. It is safe for concurrent use and holds no state of its
// own: any number of replicas may share a Store.
type Service struct{ cfg Config }

// NewService returns a Service, or what its Config lacks.
func NewService(cfg Config) (*Service, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Service{cfg: cfg.withDefaults()}, nil
}

// Limits are the bounds a runner must keep.
func (s *Service) Limits() session.Limits { return s.cfg.Entries }

// now is the current time as it is stored: UTC, microseconds.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// change runs a decision as one transaction of the run.
func (s *Service) change(ctx context.Context, runID string, decide func(*turn) error) (Changed, error) {
	now := s.now()
	var dropped []string
	done, err := s.cfg.Store.Change(ctx, runID, func(cur Current) (Change, error) {
		t := begin(cur, now)
		if err := decide(t); err != nil {
			return Change{}, err
		}
		c := t.done()
		dropped = c.Dropped
		return c, nil
	})
	if err == nil {
		for _, id := range dropped {
			s.cfg.Blobs.Discard(id)
		}
	}
	return done, edge(err)
}
