package catalog

import (
	"crypto/rand"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
)

// Config sets up a Catalog. The stores are required.
type Config struct {
	Environments EnvironmentStore
	Runners      NamedStore[api.ComputeRunnerConfig]
	Prompts      NamedStore[api.SavedPromptConfig]
	Servers      NamedStore[api.SharedMcpServerConfig]
	Rules        RuleStore
	Applied      AppliedStore
	// MaxPerOwner is how many of a kind a team or person may have. Default 1,000.
	MaxPerOwner int
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (c Config) now() time.Time { return c.Now().UTC().Truncate(time.Microsecond) }

// Catalog is all that is shared.
type Catalog struct {
	Environments *Environments
	Runners      *Runners
	Prompts      *Prompts
	Servers      *Servers
	Rules        *RuleBook
	Applied      *Record
}

// New makes a Catalog.
func New(cfg Config) *Catalog {
	if cfg.MaxPerOwner == 0 {
		cfg.MaxPerOwner = 1000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	runners := newNamedShelf(runnerKind, cfg.Runners, cfg)
	return &Catalog{
		Environments: newEnvironments(cfg, runners),
		Runners:      runners,
		Prompts:      &Prompts{newNamedShelf(promptKind, cfg.Prompts, cfg)},
		Servers:      &Servers{newNamedShelf(serverKind, cfg.Servers, cfg)},
		Rules:        &RuleBook{cfg},
		Applied:      &Record{cfg},
	}
}

// uidLength and uidLetters are the shape of the uids of environments, prompts and runners (contract
// http-api section 1).
const (
	uidLength  = 22
	uidLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewUID makes a random uid.
func NewUID() string {
	// 62 does not divide 256: bytes from 248 on are thrown away, so that no letter is likelier.
	uid := make([]byte, 0, uidLength)
	for len(uid) < uidLength {
		var b [32]byte
		_, _ = rand.Read(b[:]) // documented never to fail
		for _, v := range b {
			if v < 248 && len(uid) < uidLength {
				uid = append(uid, uidLetters[v%62])
			}
		}
	}
	return string(uid)
}

// newServerUID makes the uid of an MCP server, which clients take for a UUID.
func newServerUID() string { return uuid.NewString() }
