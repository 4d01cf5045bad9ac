package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/cadrehq/cadre/internal/server"
)

// serverFlags declares a flag, with its variable CADRE_<FLAG>, for everything a server can be told.
// Keys of model vendors come from the environment only: see modelKeys.
func serverFlags(fs *pflag.FlagSet, c *server.Config) {
	f := flagger{fs}
	f.text(&c.Listen, "listen", "`address` to serve on; port 0 takes a free one (default "+server.DefaultListen+")")
	f.text(&c.DataDir, "data", "`directory` of the database, blobs and workspaces")
	f.text(&c.DatabaseURL, "database-url", "postgres://… or sqlite:/path (default: a SQLite file in the data directory)")
	f.text(&c.NATSURL, "nats-url", "an external NATS (default: servers of one PostgreSQL hear each other through it)")
	f.text(&c.BlobURL, "blob-url", "where artifacts and large outputs live (default: the data directory)")
	f.text(&c.PublicURL, "public-url", "`URL` people and sandboxes reach this server at (default: http:// and the address listened on)")
	f.text(&c.Instance, "instance", "`name` of this server among replicas (default: the host's name)")
	f.text(&c.MasterKeyFile, "master-key-file", "`file` of the keys that secrets are sealed by (default: master.key in the data directory; CADRE_MASTER_KEY goes before it)")
	signInFlags(f, c)
	f.text(&c.DefaultHost, "default-host", "worker `host` of runs that name none (default local)")
	f.fs.StringSliceVar(&c.BaseImages, "base-images", nil, "`images` suggested to who defines an environment, with commas between (default: a few public ones)")
	f.env("base-images", nil)
	f.text(&c.SidecarImage, "sidecar-image", "`image` with the agent binary, for workers whose backend uses images")

	f.yes(&c.Egress.AllowPrivate, "allow-private-addresses", "let the server call loopback and private addresses for its users: repositories (for their skills), endpoints of their own model keys")
	f.count(&c.TeamLimit, "team-limit", "how many runs of a team may work at once; 0 is without bound")
	f.count(&c.MaxWaiting, "max-waiting-messages", "how many messages may wait for one run (default 100)")
	f.count(&c.MaxAgents, "max-agents", "how many agents of a team can be used (default 200)")
	f.count(&c.MaxSchedules, "max-schedules", "how many schedules a team or person may have (default 10000)")
	f.count(&c.MaxSecrets, "max-secrets", "how many secrets a team or person may have (default 1000)")
	f.span(&c.ScheduleGrace, "schedule-grace", "how late a tick of a schedule may be and not count as missed (default 1m)")
	f.count(&c.MaxAttempts, "max-attempts", "how often in a row a sandbox of a run may be lost before its agent acted (default 5)")
	f.count(&c.MaxDepth, "max-depth", "how many ancestors a run may have (default 1; negative: none)")
	f.span(&c.Lease, "lease", "how long an execution lives without a sign of life (default 18s)")
	f.span(&c.MaxQueued, "max-queued", "how long a run waits while no worker serves its host (default 24h; negative: for ever)")
	f.span(&c.MaxActive, "max-active", "how long a run may work without a pause (default 24h)")
	f.span(&c.Idle, "idle", "how long a sandbox stays for follow-ups (default 10m)")
	f.span(&c.StopGrace, "stop-grace", "how long requests may take to finish when the server stops (default 8s)")
	f.bytes(&c.Limits.CreateBody, "max-create-body", "`size` of a request that starts a run, attachments included (default 32MiB)")
	f.bytes(&c.Limits.BatchBody, "max-batch-body", "`size` of a batch of entries (default 32MiB)")
	f.bytes(&c.Limits.Body, "max-body", "`size` of any other JSON request (default 1MiB)")
	f.bytes(&c.Limits.Blob, "max-blob", "`size` of an artifact, snapshot or large output (default 512MiB)")
	f.bytes(&c.RunEntries, "max-run-entries", "`size` of the whole session of a run (default 1GiB)")
	f.bytes(&c.RunBlobs, "max-run-blobs", "`size` of all artifacts, snapshots and large outputs of a run (default 16GiB)")
	f.bytes(&c.Limits.WorkerFrame, "max-worker-frame", "`size` of a worker's message (default 1MiB)")
	f.count(&c.Limits.Rate, "rate-limit", "how many requests a second one key may make; runners are not counted (default 1000; negative: without bound)")
	f.count(&c.Limits.Streams, "max-streams", "how many streams one key may have open (default 4000; negative: without bound)")
	f.count(&c.Entries.EntryBytes, "max-entry-bytes", "bytes of one session entry; larger content goes to blobs (default 262144)")
	f.count(&c.Entries.BatchEntries, "max-batch-entries", "entries of one batch (default 256)")
	modelFlags(f, c)
}

// modelFlags declare the flags of the model gateway.
func modelFlags(f flagger, c *server.Config) {
	m := &c.Models
	f.text(&m.DefaultModel, "default-model", "model `id` of runs that name none (default: the first vendor with a key, else a local one, else scripted)")
	f.text(&m.LocalURL, "local-model-url", "an endpoint of your own that speaks OpenAI's protocol, as http://localhost:11434/v1")
	f.text(&m.ScriptDir, "script-dir", "`directory` of scripts for the scripted model")
	f.text(&m.Anthropic.BaseURL, "anthropic-base-url", "another endpoint for Anthropic", "ANTHROPIC_BASE_URL")
	f.text(&m.OpenAI.BaseURL, "openai-base-url", "another endpoint for OpenAI", "OPENAI_BASE_URL")
	f.text(&m.Gemini.BaseURL, "gemini-base-url", "another endpoint for Gemini, in OpenAI's protocol", "GEMINI_BASE_URL")
	f.count(&m.MaxCallsPerRun, "max-model-calls", "model calls of one run at the same time (default 32)")
	f.bytes(&m.MaxBody, "max-model-request", "`size` of a request to a model (default 32MiB)")
	f.bytes(&m.MaxResponse, "max-model-response", "`size` of an answer that is not streamed (default 64MiB)")
	f.span(&m.StallTimeout, "model-stall-timeout", "longest silence within a model's stream (default 5m)")
	f.span(&m.ResponseTimeout, "model-response-timeout", "until a model's answer begins (default 15m)")
	f.span(&m.BodyTimeout, "model-body-timeout", "for a caller to send its request to a model (default 1m)")
	f.span(&m.WriteTimeout, "model-write-timeout", "for a caller to take a piece of the answer (default 1m)")
	f.span(&m.RecheckEvery, "model-recheck", "how often a call in flight is authorised again (default 5s)")
	f.count(&m.Retry.Attempts, "model-attempts", "calls to a vendor at most before an error is passed on (default 4)")
	f.span(&m.Retry.Base, "model-retry-base", "wait before the second call; doubles from there (default 500ms)")
	f.span(&m.Retry.Max, "model-retry-max", "longest wait between calls (default 20s)")
	f.span(&m.Retry.Total, "model-retry-total", "no call begins later than this after the first (default 1m)")
}

// modelKeys takes the vendors' keys from the environment: as flags they would show in process lists.
func modelKeys(c *server.Config, getenv func(string) string) {
	c.Models.Anthropic.Key = getenv("ANTHROPIC_API_KEY")
	c.Models.OpenAI.Key = getenv("OPENAI_API_KEY")
	c.Models.Gemini.Key = getenv("GEMINI_API_KEY")
	c.Models.LocalKey = getenv("CADRE_LOCAL_MODEL_KEY")
	c.BootstrapKey = getenv("CADRE_BOOTSTRAP_API_KEY")
	c.MasterKeys = getenv("CADRE_MASTER_KEY")
}

// modelKeysHelp tells about them in help texts.
const modelKeysHelp = `
Keys come from the environment: ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY and
CADRE_LOCAL_MODEL_KEY for models, CADRE_BOOTSTRAP_API_KEY for the first admin, CADRE_MASTER_KEY (one
or several, separated by commas) for sealing secrets. With no model
configured the default model is "scripted", which plays prepared turns and says so.`

// flagger declares flags, each with an environment variable named after it.
type flagger struct{ fs *pflag.FlagSet }

func (f flagger) env(name string, more []string) {
	fromEnv(f.fs, name, append([]string{"CADRE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))}, more...)...)
}

func (f flagger) text(p *string, name, usage string, env ...string) {
	f.fs.StringVar(p, name, *p, usage)
	f.env(name, env)
}

func (f flagger) count(p *int, name, usage string) {
	f.fs.IntVar(p, name, *p, usage)
	f.fs.Lookup(name).DefValue = "0" // the usage says the default
	f.env(name, nil)
}

func (f flagger) yes(p *bool, name, usage string) {
	f.fs.BoolVar(p, name, *p, usage)
	f.env(name, nil)
}

func (f flagger) span(p *time.Duration, name, usage string) {
	f.fs.Var((*duration)(p), name, usage)
	f.env(name, nil)
}

func (f flagger) bytes(p *int64, name, usage string) {
	f.fs.Var((*byteSize)(p), name, usage)
	f.env(name, nil)
}

// byteSize is a flag value like 512MiB or 1048576.
type byteSize int64

// String, Set and Type make byteSize a flag value.
func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Set reads a size.
func (b *byteSize) Set(s string) error {
	units := []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n <= 0 || n > (1<<62)/u.bytes {
			break
		}
		*b = byteSize(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size; write 1048576, 512KiB or 32MiB", s)
}

// Type names the value in help.
func (b *byteSize) Type() string { return "size" }
