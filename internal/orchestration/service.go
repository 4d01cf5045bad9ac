package orchestration

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/run"
)

// Runs acts on runs and knows who sees them: run.Service.
type Runs interface {
	// Get returns a run within the actor's reach: for a run token its own and those below it.
	Get(ctx context.Context, actor identity.Actor, id string) (run.Run, error)
	Post(ctx context.Context, messages []run.Message, p run.Posting) error
	Delivered(ctx context.Context, m run.Message) error
}

// Stored reads runs and messages whoever asks.
type Stored interface {
	Get(ctx context.Context, runID string) (run.Run, error)
	Messages(ctx context.Context, ids ...string) (map[string]run.Message, error)
}

// Mail reads mailboxes.
type Mail interface {
	// Inbox lists messages to a run, oldest first, without their bodies.
	Inbox(ctx context.Context, runID string, unread bool, since time.Time, limit int) ([]run.Message, error)
	// MarkRead records when a message was first read.
	MarkRead(ctx context.Context, m run.Message, at time.Time) error
}

// Events reads the one order of what happens to runs.
type Events interface {
	Last(ctx context.Context) (int64, error)
	// Of returns at most limit followed events of runs, numbered above since and up to upTo, in order.
	Of(ctx context.Context, runIDs []string, since, upTo int64, limit int) ([]run.Event, error)
}

// Config says what a Service works with. All but Now is required.
type Config struct {
	Runs   Runs
	Stored Stored
	Mail   Mail
	Events Events
	Now    func() time.Time
}

// Service carries out what callers ask about messages and events. It is safe for concurrent use and holds
// no state of its own.
type Service struct{ cfg Config }

// New makes a Service.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg}
}

func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// newID makes the id of a message. One with a key is the same for the same key, so that a request that is
// repeated finds what it sent before.
func newID(actor identity.Actor, key, recipient string) string {
	if key == "" {
		return uuid.Must(uuid.NewV7()).String()
	}
	caller := string(actor.Kind) + "\x00" + actor.UID + "\x00" + actor.RunID
	return uuid.NewSHA1(keyed, []byte(caller+"\x00"+key+"\x00"+recipient)).String()
}

// keyed is the name space of messages that were sent with a key.
var keyed = uuid.MustParse("7f1f7d34-54c5-4c07-9d0e-5b5a8f6b52a1")
