package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/internal/egress"
	"github.com/cadrehq/cadre/internal/usage"
)

// Vendor is access to one model vendor. Without a key it is not used.
type Vendor struct {
	Key     string
	BaseURL string // empty: the vendor's own
}

// Retry bounds how a call that failed before its first byte is repeated.
type Retry struct {
	Attempts int           // calls to the vendor at most, the first included
	Base     time.Duration // wait before the second; doubles from there
	Max      time.Duration // longest single wait; a longer Retry-After of the vendor ends the retries
	Total    time.Duration // no attempt begins later than this after the first
}

// Config says what the gateway needs. The zero value of every limit takes its default.
type Config struct {
	Anthropic Vendor
	OpenAI    Vendor
	Gemini    Vendor
	// LocalURL is an endpoint on one's own machines that speaks OpenAI's protocol, such as Ollama or
	// vLLM ("http://localhost:11434/v1"). Its models are asked for when first needed.
	LocalURL string
	LocalKey string // only if the endpoint wants one
	// ScriptDir holds the scripts of the scripted model; empty for none.
	ScriptDir string
	// DefaultModel is used where no model is asked for. Empty: the first vendor with a key, else a
	// local model, else the scripted one.
	DefaultModel string
	// Egress says which addresses keys that runs bring along may be for.
	Egress egress.Policy
	// Prices override the built-in price table.
	Prices []usage.Price

	Auth   Authenticator // required
	Ledger Recorder      // required
	Budget Budget        // optional
	Log    *slog.Logger  // default: nowhere

	Now       func() time.Time
	NewID     func() string
	Transport http.RoundTripper // to the vendors; default: as http.DefaultTransport

	Retry           Retry
	MaxBody         int64         // request bytes; default 32 MiB
	MaxResponse     int64         // bytes of an answer that is not streamed; default 64 MiB
	MaxCallsPerRun  int           // at the same time; default 32
	StallTimeout    time.Duration // longest silence within a stream; default 5 min
	ResponseTimeout time.Duration // until the answer begins, or is whole if not streamed; default 15 min
	BodyTimeout     time.Duration // for the caller to send its request; default 60 s
	WriteTimeout    time.Duration // for the caller to take one piece of the answer; default 60 s
	RecheckEvery    time.Duration // how often a call in flight is authenticated again; default 5 s
}

// Authenticator tells who calls. It is asked when a call begins and again while it lasts.
type Authenticator interface {
	// Authenticate returns the execution a run token belongs to. It refuses, with an *api.Failure,
	// a token that is not valid and an execution that may not spend any more: ended, superseded, or
	// of a cancelled run.
	Authenticate(ctx context.Context, token string) (Caller, error)
}

// Recorder stores what calls consumed. Record is idempotent by Call.ID.
type Recorder interface {
	Record(ctx context.Context, c usage.Call) error
}

// Budget may refuse a call before it is made.
type Budget interface {
	// Allow returns an *api.Failure, such as budget_exceeded, when the run may not make the call.
	Allow(ctx context.Context, c Caller, modelID string) error
}

// Caller is the execution on whose behalf a model is called.
type Caller struct {
	RunID       string
	ExecutionID string
	Execution   int
	TeamUID     string
	// Own are keys of the run's own, which go before the server's.
	Own []OwnKey
}

const (
	defaultAnthropicURL = "https://api.anthropic.com"
	defaultOpenAIURL    = "https://api.openai.com/v1"
	defaultGeminiURL    = "https://generativelanguage.googleapis.com/v1beta/openai"
)

func (c *Config) setDefaults() {
	or(&c.Anthropic.BaseURL, defaultAnthropicURL)
	or(&c.OpenAI.BaseURL, defaultOpenAIURL)
	or(&c.Gemini.BaseURL, defaultGeminiURL)
	or(&c.Retry.Attempts, 4)
	or(&c.Retry.Base, 500*time.Millisecond)
	or(&c.Retry.Max, 20*time.Second)
	or(&c.Retry.Total, time.Minute)
	or(&c.MaxBody, 32<<20)
	or(&c.MaxResponse, 64<<20)
	or(&c.MaxCallsPerRun, 32)
	or(&c.StallTimeout, 5*time.Minute)
	or(&c.ResponseTimeout, 15*time.Minute)
	or(&c.BodyTimeout, time.Minute)
	or(&c.WriteTimeout, time.Minute)
	or(&c.RecheckEvery, 5*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if c.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64
		t.DisableCompression = true // events must arrive as they are sent, and be read here
		c.Transport = t
	}
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports what is wrong with the configuration, all of it at once.
func (c Config) Validate() error {
	var errs []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Auth == nil, "an authenticator is required")
	check(c.Ledger == nil, "a ledger is required")
	for name, u := range map[string]string{
		"anthropic": c.Anthropic.BaseURL, "openai": c.OpenAI.BaseURL, "gemini": c.Gemini.BaseURL, "local": c.LocalURL,
	} {
		if u == "" {
			continue
		}
		p, err := url.Parse(u)
		ok := err == nil && (p.Scheme == "http" || p.Scheme == "https") && p.Host != "" && p.RawQuery == "" && p.User == nil
		check(!ok, "the base URL of %s must look like https://host/path", name)
	}
	for name, key := range map[string]string{
		"anthropic": c.Anthropic.Key, "openai": c.OpenAI.Key, "gemini": c.Gemini.Key, "local": c.LocalKey,
	} {
		// The key itself must not be shown, not even a wrong one.
		check(strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }), "the key of %s has characters no key has", name)
	}
	for name, n := range map[string]int64{
		"Retry.Attempts": int64(c.Retry.Attempts), "Retry.Base": int64(c.Retry.Base), "Retry.Max": int64(c.Retry.Max),
		"Retry.Total": int64(c.Retry.Total), "MaxBody": c.MaxBody, "MaxResponse": c.MaxResponse,
		"MaxCallsPerRun": int64(c.MaxCallsPerRun), "StallTimeout": int64(c.StallTimeout),
		"ResponseTimeout": int64(c.ResponseTimeout), "BodyTimeout": int64(c.BodyTimeout),
		"WriteTimeout": int64(c.WriteTimeout), "RecheckEvery": int64(c.RecheckEvery),
	} {
		check(n < 0, "%s must not be negative", name)
	}
	return errors.Join(errs...)
}
