package httpapi

import (
	"context"
	"io"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/blob"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/catalog/skill"
	"github.com/cadrehq/cadre/internal/identity"
	"github.com/cadrehq/cadre/internal/identity/issuer"
	"github.com/cadrehq/cadre/internal/run"
	"github.com/cadrehq/cadre/internal/secret"
	"github.com/cadrehq/cadre/internal/session"
	"github.com/cadrehq/cadre/internal/trigger/schedule"
	"github.com/cadrehq/cadre/internal/usage"
)

// Identity knows callers and signs links: identity.Service.
type Identity interface {
	Identify(ctx context.Context, c identity.Credential) (identity.Actor, error)
	MintRun(g identity.Grant) (string, error)
	Sign(path string, expires time.Time) string
	Verify(path string, expires time.Time, signature string) error
}

// Fence refuses a run token whose execution has ended, with authentication_required.
type Fence func(ctx context.Context, actor identity.Actor) error

// Runs carries out acts on runs: run.Service. It checks what the actor may reach.
type Runs interface {
	// CreateOnce makes one run however often it is called with a key; an empty key makes one each time.
	CreateOnce(ctx context.Context, actor identity.Actor, req api.RunAgentRequest, source api.RunSourceType, key string) (r run.Run, atCapacity bool, err error)
	CreateLocal(ctx context.Context, actor identity.Actor, req api.LocalRunRequest, key string) (run.Run, run.Execution, error)
	Get(ctx context.Context, actor identity.Actor, id string) (run.Run, error)
	List(ctx context.Context, actor identity.Actor, q run.Query) (run.Page, error)
	Timeline(ctx context.Context, actor identity.Actor, id string) ([]api.TimelineEvent, error)
	// Items shows runs as the API does; the caller has checked that they may be seen.
	Items(ctx context.Context, runs ...run.Run) ([]api.RunItem, error)
	Item(ctx context.Context, r run.Run) (api.RunItem, error)
	// Rename gives all runs of a conversation a title, which it returns as it is kept.
	Rename(ctx context.Context, actor identity.Actor, conversationID, title string) (string, error)
	// Link is where a person sees a run.
	Link(runID string) string
	Steering
	Keeping
	Runners
	Clients
	Speakers
	Files
}

// Clients is what those tell who carry runs out by themselves, or follow what happens on behalf of one.
type Clients interface {
	ReportEvent(ctx context.Context, actor identity.Actor, id string, req api.ReportEventRequest) (int64, error)
	SetEventSequence(ctx context.Context, actor identity.Actor, id string, seq int64) error
	NoteClientEvent(ctx context.Context, actor identity.Actor, id string, req api.ClientEventRequest) error
}

// Steering is how a person directs a run.
type Steering interface {
	Cancel(ctx context.Context, actor identity.Actor, id string) (run.Run, error)
	Interrupt(ctx context.Context, actor identity.Actor, id string) (run.Run, error)
	FollowUp(ctx context.Context, actor identity.Actor, id string, req api.RunFollowupRequest) (run.Run, error)
	Requests(ctx context.Context, actor identity.Actor, id string) ([]run.Request, error)
	Answer(ctx context.Context, actor identity.Actor, id, requestID string, req api.AnswerRequest) (run.Run, error)
}

// Keeping is what becomes of runs after they end.
type Keeping interface {
	// Fork begins a run with a copy of another one's conversation, Retry asks for the same again. Both
	// make one run however often they are called with a key.
	Fork(ctx context.Context, actor identity.Actor, id string, req api.ForkRunRequest, source api.RunSourceType, key string) (r run.Run, atCapacity bool, err error)
	ForkConversation(ctx context.Context, actor identity.Actor, conversationID, title string, source api.RunSourceType) (run.Run, error)
	Retry(ctx context.Context, actor identity.Actor, id string, source api.RunSourceType, key string) (r run.Run, atCapacity bool, err error)
	// Archive, Unarchive and Delete act on a run and those below it, and say how many changed.
	Archive(ctx context.Context, actor identity.Actor, id string) (int, error)
	Unarchive(ctx context.Context, actor identity.Actor, id string) (int, error)
	Delete(ctx context.Context, actor identity.Actor, id string) (int, error)
	KeepMany(ctx context.Context, actor identity.Actor, how run.Keeping, req run.KeepRequest) (run.KeepResult, error)
}

// Runners is what the runner of an execution asks and reports.
type Runners interface {
	Start(ctx context.Context, actor identity.Actor, req api.RunnerStartRequest) (run.Run, run.Execution, error)
	Append(ctx context.Context, actor identity.Actor, req api.RunnerAppendRequest) (run.Changed, error)
	Upload(ctx context.Context, actor identity.Actor, kind api.BlobKind, name string, r io.Reader, limit int64) (blob.Meta, error)
	Heartbeat(ctx context.Context, actor identity.Actor) (until time.Time, cancelled bool, err error)
	Commands(ctx context.Context, actor identity.Actor) ([]run.Command, error)
	End(ctx context.Context, actor identity.Actor, req api.RunnerEndRequest) error
	LastSnapshot(ctx context.Context, runID string) (run.Snapshot, error)
	Secrets(ctx context.Context, actor identity.Actor, phase api.SecretPhase) (api.RunnerSecretsResponse, error)
	Limits() session.Limits
}

// Speakers is what an agent in a sandbox asks and hands in. An empty run id is the caller's own.
type Speakers interface {
	Conversation(ctx context.Context, actor identity.Actor, runID, format string) (id string, err error)
	UploadConversation(ctx context.Context, actor identity.Actor, runID, conversationID string, p blob.Purpose) (blob.Upload, error)
	HarnessTranscript(ctx context.Context, actor identity.Actor, runID string) (blobID string, err error)
	Terminal(ctx context.Context, actor identity.Actor, conversationID string) (blobID string, err error)
	ResolvePrompt(ctx context.Context, actor identity.Actor, runID string, req api.ResolvePromptRequest) (api.ResolvePromptResponse, error)
	ReportArtifact(ctx context.Context, actor identity.Actor, runID string, req api.ReportedArtifact) (uid string, err error)
	Notify(ctx context.Context, actor identity.Actor, runID, message string) error
	Finish(ctx context.Context, actor identity.Actor, runID string, req api.FinishTaskRequest) error
	Shutdown(ctx context.Context, actor identity.Actor, runID string, req api.ReportShutdownRequest) error
	Update(ctx context.Context, actor identity.Actor, runID string, req api.UpdateRunFromAgentRequest) (run.Run, error)
	UploadSnapshot(ctx context.Context, actor identity.Actor, runID string, req api.SnapshotUploadRequest) ([]blob.Upload, error)
	CommitSnapshot(ctx context.Context, actor identity.Actor, runID string, req api.CommitSnapshotRequest) error
	CreateArtifact(ctx context.Context, actor identity.Actor, req api.CreateFileArtifactRequest) (blob.Upload, error)
	ConfirmArtifact(ctx context.Context, actor identity.Actor, uid string, req api.ConfirmFileArtifactRequest) (run.Artifact, error)
}

// Files is what people give to runs, and what runs leave for their next execution.
type Files interface {
	Handoff(ctx context.Context, actor identity.Actor, files []api.SnapshotFile) (token string, expires time.Time, uploads []blob.Upload, err error)
	PrepareAttachments(ctx context.Context, actor identity.Actor, runID string, files []api.SnapshotFile) ([]blob.Upload, error)
	FindAttachments(ctx context.Context, actor identity.Actor, runID string, ids []string) ([]run.Attachment, error)
	// Attachments and SnapshotFiles list the files of a run that the caller has checked may be seen.
	Attachments(ctx context.Context, r run.Run) ([]run.Attachment, error)
	SnapshotFiles(ctx context.Context, runID string) ([]blob.Upload, error)
}

// RunReader reads runs whoever asks, for checks that come before or without an actor.
type RunReader interface {
	Get(ctx context.Context, runID string) (run.Run, error)
	List(ctx context.Context, q run.Query) (run.Page, error)
}

// History reads what belongs to runs. The caller has checked access to them.
type History interface {
	Artifacts(ctx context.Context, runIDs ...string) (map[string][]run.Artifact, error)
	Artifact(ctx context.Context, uid string) (run.Artifact, error)
}

// Sessions serves readers of sessions: session.Service. The caller has checked access to the run.
type Sessions interface {
	Entries(ctx context.Context, runID string, after int64, limit int) ([]api.Entry, error)
	Follow(ctx context.Context, runID string, after int64) (*session.Viewer, error)
	Heads(ctx context.Context, runIDs []string) (map[string]session.Head, error)
	Conversation(ctx context.Context, runID, conversationID string) (api.ConversationResponse, error)
	Transcript(ctx context.Context, runID string, w io.Writer) error
}

// Shelf keeps shared definitions of one kind: catalog.Shelf. It checks what the actor may reach.
type Shelf[C any] interface {
	Create(ctx context.Context, actor identity.Actor, req catalog.Request[C]) (catalog.Definition[C], error)
	Get(ctx context.Context, actor identity.Actor, uid string) (catalog.Definition[C], error)
	Update(ctx context.Context, actor identity.Actor, uid string, req catalog.Request[C]) (catalog.Definition[C], error)
	Delete(ctx context.Context, actor identity.Actor, uid string) error
	List(ctx context.Context, actor identity.Actor, byName bool) ([]catalog.Definition[C], error)
}

// Environments keeps environments: catalog.Environments.
type Environments interface {
	Shelf[api.CloudEnvironmentConfig]
	LastRuns(ctx context.Context, list ...catalog.Environment) (map[string]api.EnvironmentLastTask, error)
}

// Skills finds the skills of repositories: skill.Service.
type Skills interface {
	List(ctx context.Context, actor identity.Actor, q skill.Query) (api.ListAgentsResponse, error)
}

// RuleBook keeps rules: catalog.RuleBook.
type RuleBook interface {
	List(ctx context.Context, actor identity.Actor) ([]catalog.Rules, error)
	Put(ctx context.Context, actor identity.Actor, req api.RulesRequest, dryRun bool) (catalog.Rules, error)
}

// Applied keeps the records of what was applied: catalog.Record.
type Applied interface {
	Get(ctx context.Context, actor identity.Actor, set string, team *bool) (catalog.Applied, error)
	Put(ctx context.Context, actor identity.Actor, req api.AppliedConfigurationRequest) (catalog.Applied, error)
}

// Kits puts together what a sandbox is given of all that is shared: catalog.Catalog.
type Kits interface {
	Kit(ctx context.Context, config api.AmbientAgentConfig, teamUID, userUID string) (catalog.Kit, error)
}

// Schedules keeps schedules: schedule.Service. It checks what the actor may reach.
type Schedules interface {
	Create(ctx context.Context, actor identity.Actor, req api.CreateScheduledAgentRequest) (schedule.Schedule, error)
	// Plan and PlanUpdate are what Create and Update would store.
	Plan(ctx context.Context, actor identity.Actor, req api.CreateScheduledAgentRequest) (schedule.Schedule, error)
	PlanUpdate(ctx context.Context, actor identity.Actor, id string, req api.UpdateScheduledAgentRequest) (schedule.Schedule, error)
	Get(ctx context.Context, actor identity.Actor, id string) (schedule.Schedule, error)
	List(ctx context.Context, actor identity.Actor) ([]schedule.Schedule, error)
	Update(ctx context.Context, actor identity.Actor, id string, req api.UpdateScheduledAgentRequest) (schedule.Schedule, error)
	SetEnabled(ctx context.Context, actor identity.Actor, id string, enabled bool) (schedule.Schedule, error)
	Delete(ctx context.Context, actor identity.Actor, id string) error
	RunNow(ctx context.Context, actor identity.Actor, id string) (r run.Run, atCapacity bool, err error)
	// History returns what became of ticks, latest first, and the position of the rest.
	History(ctx context.Context, actor identity.Actor, id, cursor string, limit int) ([]schedule.Outcome, string, error)
	Preview(req api.SchedulePreviewRequest) (api.SchedulePreview, error)
}

// Messages is what runs say to each other, and who may follow them: orchestration.Service. It checks what
// the actor may reach.
type Messages interface {
	Send(ctx context.Context, actor identity.Actor, req api.SendMessageRequest, key string) ([]string, error)
	Inbox(ctx context.Context, actor identity.Actor, runID string, unread bool, since time.Time, limit int) ([]run.Message, error)
	Read(ctx context.Context, actor identity.Actor, id string) (run.Message, error)
	Delivered(ctx context.Context, actor identity.Actor, id string) error
	Events(ctx context.Context, actor identity.Actor, runIDs []string, since int64, limit int) ([]run.Event, error)
	// MayFollow returns the runs, each once.
	MayFollow(ctx context.Context, actor identity.Actor, runIDs []string) ([]string, error)
}

// Secrets keeps secrets: secret.Service. It checks what the actor may reach.
type Secrets interface {
	Create(ctx context.Context, actor identity.Actor, req api.CreateSecretRequest) (secret.Secret, error)
	Get(ctx context.Context, actor identity.Actor, uid string) (secret.Secret, error)
	List(ctx context.Context, actor identity.Actor) ([]secret.Secret, error)
	Update(ctx context.Context, actor identity.Actor, uid string, req api.UpdateSecretRequest) (secret.Secret, error)
	Delete(ctx context.Context, actor identity.Actor, uid string) error
	// Uses returns which runs received it, latest first, and the position of the rest.
	Uses(ctx context.Context, actor identity.Actor, uid, cursor string, limit int) ([]secret.Use, string, error)
}

// MasterKeys changes what secrets are sealed by: secret.Keyring.
type MasterKeys interface {
	Rotation(ctx context.Context, actor identity.Actor) (secret.RotationState, error)
	Rotate(ctx context.Context, actor identity.Actor, id string) (secret.RotationState, error)
}

// Blobs finds bytes: blob.Service.
type Blobs interface {
	Stat(ctx context.Context, id string) (blob.Meta, error)
	Open(ctx context.Context, id string) (blob.Meta, io.ReadCloser, error)
	// Upload finds a promise to take a file, and Receive takes it.
	Upload(ctx context.Context, id string) (blob.Upload, error)
	Receive(ctx context.Context, u blob.Upload, r io.Reader) (m blob.Meta, crc32c uint32, err error)
}

// Ledger lists model calls.
type Ledger interface {
	Calls(ctx context.Context, runID string) ([]usage.Call, error)
}

// Summaries counts what runs came to: usage.Summaries.
type Summaries interface {
	Summary(ctx context.Context, actor identity.Actor, q usage.Question) (api.UsageSummary, error)
}

// Models knows the models runs may use.
type Models interface {
	List(ctx context.Context) api.ListModelsResponse
	// ForRunner says how a runner that reaches this server at root speaks to the model of its run.
	ForRunner(ctx context.Context, r run.Run, root string) (api.RunnerModel, error)
}

// Workers knows the connected workers.
type Workers interface {
	List(actor identity.Actor) []api.ConnectedWorker
	// Check refuses a connection before it is made.
	Check(w WorkerConn) error
	// Serve runs a connection until it ends, and says why it did.
	Serve(ctx context.Context, t Transport, w WorkerConn) error
}

// Issuer makes tokens by which runs are known to others: issuer.Service.
type Issuer interface {
	Issue(ctx context.Context, b issuer.Bearer, req api.IdentityTokenRequest) (issuer.Token, error)
	Keys(ctx context.Context) (issuer.Document, error)
	Discovery() (issuer.Document, error)
}
