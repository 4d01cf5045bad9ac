package httpapi

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity/issuer"
	"github.com/cadrehq/cadre/internal/run/feed"
	"github.com/cadrehq/cadre/internal/server/cookie"
)

// Limits bound what a caller may send. Every one can be raised.
type Limits struct {
	CreateBody  int64 // bytes of a request that starts a run, attachments included. Default 32 MiB
	BatchBody   int64 // bytes of a batch of entries. Default 32 MiB
	Body        int64 // bytes of any other JSON body. Default 1 MiB
	Blob        int64 // bytes of an uploaded blob. Default 512 MiB
	WorkerFrame int64 // bytes of a worker's message. Default 1 MiB
	// Rate is how many requests a second one credential may make, with five seconds' worth at once, and
	// Streams how many streams it may have open. Negative is without bound. Defaults 1000 and 4000.
	Rate, Streams int
}

// WithDefaults fills what is zero.
func (l Limits) WithDefaults() Limits {
	for _, d := range []struct {
		limit *int
		value int
	}{{&l.Rate, 1000}, {&l.Streams, 4000}} {
		if *d.limit == 0 {
			*d.limit = d.value
		}
	}
	for _, d := range []struct {
		limit *int64
		value int64
	}{
		{&l.CreateBody, 32 << 20}, {&l.BatchBody, 32 << 20}, {&l.Body, 1 << 20}, {&l.Blob, 512 << 20}, {&l.WorkerFrame, 1 << 20},
	} {
		if *d.limit <= 0 {
			*d.limit = d.value
		}
	}
	return l
}

// Config says what an API works with. The services and PublicURL are required.
type Config struct {
	Identity       Identity
	Runs           Runs
	Store          RunReader
	History        History
	Sessions       Sessions
	Environments   Environments
	Skills         Skills
	Agents         Agents
	Memory         Memory
	Schedules      Schedules
	Messages       Messages
	Secrets        Secrets
	MasterKeys     MasterKeys
	Blobs          Blobs
	Usage          Ledger
	Summaries      Summaries
	Models         Models
	Workers        Workers
	People         People
	Account        Account
	Keys           Keys
	Issuer         Issuer
	ComputeRunners Shelf[api.ComputeRunnerConfig]
	Prompts        Shelf[api.SavedPromptConfig]
	Servers        Shelf[api.SharedMcpServerConfig]
	Rules          RuleBook
	Applied        Applied
	Kits           Kits

	// Jar knows the cookie of a signed-in browser.
	Jar *cookie.Jar
	// SignIn serves the pages by which people sign in, and what command lines ask to be signed in by
	// them: everything in SignInPaths. Without it there are none.
	SignIn http.Handler

	// BaseImages are suggested for environments and runners.
	BaseImages []api.BaseImage
	// Deltas passes fragments on to whoever watches a run. It never blocks.
	Deltas func(runID string, deltas []api.Delta)
	// Bells rings when commands of a run may have been stored, until ctx ends.
	Bells func(ctx context.Context, runID string) (<-chan struct{}, error)
	// Feed tells of what happens to all runs. Whoever made it closes it before Wait.
	Feed *feed.Feed
	// Past reads what happened to runs before somebody followed them.
	Past feed.Past
	// Fence refuses a run token whose execution has ended.
	Fence Fence
	// Gateway serves /gateway/. Without it there is none.
	Gateway http.Handler
	// Ready lists what a run needs to be accepted.
	Ready []Readiness
	// Reach says in a few words which servers the bus connects. May be nil.
	Reach func() string

	// Console is the built web app. Without an index.html in it the server has landing pages only.
	Console fs.FS

	// PublicURL is the root of the server as people and runners reach it, without a slash at its end.
	PublicURL string
	Limits    Limits
	// Heartbeat is how often a local run's runner renews its lease. Default 6 s.
	Heartbeat time.Duration
	// Idle is how long a sandbox stays for follow-ups when its run does not say. Default 10 min.
	Idle time.Duration
	// MaxRun bounds the active time of one execution; 0 is without bound.
	MaxRun time.Duration

	Now func() time.Time
	Log *slog.Logger
}

// API serves the HTTP API. It is an http.Handler.
type API struct {
	cfg       Config
	mux       *http.ServeMux
	reference reference
	board     *feed.Board
	exchange  *feed.Exchange
	console   *console // nil without the web app
	prefix    string   // path of PublicURL, without a slash at its end
	uploads   uploads
	rates     *rates

	// ctx ends, and closing closes, when the server stops: streams end so that it can.
	ctx     context.Context
	closing <-chan struct{}
	// hijacked counts connections the HTTP server no longer knows: those of workers.
	hijacked sync.WaitGroup
	// streams counts the connections of streams, which it no longer knows either, and their goroutines.
	streams sync.WaitGroup
	runners runners
}

var _ api.StrictServerInterface = (*API)(nil)

// New makes an API whose streams end when ctx does.
func New(ctx context.Context, cfg Config) *API {
	cfg.Limits = cfg.Limits.WithDefaults()
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Heartbeat <= 0 {
		cfg.Heartbeat = 6 * time.Second
	}
	if cfg.Idle <= 0 {
		cfg.Idle = 10 * time.Minute
	}
	a := &API{cfg: cfg, mux: http.NewServeMux(), reference: newReference(), ctx: ctx, closing: ctx.Done()}
	a.rates = newRates(cfg.Limits.Rate, cfg.Limits.Streams, cfg.Now)
	a.board = feed.NewBoard(cfg.Feed, a.shown, cfg.Log)
	a.exchange = feed.NewExchange(cfg.Feed, cfg.Past, encodeRunEvent, cfg.Log)
	var err error
	if a.console, err = newConsole(cfg.Console, cfg.PublicURL); err != nil {
		a.cfg.Log.Error("the console is not served", "error", err)
	}
	if root, err := url.Parse(cfg.PublicURL); err == nil {
		a.prefix = strings.TrimRight(root.Path, "/")
	}
	a.routes()
	return a
}

// Wait returns when the connections of workers and streams have ended, which the HTTP server does not
// wait for, and nothing looks at the feed any more. They end soon after the context given to New does.
func (a *API) Wait() {
	a.hijacked.Wait()
	a.streams.Wait()
	a.board.Wait()
	a.exchange.Wait()
}

// routes registers every operation behind its guard, and what is not part of the contract.
func (a *API) routes() {
	strict := api.NewStrictHandlerWithOptions(a, []api.StrictMiddlewareFunc{a.validate}, api.StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  a.refuseBody,
		ResponseErrorHandlerFunc: a.fail,
	})
	r := newRouter(a)
	api.HandlerWithOptions(strict, api.StdHTTPServerOptions{
		BaseURL: api.BasePath, BaseRouter: r, ErrorHandlerFunc: a.refuseParameter,
	})
	r.HandleFunc("GET "+api.BasePath+"/agent/runs/{runId}/stream", a.streamRun)
	r.HandleFunc("GET "+api.BasePath+"/agent/runs/stream", a.streamRuns)
	r.HandleFunc("GET "+api.BasePath+"/agent/events/stream", a.streamEvents)
	r.HandleFunc("GET "+api.BasePath+"/runner/commands/stream", a.streamCommands)
	r.HandleFunc("POST "+api.BasePath+"/runner/blobs", a.putBlob)
	r.HandleFunc("GET "+api.BasePath+"/blobs/{blobId}", a.getBlob)
	r.HandleFunc("PUT "+api.BasePath+"/uploads/{uploadId}", a.putUpload)
	r.HandleFunc("GET "+api.BasePath+"/agent/conversations/{conversationId}/block-snapshot", a.getBlockSnapshot)
	r.HandleFunc("GET "+api.BasePath+"/transcripts/{runId}", a.downloadTranscript)

	a.mux.HandleFunc("GET "+api.WorkerPath, a.connectWorker)
	a.mux.HandleFunc("GET /healthz", a.healthz)
	a.mux.HandleFunc("GET /readyz", a.readyz)
	a.mux.HandleFunc("GET "+issuer.DiscoveryPath, a.discovery)
	a.mux.HandleFunc("GET "+issuer.KeysPath, a.issuerKeys)
	a.mux.HandleFunc("GET /openapi.yaml", a.serve(a.reference.yaml))
	a.mux.HandleFunc("GET /openapi.json", a.serve(a.reference.json))
	a.mux.HandleFunc("GET /docs", a.serve(a.reference.page))
	a.mux.HandleFunc("GET /docs/style.css", a.serve(a.reference.style))
	a.mux.HandleFunc("GET "+problemPath+"{code}", a.docsError)
	a.mux.HandleFunc("GET /{$}", a.home)
	a.mux.HandleFunc("GET /runs/{runId}", a.runPage)
	if a.console != nil {
		a.console.routes(a)
	}
	if a.cfg.SignIn != nil {
		for _, path := range SignInPaths {
			a.mux.Handle(path, a.cfg.SignIn)
		}
	}
	if a.cfg.Gateway != nil {
		a.mux.Handle("/gateway/", a.cfg.Gateway)
	}
	a.mux.HandleFunc("/", a.unknown)
}

// SignInPaths are the paths of Config.SignIn.
var SignInPaths = []string{"/sign-in", "/sign-in/", "/sign-out", "/invitation/", "/device", "/oauth/"}

// router puts every operation behind its guard as it is registered.
type router struct {
	api  *API
	rows map[string]operation // by "METHOD path"
}

func newRouter(a *API) router {
	r := router{api: a, rows: make(map[string]operation, len(operations))}
	for _, op := range operations {
		r.rows[op.method+" "+api.BasePath+op.path] = op
	}
	return r
}

// HandleFunc registers a guarded operation. One that the table does not know is a programming error:
// it must not be served unguarded.
func (r router) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	op, ok := r.rows[pattern]
	if !ok {
		panic(fmt.Sprintf("httpapi: %s has no row in permissions.go", pattern))
	}
	r.api.mux.HandleFunc(pattern, r.api.guard(op, r.api.readBody(op, handler)))
}

// ServeHTTP makes router the generated code's idea of a mux.
func (r router) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.api.mux.ServeHTTP(w, req) }

// unknown answers paths that are not there, and methods that a path does not have.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	if a.console.wants(r) {
		a.console.page(w, r)
		return
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "/" && pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		f := api.Fail(api.PlatformErrorCodeInvalidRequest, "%s is not a method of this path", r.Method)
		f.Status = http.StatusMethodNotAllowed
		a.fail(w, r, f)
		return
	}
	a.fail(w, r, api.Fail(api.PlatformErrorCodeResourceNotFound, "there is nothing at this path"))
}
