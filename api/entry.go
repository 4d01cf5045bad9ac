package api

import (
	"encoding/json"
	"fmt"
	"time"
)

// EntryData is the closed set of shapes an entry's data can have, one per EntryType.
type EntryData interface {
	entryType() EntryType
}

// UserMessage is what a person (or the run's own prompt) said to the agent. It consumes the
// follow-up command it came from.
type UserMessage struct {
	Text        string      `json:"text"`
	Author      UserProfile `json:"author,omitzero"`
	CommandID   int64       `json:"command_id,omitempty"`
	Attachments []string    `json:"attachments,omitempty"`
	Mode        RunMode     `json:"mode,omitempty"`

	// Set when another run said it.
	MessageID   string `json:"message_id,omitempty"`
	SenderRunID string `json:"sender_run_id,omitempty"`
	Subject     string `json:"subject,omitempty"`
}

// Told is what an agent reads of the message: a person's words as they are, another run's with a line that
// says so.
func (m UserMessage) Told() string {
	if m.MessageID == "" {
		return m.Text
	}
	return "[Message " + m.MessageID + " from run " + m.SenderRunID + ", not from a person. Subject: " + m.Subject + "]\n\n" + m.Text
}

// Said is the command as the entry that takes it up.
func (c Command) Said() UserMessage {
	m := UserMessage{Text: c.Text, Author: c.Author, CommandID: c.Id, Mode: c.Mode,
		MessageID: c.Message.MessageId, SenderRunID: c.Message.SenderRunId, Subject: c.Message.Subject}
	for _, a := range c.Attachments {
		m.Attachments = append(m.Attachments, a.Id)
	}
	return m
}

// AgentMessage is text the agent said. Turn counts model calls of the run from 1.
type AgentMessage struct {
	Key  string `json:"key,omitempty"`
	Turn int    `json:"turn,omitempty"`
	Text string `json:"text"`
}

// AgentReasoning is thinking the model chose to show. Opaque carries what the vendor wants back on
// the next call, untouched.
type AgentReasoning struct {
	Key    string          `json:"key,omitempty"`
	Turn   int             `json:"turn,omitempty"`
	Text   string          `json:"text,omitempty"`
	Opaque json.RawMessage `json:"opaque,omitempty"`
}

// Action is a tool call the agent decided on. ReadOnly says that it changes nothing.
type Action struct {
	ID       string          `json:"id"`
	Turn     int             `json:"turn,omitempty"`
	Category ActionCategory  `json:"category"`
	Name     string          `json:"name"`
	Input    json.RawMessage `json:"input"`
	ReadOnly bool            `json:"read_only,omitempty"`
}

// ActionResult is how a tool call ended. Output holds the text shown to the model; when the whole
// was larger than an entry may be, Blob names the stored whole and OmittedBytes says how many bytes
// Output leaves out.
type ActionResult struct {
	ActionID     string          `json:"action_id"`
	Key          string          `json:"key,omitempty"`
	Category     ActionCategory  `json:"category"`
	Name         string          `json:"name"`
	State        ActionState     `json:"state"`
	Output       string          `json:"output"`
	ExitCode     *int            `json:"exit_code,omitempty"`
	DurationMS   int64           `json:"duration_ms,omitempty"`
	Blob         string          `json:"blob,omitempty"`
	OmittedBytes int64           `json:"omitted_bytes,omitempty"`
	Detail       json.RawMessage `json:"detail,omitempty"`
}

// Request asks a person something and blocks the run until it is answered.
type Request struct {
	ID       string          `json:"id"`
	Kind     RequestKind     `json:"kind"`
	Prompt   string          `json:"prompt"`
	ActionID string          `json:"action_id,omitempty"`
	Action   string          `json:"action,omitempty"`
	Input    json.RawMessage `json:"input,omitempty"`
	Options  []string        `json:"options,omitempty"`
	Multiple bool            `json:"multiple,omitempty"`
}

// Answer is a person's decision on a Request. The server appends it when it is given.
type Answer struct {
	RequestID string         `json:"request_id"`
	Decision  AnswerDecision `json:"decision,omitempty"`
	Choices   []string       `json:"choices,omitempty"`
	Text      string         `json:"text,omitempty"`
	By        UserProfile    `json:"by,omitzero"`
}

// Plan is the agent's list of tasks as it stands.
type Plan struct {
	Items []PlanItem `json:"items"`
}

// PlanItem is one task of a plan. Status is pending, in_progress or completed.
type PlanItem struct {
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
	Status      string `json:"status"`
}

// PhaseState says how far a start-up phase is.
type PhaseState string

// The states of a phase.
const (
	PhaseRunning   PhaseState = "running"
	PhaseCompleted PhaseState = "completed"
	PhaseFailed    PhaseState = "failed"
)

// Phase is one step of preparing a sandbox: clone, setup commands, MCP servers, harness …
type Phase struct {
	Name       string     `json:"name"`
	State      PhaseState `json:"state"`
	Command    string     `json:"command,omitempty"`
	Output     string     `json:"output,omitempty"`
	Advice     string     `json:"advice,omitempty"`
	StartedAt  time.Time  `json:"started_at"`
	DurationMS int64      `json:"duration_ms,omitempty"`
}

// StateChange records a move of the run. The server appends it in the transaction of the move.
type StateChange struct {
	From      RunState          `json:"from,omitempty"`
	To        RunState          `json:"to"`
	Message   string            `json:"message,omitempty"`
	ErrorCode PlatformErrorCode `json:"error_code,omitempty"`
	Waiting   WaitingCode       `json:"waiting,omitempty"`
}

// Usage is what one model call consumed. CostUSD is 0 and Priced false when no price is known.
type Usage struct {
	ModelID          string  `json:"model_id"`
	Turn             int     `json:"turn,omitempty"`
	InputTokens      int64   `json:"input_tokens"`
	OutputTokens     int64   `json:"output_tokens"`
	CacheReadTokens  int64   `json:"cache_read_tokens,omitempty"`
	CacheWriteTokens int64   `json:"cache_write_tokens,omitempty"`
	ContextTokens    int64   `json:"context_tokens,omitempty"`
	CostUSD          float64 `json:"cost_usd,omitempty"`
	Priced           bool    `json:"priced,omitempty"`
}

// ArtifactReport says that the agent produced an artifact. Blob names the stored content of files,
// screenshots and plans. The server gives the artifact its uid in the same transaction.
type ArtifactReport struct {
	ArtifactType ArtifactType `json:"artifact_type"`
	Blob         string       `json:"blob,omitempty"`
	Data         ArtifactData `json:"data"`
}

// NoticeLevel grades a Notice.
type NoticeLevel string

// The levels of a notice.
const (
	NoticeInfo    NoticeLevel = "info"
	NoticeWarning NoticeLevel = "warning"
	NoticeError   NoticeLevel = "error"
)

// Notice tells readers something about the run that is not part of the conversation, unless Agent
// says that the agent is told too, at this place of it.
type Notice struct {
	Level  NoticeLevel `json:"level"`
	Text   string      `json:"text"`
	Agent  bool        `json:"agent,omitempty"`
	Notify bool        `json:"notify,omitempty"`
}

// Compaction marks that, for the model's context only, everything up to and including UpTo was
// replaced by Summary. The record itself keeps every entry.
type Compaction struct {
	UpTo    int64  `json:"up_to"`
	Summary string `json:"summary"`
}

// ExecutionEvent says that an execution of the run started, was lost or ended.
type ExecutionEvent struct {
	Number int    `json:"number"`
	Event  string `json:"event"`
	Host   string `json:"host,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func (UserMessage) entryType() EntryType    { return EntryTypeUserMessage }
func (AgentMessage) entryType() EntryType   { return EntryTypeAgentMessage }
func (AgentReasoning) entryType() EntryType { return EntryTypeAgentReasoning }
func (Action) entryType() EntryType         { return EntryTypeAction }
func (ActionResult) entryType() EntryType   { return EntryTypeActionResult }
func (Request) entryType() EntryType        { return EntryTypeRequest }
func (Answer) entryType() EntryType         { return EntryTypeAnswer }
func (Plan) entryType() EntryType           { return EntryTypePlan }
func (Phase) entryType() EntryType          { return EntryTypePhase }
func (StateChange) entryType() EntryType    { return EntryTypeState }
func (Usage) entryType() EntryType          { return EntryTypeUsage }
func (ArtifactReport) entryType() EntryType { return EntryTypeArtifact }
func (Notice) entryType() EntryType         { return EntryTypeNotice }
func (Compaction) entryType() EntryType     { return EntryTypeCompaction }
func (ExecutionEvent) entryType() EntryType { return EntryTypeExecution }

// MakeEntry encodes data as an entry to be appended, produced at the given time.
func MakeEntry(at time.Time, data EntryData) NewEntry {
	b, err := json.Marshal(data)
	if err != nil {
		// Every EntryData is made of plain members; only an invalid RawMessage can fail here.
		b, _ = json.Marshal(Notice{Level: NoticeError, Text: "entry could not be encoded: " + err.Error()})
		return NewEntry{Type: EntryTypeNotice, CreatedAt: at, Data: b}
	}
	return NewEntry{Type: data.entryType(), CreatedAt: at, Data: b}
}

// DecodeEntry decodes the data of an entry of the given type. An unknown type is an error: readers
// skip what they do not know.
func DecodeEntry(t EntryType, data json.RawMessage) (EntryData, error) {
	switch t {
	case EntryTypeUserMessage:
		return decode[UserMessage](data)
	case EntryTypeAgentMessage:
		return decode[AgentMessage](data)
	case EntryTypeAgentReasoning:
		return decode[AgentReasoning](data)
	case EntryTypeAction:
		return decode[Action](data)
	case EntryTypeActionResult:
		return decode[ActionResult](data)
	case EntryTypeRequest:
		return decode[Request](data)
	case EntryTypeAnswer:
		return decode[Answer](data)
	case EntryTypePlan:
		return decode[Plan](data)
	case EntryTypePhase:
		return decode[Phase](data)
	case EntryTypeState:
		return decode[StateChange](data)
	case EntryTypeUsage:
		return decode[Usage](data)
	case EntryTypeArtifact:
		return decode[ArtifactReport](data)
	case EntryTypeNotice:
		return decode[Notice](data)
	case EntryTypeCompaction:
		return decode[Compaction](data)
	case EntryTypeExecution:
		return decode[ExecutionEvent](data)
	}
	return nil, fmt.Errorf("unknown entry type %q", t)
}

// Decode decodes the entry's data.
func (e Entry) Decode() (EntryData, error) { return DecodeEntry(e.Type, e.Data) }

func decode[T EntryData](data json.RawMessage) (EntryData, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	return v, nil
}
