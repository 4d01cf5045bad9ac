package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/catalog/skill"
	"github.com/cadrehq/cadre/internal/dispatch"
	"github.com/cadrehq/cadre/internal/event"
	"github.com/cadrehq/cadre/internal/gateway"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/identity/issuer"
	"github.com/cadrehq/cadre/internal/memory"
	"github.com/cadrehq/cadre/internal/orchestration"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/run/feed"
	"github.com/cadrehq/cadre/internal/run/keep"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/server/cookie"
	"github.com/cadrehq/cadre/internal/server/httpapi"
	"github.com/cadrehq/cadre/internal/server/signin"
	"github.com/cadrehq/cadre/internal/session"
	"github.com/cadrehq/cadre/internal/store"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
	"github.com/cadrehq/cadre/internal/usage"
	"github.com/cadrehq/cadre/web"
)

const (
	// headerWait bounds sending a request's headers, idleWait the life of an idle connection.
	headerWait = 10 * time.Second
	idleWait   = 2 * time.Minute
	// maxHeader bounds a request's headers in bytes.
	maxHeader = 64 << 10
)

// Server is a control plane that is open and listening, and serves once Run is called.
type Server struct {
	cfg      Config
	listener net.Listener
	key      string

	db       *store.DB
	bus      *event.Bus
	identity *identity.Service
	keyring  *secret.Keyring
	secrets  *secret.Service
	blobs    *blob.Service
	sessions *session.Service
	feed     *feed.Feed
	gateway  *gateway.Gateway
	dispatch *dispatch.Dispatcher
	schedule *schedule.Service
	skills   *skill.Service
	agents   *agent.Service
	limits   *agent.RunLimits
	memory   *memory.Service
	issuer   *issuer.Service
	eraser   *keep.Eraser
	catalog  *catalog.Catalog
	api      *httpapi.API
	http     *http.Server

	// stopping ends long requests (streams, workers) so that the others can finish; abort ends all.
	stopping, abort context.CancelFunc
	close           sync.Once
	closeErr        error
}

// New opens everything a server needs and listens, in that it takes the address; requests wait until
// Run. On the first start it creates the first admin: see BootstrapKey. A Server that will not Run
// must be closed.
func New(ctx context.Context, cfg Config) (*Server, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("server config: %w", err)
	}
	s := &Server{cfg: cfg, stopping: func() {}, abort: func() {}}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open does New's work in the order things depend on each other.
func (s *Server) open(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	if s.cfg.DataDir != "" {
		if err := os.MkdirAll(s.cfg.DataDir, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	var err error
	if s.bus, err = event.Open(ctx, event.Config{URL: s.cfg.NATSURL, Logger: s.cfg.Log}); err != nil {
		return err
	}
	publisher := &publisher{bus: s.bus}
	s.db, err = store.Open(ctx, store.Options{DSN: s.cfg.DatabaseURL, Now: s.cfg.Now, Logger: s.cfg.Log, OnCommit: publisher.publish})
	if err != nil {
		return err
	}
	s.relay()
	if s.keyring, err = s.openKeyring(ctx); err != nil {
		return err
	}
	if s.identity, err = identity.New(ctx, identity.Config{
		Store: store.NewIdentity(s.db), Agents: s.agentName, Changed: s.bus.IdentityChanged, Now: s.cfg.Now, Log: s.cfg.Log,
	}); err != nil {
		return err
	}
	if s.key, err = s.identity.Bootstrap(ctx, s.cfg.BootstrapKey); err != nil {
		return err
	}
	blobs, err := blob.New(blob.Config{Store: store.NewBlobs(s.db), Uploads: store.NewUploads(s.db), Now: s.cfg.Now, Log: s.cfg.Log, URL: s.cfg.BlobURL, PerRun: s.cfg.RunBlobs})
	if err != nil {
		return err
	}
	if s.secrets, err = s.openSecrets(); err != nil {
		return err
	}
	s.blobs = blobs
	if s.gateway, err = s.openGateway(); err != nil {
		return err
	}
	publisher.gateway = s.gateway
	s.memory = s.openMemory()
	s.agents = s.openAgents()
	s.limits = agent.NewRunLimits(store.NewAgents(s.db), s.cfg.TeamLimit, s.cfg.Now)
	s.feed = feed.New(feed.Config{Log: store.NewEvents(s.db), Bell: s.bus.Changes, Logger: s.cfg.Log})
	s.sessions = session.NewService(session.Config{
		Log: store.NewSessions(s.db), Bus: sessionBus{s.bus}, Logger: s.cfg.Log, Encode: httpapi.EncodeEvent,
	})
	s.catalog = catalog.New(catalog.Config{
		Environments: store.NewEnvironments(s.db), Runners: store.NewRunners(s.db), Prompts: store.NewPrompts(s.db),
		Servers: store.NewServers(s.db), Rules: store.NewRules(s.db), Applied: store.NewApplied(s.db), Now: s.cfg.Now,
	})
	runs, err := s.openRuns(blobs)
	if err != nil {
		return err
	}
	if s.dispatch, err = s.openDispatch(runs); err != nil {
		return err
	}
	if s.schedule, err = s.openSchedules(runs); err != nil {
		return err
	}
	publisher.schedule = s.schedule
	s.issuer = issuer.New(issuer.Config{
		Store: store.NewIssuer(s.db), Sealer: installation{s.keyring}, URL: s.cfg.PublicURL, Now: s.cfg.Now, Log: s.cfg.Log,
	})
	s.eraser = keep.NewEraser(store.NewDeletions(s.db), blobs, s.cfg.Now, s.cfg.Log)
	publisher.eraser = s.eraser
	s.serveWith(runs, blobs)
	return nil
}

// relay connects the bus with those of the other servers of the database, unless they share a NATS or
// there can be none.
func (s *Server) relay() {
	if s.cfg.NATSURL == "" && s.db.Shared() {
		s.bus.Relay(s.cfg.Instance, func(ctx context.Context) (event.Line, error) { return s.db.OpenLine(ctx) })
	}
	s.cfg.Log.Info("bus", "connects", s.bus.Reach())
}

func (s *Server) listen(ctx context.Context) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.listener = l
	orDefault(&s.cfg.PublicURL, "http://"+reachable(l.Addr()))
	return nil
}

// reachable is an address under which this machine reaches a listener, which may be on all of its
// addresses.
func reachable(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// openKeyring refuses to go on without the keys to all that is sealed.
func (s *Server) openKeyring(ctx context.Context) (*secret.Keyring, error) {
	stored := store.NewKeyring(s.db)
	return secret.NewKeyring(ctx, secret.KeyringConfig{
		Store: stored, Rotation: stored, Keys: s.cfg.MasterKeys, File: s.cfg.MasterKeyFile,
		Instance: s.cfg.Instance, Now: s.cfg.Now, Log: s.cfg.Log,
	})
}

func (s *Server) openSecrets() (*secret.Service, error) {
	stored := store.NewSecrets(s.db)
	return secret.New(secret.Config{
		Store: stored, Uses: stored, Keyring: s.keyring, MaxPerOwner: s.cfg.MaxSecrets, Now: s.cfg.Now, Log: s.cfg.Log,
	})
}

func (s *Server) openGateway() (*gateway.Gateway, error) {
	cfg := s.cfg.Models
	cfg.Now, cfg.Log, cfg.Egress = s.cfg.Now, s.cfg.Log, s.cfg.Egress
	cfg.Ledger = store.NewLedger(s.db)
	cfg.Auth = callers{identity: s.identity, runs: store.NewRuns(s.db), secrets: s.secrets}
	return gateway.New(cfg)
}

func (s *Server) openMemory() *memory.Service {
	runs := store.NewRuns(s.db)
	return memory.New(memory.Config{
		Keep: store.NewMemories(s.db), Now: s.cfg.Now, NewID: rand.Text,
		Granted: func(ctx context.Context, runID string) ([]api.MemoryStoreRef, error) {
			r, err := runs.Get(ctx, runID)
			return r.Config.MemoryStores, err
		},
	})
}

func (s *Server) openAgents() *agent.Service {
	return agent.New(agent.Config{
		Store: store.NewAgents(s.db), Environments: store.NewEnvironments(s.db), Models: models{s.gateway}, Memory: s.memory,
		MaxPerTeam: s.cfg.MaxAgents, MaxConcurrentRuns: s.cfg.TeamLimit, Did: s.identity.Did, Now: s.cfg.Now, NewID: rand.Text,
	})
}

// agentName names an agent for identity, which is there before the agents are.
func (s *Server) agentName(ctx context.Context, teamUID, uid string) (string, error) {
	return s.agents.Name(ctx, teamUID, uid)
}

func (s *Server) openRuns(blobs *blob.Service) (*run.Service, error) {
	stored := store.NewRuns(s.db)
	return run.NewService(run.Config{
		Store: stored, History: stored, Log: store.NewSessions(s.db), Environments: store.NewEnvironments(s.db),
		Shared: s.catalog, Models: models{s.gateway}, Blobs: blobs, Uploads: store.NewUploads(s.db), Leases: store.NewDispatch(s.db), Secrets: s.secrets,
		Agents: s.agents, AgentSecrets: s.agents.SecretNames, People: store.NewIdentity(s.db), Memory: s.memory,
		PublicURL: s.cfg.PublicURL, DefaultHost: s.cfg.DefaultHost, Lease: s.cfg.Lease,
		TeamLimit: s.limits.Of, MaxAttempts: s.cfg.MaxAttempts, MaxDepth: s.cfg.MaxDepth, MaxWaiting: s.cfg.MaxWaiting,
		Entries: s.cfg.Entries, RunEntries: s.cfg.RunEntries, RunBlobs: s.cfg.RunBlobs, Now: s.cfg.Now,
	})
}

func (s *Server) openDispatch(runs *run.Service) (*dispatch.Dispatcher, error) {
	return dispatch.New(dispatch.Config{
		Store: store.NewDispatch(s.db), Runs: runs, Tokens: tokens{s.identity}, Wakes: wakes(s.bus), Peers: s.bus,
		Places: s.catalog, Instance: s.cfg.Instance, RootURL: s.cfg.PublicURL,
		SidecarImage: s.cfg.SidecarImage, TeamLimit: s.limits.Of, MaxActive: s.cfg.MaxActive,
		MaxQueued: s.cfg.MaxQueued, Lease: s.cfg.Lease,
		Now: s.cfg.Now, Logger: s.cfg.Log,
	})
}

func (s *Server) openSchedules(runs *run.Service) (*schedule.Service, error) {
	stored := store.NewSchedules(s.db)
	return schedule.New(schedule.Config{
		Store: stored, Ticks: stored, Runs: runs, People: store.NewIdentity(s.db), Agents: s.agents.Name, PublicURL: s.cfg.PublicURL,
		MaxPerOwner: s.cfg.MaxSchedules, Grace: s.cfg.ScheduleGrace, Now: s.cfg.Now, Log: s.cfg.Log,
	})
}

func (s *Server) openMessages(runs *run.Service) *orchestration.Service {
	return orchestration.New(orchestration.Config{
		Runs: runs, Stored: store.NewRuns(s.db), Mail: store.NewMail(s.db), Events: store.NewEvents(s.db), Now: s.cfg.Now,
	})
}

func (s *Server) serveWith(runs *run.Service, blobs *blob.Service) {
	stored := store.NewRuns(s.db)
	s.skills = skill.New(skill.Config{
		Reader: skill.Git{Egress: s.cfg.Egress}, Environments: s.catalog.Environments, Runs: store.NewEnvironments(s.db), Now: s.cfg.Now,
	})
	streams, stopping := context.WithCancel(context.Background())
	base, abort := context.WithCancel(context.Background())
	s.stopping, s.abort = stopping, abort
	jar := cookie.New(s.cfg.PublicURL)
	s.api = httpapi.New(streams, httpapi.Config{
		People: s.identity, Account: s.identity, Keys: s.identity, Issuer: s.issuer, Jar: jar, SignIn: s.pages(jar),
		Identity: s.identity, Runs: runs, Store: stored, History: stored, Sessions: s.sessions,
		Environments: s.catalog.Environments, ComputeRunners: s.catalog.Runners, Prompts: s.catalog.Prompts,
		Servers: s.catalog.Servers, Rules: s.catalog.Rules, Applied: s.catalog.Applied, Kits: s.catalog,
		BaseImages: baseImages(s.cfg.BaseImages), Skills: s.skills, Memory: s.memory, Agents: s.agents, Schedules: s.schedule, Secrets: s.secrets, MasterKeys: s.keyring, Messages: s.openMessages(runs),
		Blobs: blobs, Usage: store.NewLedger(s.db),
		Summaries: usage.Summaries{Store: store.NewSpendings(s.db), Now: s.cfg.Now},
		Models:    models{s.gateway}, Workers: workers{s.dispatch},
		Feed: s.feed, Past: store.NewEvents(s.db), Deltas: s.bus.Deltas, Bells: s.bus.Commands, Fence: fence(stored), Gateway: s.gateway,
		Ready: []httpapi.Readiness{
			{Name: "store", Check: s.db.Ready}, {Name: "blobs", Check: blobs.Ready}, {Name: "bus", Check: s.busReady},
		},
		Reach:   s.bus.Reach,
		Console: web.Dist(), PublicURL: s.cfg.PublicURL, Limits: s.cfg.Limits, Heartbeat: s.cfg.Lease / 3, Idle: s.cfg.Idle,
		MaxRun: max(s.cfg.MaxActive, 0), Now: s.cfg.Now, Log: s.cfg.Log,
	})
	s.http = &http.Server{
		Handler: s.api, ReadHeaderTimeout: headerWait, IdleTimeout: idleWait, MaxHeaderBytes: maxHeader,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// pages are those by which people sign in.
func (s *Server) pages(jar *cookie.Jar) http.Handler {
	return signin.New(signin.Config{
		Accounts: s.identity, Jar: jar, PublicURL: s.cfg.PublicURL, Providers: s.cfg.Providers,
		NoPassword: s.cfg.NoPassword, Proxies: s.cfg.Proxies,
		Fail: func(w http.ResponseWriter, r *http.Request, err error) { s.api.Fail(w, r, err) },
		Now:  s.cfg.Now, Log: s.cfg.Log,
	})
}

// followIdentity forgets what is remembered of credentials when another server changed what they may do,
// until ctx ends.
func (s *Server) followIdentity(ctx context.Context) {
	bells, err := s.bus.IdentityChanges(ctx)
	if err != nil {
		s.cfg.Log.Warn("changes of rights reach this server late", "err", err)
		return
	}
	for range bells {
		s.identity.Forget()
	}
}

func (s *Server) busReady(context.Context) error {
	if !s.bus.Connected() {
		return errors.New("not connected")
	}
	return nil
}

// URL is the root URL of the server, without a slash at its end.
func (s *Server) URL() string { return s.cfg.PublicURL }

// LocalURL is the root URL under which this machine reaches the server.
func (s *Server) LocalURL() string { return "http://" + reachable(s.listener.Addr()) }

// Addr is the address listened on, with the port that port 0 became.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// BootstrapKey is the first admin's API key when this start created it, "" otherwise. It is nowhere
// else: show it once.
func (s *Server) BootstrapKey() string { return s.key }

// Run serves until ctx ends, then stops in two steps: no new requests and the end of all streams,
// and after the grace the end of everything. It closes the server and runs once.
func (s *Server) Run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 1)
	var parts sync.WaitGroup
	parts.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve: %w", err)
		}
	})
	parts.Go(func() { _ = s.dispatch.Run(background) }) // returns what stopped it: us
	parts.Go(func() { _ = s.identity.Run(background) }) // never fails
	parts.Go(func() { _ = s.schedule.Run(background) }) // never fails
	parts.Go(func() { _ = s.issuer.Run(background) })   // never fails
	parts.Go(func() { _ = s.keyring.Run(background) })  // never fails
	parts.Go(func() { _ = s.blobs.Run(background) })    // returns what stopped it: us
	parts.Go(func() { s.followIdentity(background) })
	parts.Go(func() { s.eraser.Run(background) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.shutDown(ctx)
	stop()
	parts.Wait()
	s.api.Wait()
	return errors.Join(err, s.Close())
}

// shutDown lets requests finish and then ends them. Runners and workers keep what they have and come
// back when a server is there again.
func (s *Server) shutDown(ctx context.Context) {
	s.stopping()
	s.sessions.Close()
	s.feed.Close()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.StopGrace)
	defer cancel()
	if err := s.http.Shutdown(bounded); err != nil {
		s.cfg.Log.Warn("requests did not finish in time; ending them", "grace", s.cfg.StopGrace)
		s.abort()
		_ = s.http.Close() // the listener is closed already
	}
}

// Close releases everything without waiting for requests. It may be called twice, and after Run.
func (s *Server) Close() error {
	s.close.Do(func() {
		s.stopping()
		s.abort()
		if s.http != nil {
			_ = s.http.Close() // closes the listener, perhaps for the second time
		}
		if s.listener != nil {
			_ = s.listener.Close()
		}
		if s.sessions != nil {
			s.sessions.Close()
			s.feed.Close()
		}
		if s.skills != nil {
			s.skills.Close()
		}
		if s.gateway != nil {
			s.closeErr = errors.Join(s.closeErr, s.gateway.Close())
		}
		if s.db != nil {
			s.closeErr = errors.Join(s.closeErr, s.db.Close())
		}
		if s.bus != nil {
			s.bus.Close()
		}
	})
	return s.closeErr
}
