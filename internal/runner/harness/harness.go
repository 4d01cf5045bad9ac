package harness

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Harness starts agents of one kind.
type Harness interface {
	// Name is the wire's name of the harness: oz, claude, codex …
	Name() api.HarnessType

	// Start prepares an agent for the session: reads rules and skills, starts MCP servers and
	// processes. It makes no model call. Phases and notices of the preparation go to the Sink.
	Start(ctx context.Context, s Session) (Agent, error)
}

// Messenger is a harness that tells messages of other runs (commands of kind message) from what people say.
// For any other the runner makes follow-ups of them.
type Messenger interface {
	Harness
	// TakesMessages says that commands of kind message are taken into account between two turns of the
	// model, and that they answer nothing.
	TakesMessages()
}

// Peers is how an agent speaks with other runs and hears of those below it.
type Peers interface {
	// Send sends a message and returns the ids of its copies, in the order of the recipients. The key, unique
	// in the run, makes it safe to repeat.
	Send(ctx context.Context, to []string, subject, body, key string) (ids []string, err error)
	// Inbox lists messages to this run, oldest first.
	Inbox(ctx context.Context, unread bool, limit int) ([]api.MessageHeader, error)
	// Read returns a message to this run, which then is not delivered any more.
	Read(ctx context.Context, id string) (api.MessageBody, error)
	// Follow tells what happens to the runs below this one after an event, until ctx ends, whose cause is
	// returned. It comes back by itself when the connection breaks.
	Follow(ctx context.Context, since int64, tell func(api.AgentRunEvent)) error
	// Wait shows that the agent waits for others, or does so no longer.
	Wait(ctx context.Context, waiting bool) error
}

// Agent is one agent at work in one sandbox.
type Agent interface {
	// Turn drives the agent until it cannot go on by itself: it ended its turn, waits for a person,
	// was interrupted or failed. Commands in the Inbox are taken into account as they arrive.
	// Everything the Outcome rests on is appended, durably, when Turn returns. Cancelling ctx ends
	// every process the turn started before Turn returns.
	Turn(ctx context.Context) (Outcome, error)

	// Close ends every process of the agent and returns once they are gone or ctx is done. A second
	// call does nothing.
	Close(ctx context.Context) error
}

// Outcome says how a Turn ended.
type Outcome struct {
	// State is SUCCEEDED, FAILED (the user can mend it), ERROR (the platform must) or BLOCKED.
	State api.RunState
	// Message is for people; empty for a plain success.
	Message string
	// Code is set for FAILED and ERROR, and for BLOCKED when an error blocks (budget_exceeded).
	Code api.PlatformErrorCode
	// Waiting says what a BLOCKED run waits for.
	Waiting api.WaitingCode
}

// Session is what an agent is given. All of it is fixed for the life of the agent.
type Session struct {
	// Assignment is what the server said about the run: prompt, config, model, limits.
	Assignment api.RunnerAssignment
	// History is every entry of the run so far, in order, from seq 1: the prompt is the first
	// user_message.
	History []api.Entry
	// Sink takes what the agent produces.
	Sink Sink
	// Inbox brings what people ask of it.
	Inbox *Inbox
	// Peers reaches other runs; nil when there is no way to.
	Peers Peers
	// Workdir is the workspace: an absolute path with no symlinks. File tools stay inside it.
	Workdir string
	// Dir is where the agent begins to work, inside Workdir; empty means Workdir.
	Dir string
	// Home is the home directory to look for global rules and skills in; empty looks in none.
	Home string
	// SkillDirs are further directories of skills (WARP_SKILL_DIRS), absolute paths.
	SkillDirs []string
	// ScratchDir is a private directory outside the workspace; it exists and dies with the sandbox.
	ScratchDir string
	// Env is the environment of every process of the agent, "NAME=value". It holds no model key.
	Env []string
	// Token is the run token: the key for the model gateway, and for what else of the server a run may use.
	Token string
	// Redact removes secret values from text that leaves the sandbox by another way than the Sink. Nil
	// removes nothing.
	Redact func(string) string
	// Attachments are the run's files, already downloaded.
	Attachments *Files
	// MCPStartTimeout bounds the start of each MCP server; 0 means 20 s.
	MCPStartTimeout time.Duration
	// StrictMCP makes a server that does not start fail the run.
	StrictMCP bool
	// Log is never nil. Nothing of the conversation may be logged.
	Log *slog.Logger
}

// Attachment is a file given with the prompt or a message.
type Attachment struct {
	// ID is what UserMessage.Attachments refers to.
	ID       string
	FileName string
	MimeType string
	// Path is where the runner stored it, readable by the agent.
	Path string
}

// Sink takes the entries of a run. The runner redacts secret values and posts them.
type Sink interface {
	// Append stores entries in order and returns when they are durable. The entries of one call are
	// stored together unless they exceed a batch of the server. It returns a seq not below theirs
	// and below that of everything appended later: the server's last_seq. An error means that this
	// sandbox must stop: the execution was superseded, or ctx was cancelled. Being offline is no
	// error; the call waits.
	Append(ctx context.Context, entries ...api.NewEntry) (lastSeq int64, err error)

	// Delta shows a fragment of an entry still being produced. It never blocks for long and may
	// drop.
	Delta(d api.Delta)

	// PutBlob stores what is too large for an entry. The name is for people. A reader with more than
	// the server's limit gives an *api.Failure with code invalid_request.
	PutBlob(ctx context.Context, kind api.BlobKind, name string, r io.Reader) (api.BlobRef, error)
}
