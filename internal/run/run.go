package run

import (
	"encoding/json"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Run is the unit of tracked work as stored. Times are UTC with microsecond precision; a zero time
// means "not yet".
type Run struct {
	ID             string
	Title          string
	Prompt         string
	State          api.RunState
	Message        string                // status message shown with the state
	ErrorCode      api.PlatformErrorCode // set in FAILED and ERROR
	Retryable      bool                  // the same run may succeed if tried again
	Waiting        api.RunWaiting        // zero when the run is moving or over
	Mode           api.RunMode
	Source         api.RunSourceType
	Location       api.RunExecutionLocation
	Host           string // worker host that must serve it
	Owner          identity.Owner
	Archived       bool   // put away: lists show it only to who asks
	TeamUID        string // team whose queue and limits it counts against
	Creator        api.UserProfile
	Executor       api.UserProfile
	Person         string // uid of who triggered it by a call of their own; their personal secrets go into it
	ParentID       string
	ConversationID string // equals ID unless the run continues another conversation
	SessionID      string
	Config         api.AmbientAgentConfig // resolved
	Skill          string
	ScheduleID     string
	Origin         Origin
	Metadata       map[string]string
	Interactive    bool
	NoSnapshot     bool
	Attachments    []Attachment

	CreatedAt time.Time
	UpdatedAt time.Time     // last move
	QueuedAt  time.Time     // when it last entered QUEUED; order of dispatch
	StartedAt time.Time     // first time its agent began to work
	EndedAt   time.Time     // last time it entered an ended state
	Active    time.Duration // time spent INPROGRESS in finished stretches
	ActiveAt  time.Time     // start of the current INPROGRESS stretch

	Execution int   // number of the latest execution; 0 before the first
	Live      bool  // the latest execution has not ended: its sandbox is up
	Attempts  int   // executions lost in a row without the agent acting
	LastSeq   int64 // number of the latest entry

	// EventSeq is how far whoever follows events for the run has come, as it said.
	EventSeq int64

	// MailBytes is what all messages to it take, as Config.MailBytes counts it.
	MailBytes int64

	// EntryBytes and BlobBytes are what the run has stored, as the limits of Config count it. The store
	// keeps BlobBytes: a decision cannot change it.
	EntryBytes, BlobBytes int64

	Usage Totals
}

// Totals sums what the run's model calls consumed.
type Totals struct {
	InputTokens, OutputTokens, CacheReadTokens, CacheWriteTokens int64
	// Dollars by kind of token. Unpriced counts calls whose price is unknown.
	InputUSD, OutputUSD, CacheReadUSD, CacheWriteUSD float64
	Unpriced                                         int64
}

// Attachment is a file given with the prompt, stored as a blob.
type Attachment struct {
	ID       string
	FileName string
	MimeType string
	BlobID   string
	Size     int64
	// Workspace marks a snapshot for the first sandbox to begin with, which the agent is not shown.
	Workspace bool `json:",omitempty"`
}

// ExecutionState says how far one attempt is.
type ExecutionState string

// The states of an execution.
const (
	ExecutionAssigned ExecutionState = "assigned" // offered to a worker
	ExecutionClaimed  ExecutionState = "claimed"  // the worker took it
	ExecutionStarted  ExecutionState = "started"  // its runner called
	ExecutionEnded    ExecutionState = "ended"
)

// Execution is one attempt to carry a run out in one sandbox. Its Number grows by one per attempt
// and is the fencing token: only the latest execution that has not ended may write.
type Execution struct {
	ID         string
	RunID      string
	Number     int
	State      ExecutionState
	Host       string
	Worker     string // connection it was assigned to; empty for local runs
	Backend    string
	LeaseUntil time.Time
	CreatedAt  time.Time
	ClaimedAt  time.Time
	StartedAt  time.Time
	EndedAt    time.Time
	EndReason  string
	NextIndex  int64 // entries of this execution stored so far
	Acted      bool  // its agent has said or done something
	// Snapshot is the blob of the workspace as last reported, and SnapshotSeq the entry up to which
	// everything the run did to it is kept: in that blob, else in that of an earlier execution.
	Snapshot    string
	SnapshotSeq int64
}

// Command is steering, stored until the runner consumes it. ID orders the commands of a run from 1.
// That of a message names it by RequestID; Service.Commands adds its text.
type Command struct {
	ID        int64
	RunID     string
	Kind      api.CommandKind
	Text      string
	Mode      api.RunMode
	RequestID string
	Answer    *api.RunAnswer
	Author    api.UserProfile
	CreatedAt time.Time
	Consumed  bool
	Message   *Message // not stored here
	// Attachments are files said with a message.
	Attachments []Attachment
}

// Request is something the run asked a person, open until Answer is set.
type Request struct {
	api.Request
	RunID     string
	Seq       int64
	CreatedAt time.Time
	Answer    *api.RunAnswer
}

// Artifact is something the run produced. Content is inline for plans, a blob for files.
type Artifact struct {
	UID       string
	RunID     string
	Type      api.ArtifactType
	CreatedAt time.Time
	BlobID    string
	Data      api.ArtifactData
}

// Event is a row of lifecycle_events: every state change and other consequential fact, in one global
// order. Seq is given by the store at commit.
type Event struct {
	Seq         int64
	RunID       string
	TeamUID     string
	ExecutionID string
	Type        EventType
	State       api.RunState
	Message     string
	RefID       string
	At          time.Time
	Data        json.RawMessage
}

// EventType names a lifecycle event.
type EventType string

// The lifecycle events. The run_* names are the wire's (contract http-api section 4.7).
const (
	EventCreated    EventType = "run_created"
	EventQueued     EventType = "run_queued"
	EventPending    EventType = "run_pending"
	EventClaimed    EventType = "run_claimed"
	EventInProgress EventType = "run_in_progress"
	EventSucceeded  EventType = "run_succeeded"
	EventFailed     EventType = "run_failed"
	EventErrored    EventType = "run_errored"
	EventBlocked    EventType = "run_blocked"
	EventCancelled  EventType = "run_cancelled"
	EventExecution  EventType = "execution_ended"
	EventArtifact   EventType = "artifact"    // the run has come to have one
	EventWaiting    EventType = "run_waiting" // its agent waits for messages or children, or does so no longer

	EventMessage EventType = "new_message"         // RefID is that of a message to the run
	EventChild   EventType = "child_agent_started" // RefID is a new child of the run
	EventSession EventType = "run_session_linked"  // RefID is the session of the run, a child, that can be watched now

	// What is kept of a run after it ended.
	EventArchived   EventType = "run_archived"
	EventUnarchived EventType = "run_unarchived"
	EventDeleted    EventType = "run_deleted" // RefID is who did

	EventRenamed EventType = "run_renamed"
	// EventNotification is something the agent wants people to know: its Message.
	EventNotification EventType = "notification"
)

// Followed are the events that whoever orchestrates runs is told of, in the words of the wire. All others
// are the server's own.
var Followed = []EventType{
	EventInProgress, EventSucceeded, EventFailed, EventErrored, EventBlocked, EventCancelled,
	EventMessage, EventChild, EventSession,
}
