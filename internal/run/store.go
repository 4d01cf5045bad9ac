package run

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Store keeps runs. Insert and Change are the only ways a run changes; each is one durable
// transaction and returns after its commit.
type Store interface {
	// Insert stores a new run with its first entries and its event. It is a conflict when the run, or
	// the key of its Once, exists, and ErrTaken when an upload is another's by now.
	Insert(ctx context.Context, n New) error
	// Kept returns what was stored under a key, and the id of its run; api.NotFound when nothing was.
	Kept(ctx context.Context, scope, key string) (o Once, runID string, err error)
	// Change locks the run, shows it to decide and stores what decide returns, all or nothing.
	// decide must be pure and quick: it runs inside the transaction, holds up other writers, and may
	// run again if the transaction is retried. Its error is returned unchanged and nothing is stored.
	// An unknown run is api.NotFound.
	Change(ctx context.Context, runID string, decide func(Current) (Change, error)) (Changed, error)
	// ChangeAll is Change for several different runs, all or nothing: decide is shown each with its place
	// in runIDs.
	ChangeAll(ctx context.Context, runIDs []string, decide func(i int, cur Current) (Change, error)) ([]Changed, error)
	// NoteClient keeps a client's event of a run, unless it is kept already or the run has most of them.
	NoteClient(ctx context.Context, runID string, e ClientEvent, most int) error
	// Get returns one run; api.NotFound when there is none.
	Get(ctx context.Context, runID string) (Run, error)
	// List returns a page of runs.
	List(ctx context.Context, q Query) (Page, error)
}

// History reads what a run left behind, oldest first.
type History interface {
	Executions(ctx context.Context, runID string) ([]Execution, error)
	Events(ctx context.Context, runID string) ([]Event, error)
	// Commands lists commands not consumed yet.
	Commands(ctx context.Context, runID string) ([]Command, error)
	Requests(ctx context.Context, runID string) ([]Request, error)
	Artifacts(ctx context.Context, runIDs ...string) (map[string][]Artifact, error)
	Artifact(ctx context.Context, uid string) (Artifact, error)
	// LastEvent returns the number of the latest event of a type, 0 when there is none.
	LastEvent(ctx context.Context, runID string, t EventType) (int64, error)
	// ClientEvents lists what clients told of a run, oldest first.
	ClientEvents(ctx context.Context, runID string) ([]ClientEvent, error)
	// Messages finds messages by id; unknown ones are missing.
	Messages(ctx context.Context, ids ...string) (map[string]Message, error)
	// Children lists the ids of direct children per run.
	Children(ctx context.Context, runIDs ...string) (map[string][]string, error)
	// Working counts a team's runs that hold one of its places: PENDING, CLAIMED and INPROGRESS. It
	// may stop counting at atMost.
	Working(ctx context.Context, teamUID string, atMost int) (int, error)
}

// New is what Insert stores.
type New struct {
	Run     Run
	Entries []api.NewEntry // numbered from 1
	Event   Event
	// Told is another run's event about this one.
	Told *Event
	// Execution is set for local runs, which begin with one.
	Execution *Execution
	// Uploads are ids of files that waited for the run: they, and their blobs, are its own from now on.
	Uploads []string
	// Once is set when the request has a name.
	Once *Once
	// Tick is set when a schedule started the run. Insert is ErrTickTaken when the tick is taken.
	Tick *Tick
}

// Once names a request that starts a run, so that it starts one only.
type Once struct {
	Scope  string // whose name it is
	Key    string // the name
	Digest string // of the request, to tell it from another of the same name
}

// Current is the run as its row lock found it.
type Current struct {
	Run Run
	// Execution is the latest one, nil before the first.
	Execution *Execution
	// Commands are those not consumed yet, in order.
	Commands []Command
	// Requests are those not answered yet, in order.
	Requests []Request
}

// Change is what a decision stores. Members left zero change nothing.
type Change struct {
	// Run replaces the run's mutable columns, all but BlobBytes. Its LastSeq is that of the stored run plus
	// the number of Entries. Lists follow the events: another State or UpdatedAt takes one, and another
	// Title, Artifacts, another Archived and Deleted one of their type.
	Run *Run
	// Execution is inserted when its Number is new, else replaces the stored one.
	Execution *Execution
	// Entries are appended in order; By is the execution they come from, 0 for the server.
	Entries []api.NewEntry
	By      int
	// Events are appended to lifecycle_events.
	Events []Event
	// Commands are stored with the next ids of the run.
	Commands []Command
	// Consumed names commands that need no further delivery.
	Consumed []int64
	// Requests are opened, each replacing one of the run with the same id; Answered closes some.
	Requests  []Request
	Answered  []Request
	Artifacts []Artifact
	// Messages are put into the run's mailbox; Delivered names some of it that have reached the agent.
	Messages  []Message
	Delivered []string
	// Dropped names blobs of the run that nothing refers to any more: their rows go.
	Dropped []string
	// Deleted makes the run be there for nobody from then on, for good; see Deletions for what it left.
	Deleted bool
}

// Changed is what Change stored, after its commit.
type Changed struct {
	Run       Run
	Execution *Execution
	// FirstSeq and LastSeq bound the entries appended; both are Run.LastSeq when there were none.
	FirstSeq, LastSeq int64
}

// Archived says whether a query is about runs that were put away.
type Archived string

// The answers to that.
const (
	ArchivedExclude Archived = "" // only those that were not
	ArchivedInclude Archived = "include"
	ArchivedOnly    Archived = "only"
)

// Query selects runs. Zero members do not filter. Exactly one of the visibility members is set by
// the service: the store returns nothing for a query without one.
type Query struct {
	// TeamUIDs and OwnerUID are what the caller may see: runs of these teams, and their own.
	TeamUIDs []string
	OwnerUID string

	States        []api.RunState
	Source        api.RunSourceType
	Location      api.RunExecutionLocation
	Name          string
	ModelID       string
	Creator       string
	Executor      string
	EnvironmentID string // EmptyEnvironment selects runs without one
	Skill         string
	ScheduleID    string
	AncestorID    string // runs at any depth below it
	ParentID      string // its children only
	// ConversationID selects the runs of one conversation.
	ConversationID string
	ArtifactType   api.ArtifactType
	CreatedAfter   time.Time
	CreatedBefore  time.Time
	UpdatedAfter   time.Time
	Text           string // case-insensitive fragments, all of which must occur
	Metadata       map[string]string
	Archived       Archived
	Sort           api.RunSort
	Ascending      bool
	Limit          int
	Cursor         string
}

// EmptyEnvironment is the environment filter's word for "none" (contract section 4.1).
const EmptyEnvironment = "empty-environment"

// Page is a page of runs. Next is empty on the last one.
type Page struct {
	Runs []Run
	Next string
}
