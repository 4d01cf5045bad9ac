package httpapi

import (
	"net/http"

	"github.com/cadrehq/cadre/internal/identity"
)

// reach says how far a run token gets with an operation. People and agents are bounded by what their
// team owns, which the services check.
type reach int

const (
	// outOfReach operations refuse run tokens.
	outOfReach reach = iota
	// ownRun operations serve a run token for the run in their path, if it is the token's own or
	// descends from it, which the run service knows.
	ownRun
	// shared operations serve a run token like anybody: the catalogue, or starting children.
	shared
	// speaks operations serve a run token for its own run alone, which the run service checks: it may leave
	// out which, and its execution must be live.
	speaks
	// execution operations are the runner's. The service fences them in its own transaction.
	execution
)

// public marks operations that need no credential.
const public identity.Permission = ""

// operation is a row of the route table.
type operation struct {
	id         string // operationId of openapi.yaml
	method     string
	path       string // below api.BasePath
	permission identity.Permission
	reach      reach
	body       bodySize
}

// operations is the one table of operations: where they are, what they demand, who reaches them.
// Every operation of openapi.yaml is in it, and an operation that is not is not served.
var operations = []operation{
	{"createRun", http.MethodPost, "/agent/runs", identity.PermCreate, shared, bodyLarge},
	{"createRunAlias", http.MethodPost, "/agent/run", identity.PermCreate, shared, bodyLarge},
	{"createLocalRun", http.MethodPost, "/agent/local-runs", identity.PermCreate, shared, bodySmall},
	{"listRuns", http.MethodGet, "/agent/runs", identity.PermRead, shared, bodyNone},
	{"streamRuns", http.MethodGet, "/agent/runs/stream", identity.PermRead, outOfReach, bodyNone},
	{"getRun", http.MethodGet, "/agent/runs/{runId}", identity.PermRead, ownRun, bodyNone},
	{"cancelRun", http.MethodPost, "/agent/runs/{runId}/cancel", identity.PermSteer, outOfReach, bodySmall},
	{"forkRun", http.MethodPost, "/agent/runs/{runId}/fork", identity.PermCreate, outOfReach, bodyLarge},
	{"retryRun", http.MethodPost, "/agent/runs/{runId}/retry", identity.PermSteer, outOfReach, bodySmall},
	{"forkConversation", http.MethodPost, "/agent/conversations/{conversationId}/fork", identity.PermCreate, outOfReach, bodySmall},
	{"archiveRun", http.MethodPost, "/agent/runs/{runId}/archive", identity.PermSteer, outOfReach, bodySmall},
	{"unarchiveRun", http.MethodPost, "/agent/runs/{runId}/unarchive", identity.PermSteer, outOfReach, bodySmall},
	{"deleteRun", http.MethodDelete, "/agent/runs/{runId}", identity.PermSteer, outOfReach, bodyNone},
	{"archiveRuns", http.MethodPost, "/agent/runs/archive", identity.PermSteer, outOfReach, bodySmall},
	{"unarchiveRuns", http.MethodPost, "/agent/runs/unarchive", identity.PermSteer, outOfReach, bodySmall},
	{"deleteRuns", http.MethodPost, "/agent/runs/delete", identity.PermSteer, outOfReach, bodySmall},
	{"cancelTask", http.MethodPost, "/agent/tasks/{runId}/cancel", identity.PermSteer, outOfReach, bodySmall},
	{"followUpRun", http.MethodPost, "/agent/runs/{runId}/followups", identity.PermSteer, outOfReach, bodySmall},
	{"interruptRun", http.MethodPost, "/agent/runs/{runId}/interrupt", identity.PermSteer, outOfReach, bodySmall},
	{"getTimeline", http.MethodGet, "/agent/runs/{runId}/timeline", identity.PermRead, ownRun, bodyNone},
	{"issueIdentityToken", http.MethodPost, "/agent/runs/{runId}/identity-token", identity.PermRunner, ownRun, bodySmall},
	{"listUsage", http.MethodGet, "/agent/runs/{runId}/usage", identity.PermRead, ownRun, bodyNone},
	{"summarizeUsage", http.MethodGet, "/usage/summary", identity.PermRead, outOfReach, bodyNone},
	{"listArtifacts", http.MethodGet, "/agent/runs/{runId}/artifacts", identity.PermRead, ownRun, bodyNone},
	{"listHandoffAttachments", http.MethodGet, "/agent/runs/{runId}/handoff/attachments", identity.PermRead, ownRun, bodyNone},
	{"getArtifact", http.MethodGet, "/agent/artifacts/{artifactUid}", identity.PermRead, shared, bodyNone},

	{"listRequests", http.MethodGet, "/agent/runs/{runId}/requests", identity.PermRead, ownRun, bodyNone},
	{"answerRequest", http.MethodPost, "/agent/runs/{runId}/requests/{requestId}/answer", identity.PermSteer, outOfReach, bodySmall},
	{"listEntries", http.MethodGet, "/agent/runs/{runId}/entries", identity.PermRead, ownRun, bodyNone},
	{"streamRun", http.MethodGet, "/agent/runs/{runId}/stream", identity.PermRead, ownRun, bodyNone},
	{"getRunConversation", http.MethodGet, "/agent/runs/{runId}/conversation", identity.PermRead, ownRun, bodyNone},
	{"getConversation", http.MethodGet, "/agent/conversations/{conversationId}", identity.PermRead, shared, bodyNone},
	{"getRunBlob", http.MethodGet, "/agent/runs/{runId}/blobs/{blobId}", identity.PermRead, ownRun, bodyNone},
	{"getTranscript", http.MethodGet, "/agent/runs/{runId}/transcript", identity.PermRead, ownRun, bodyNone},
	{"redirectConversation", http.MethodGet, "/agent/conversations/{conversationId}/redirect", public, shared, bodyNone},
	{"redirectSession", http.MethodGet, "/agent/sessions/{sessionUuid}/redirect", public, shared, bodyNone},
	{"downloadTranscript", http.MethodGet, "/transcripts/{runId}", public, shared, bodyNone},
	{"getBlob", http.MethodGet, "/blobs/{blobId}", public, shared, bodyNone},
	{"renameConversation", http.MethodPost, "/agent/conversations/{conversationId}/rename", identity.PermSteer, outOfReach, bodySmall},
	{"getBlockSnapshot", http.MethodGet, "/agent/conversations/{conversationId}/block-snapshot", identity.PermRead, shared, bodyNone},

	{"putUpload", http.MethodPut, "/uploads/{uploadId}", public, shared, bodyStream},
	{"uploadHandoffSnapshot", http.MethodPost, "/agent/handoff/upload-snapshot", identity.PermCreate, shared, bodySmall},
	{"listAttachments", http.MethodGet, "/agent/runs/{runId}/attachments", identity.PermRead, ownRun, bodyNone},
	{"prepareAttachments", http.MethodPost, "/agent/runs/{runId}/attachments/prepare", identity.PermSteer, outOfReach, bodySmall},
	{"downloadAttachments", http.MethodPost, "/agent/runs/{runId}/attachments/download", identity.PermRead, ownRun, bodySmall},
	{"updateRunFromAgent", http.MethodPost, "/agent/runs/{runId}/update", identity.PermReport, speaks, bodySmall},
	{"createFileArtifact", http.MethodPost, "/agent/artifacts", identity.PermReport, speaks, bodySmall},
	{"confirmFileArtifact", http.MethodPost, "/agent/artifacts/{artifactUid}/confirm", identity.PermReport, speaks, bodySmall},
	{"createExternalConversation", http.MethodPost, "/harness-support/external-conversation", identity.PermReport, speaks, bodySmall},
	{"uploadHarnessTranscript", http.MethodPost, "/harness-support/transcript", identity.PermReport, speaks, bodySmall},
	{"getHarnessTranscript", http.MethodGet, "/harness-support/transcript", identity.PermReport, speaks, bodyNone},
	{"uploadBlockSnapshot", http.MethodPost, "/harness-support/block-snapshot", identity.PermReport, speaks, bodySmall},
	{"resolvePrompt", http.MethodPost, "/harness-support/resolve-prompt", identity.PermReport, speaks, bodySmall},
	{"reportArtifact", http.MethodPost, "/harness-support/report-artifact", identity.PermReport, speaks, bodySmall},
	{"notifyUser", http.MethodPost, "/harness-support/notify-user", identity.PermReport, speaks, bodySmall},
	{"finishTask", http.MethodPost, "/harness-support/finish-task", identity.PermReport, speaks, bodySmall},
	{"reportShutdown", http.MethodPost, "/harness-support/report-shutdown", identity.PermReport, speaks, bodySmall},
	{"uploadSnapshot", http.MethodPost, "/harness-support/upload-snapshot", identity.PermReport, speaks, bodySmall},
	{"commitSnapshot", http.MethodPost, "/harness-support/commit-snapshot", identity.PermReport, speaks, bodySmall},

	{"listModels", http.MethodGet, "/agent/models", identity.PermRead, shared, bodyNone},
	{"listSkills", http.MethodGet, "/agent", identity.PermRead, shared, bodyNone},
	{"listEnvironments", http.MethodGet, "/agent/environments", identity.PermRead, shared, bodyNone},
	{"createEnvironment", http.MethodPost, "/agent/environments", identity.PermManage, outOfReach, bodySmall},
	{"getEnvironment", http.MethodGet, "/agent/environments/{environmentId}", identity.PermRead, shared, bodyNone},
	{"updateEnvironment", http.MethodPut, "/agent/environments/{environmentId}", identity.PermManage, outOfReach, bodySmall},
	{"deleteEnvironment", http.MethodDelete, "/agent/environments/{environmentId}", identity.PermManage, outOfReach, bodyNone},
	{"listAgentIdentities", http.MethodGet, "/agent/identities", identity.PermRead, outOfReach, bodyNone},
	{"createAgentIdentity", http.MethodPost, "/agent/identities", identity.PermEmploy, outOfReach, bodySmall},
	{"getAgentIdentity", http.MethodGet, "/agent/identities/{agentUid}", identity.PermRead, outOfReach, bodyNone},
	{"updateAgentIdentity", http.MethodPut, "/agent/identities/{agentUid}", identity.PermEmploy, outOfReach, bodySmall},
	{"deleteAgentIdentity", http.MethodDelete, "/agent/identities/{agentUid}", identity.PermEmploy, outOfReach, bodyNone},
	{"listRunners", http.MethodGet, "/runners", identity.PermRead, shared, bodyNone},
	{"createRunner", http.MethodPost, "/runners", identity.PermManage, outOfReach, bodySmall},
	{"getRunner", http.MethodGet, "/runners/{runnerUid}", identity.PermRead, shared, bodyNone},
	{"updateRunner", http.MethodPut, "/runners/{runnerUid}", identity.PermManage, outOfReach, bodySmall},
	{"deleteRunner", http.MethodDelete, "/runners/{runnerUid}", identity.PermManage, outOfReach, bodyNone},
	{"listPrompts", http.MethodGet, "/prompts", identity.PermRead, shared, bodyNone},
	{"createPrompt", http.MethodPost, "/prompts", identity.PermManage, outOfReach, bodySmall},
	{"getPrompt", http.MethodGet, "/prompts/{promptUid}", identity.PermRead, shared, bodyNone},
	{"updatePrompt", http.MethodPut, "/prompts/{promptUid}", identity.PermManage, outOfReach, bodySmall},
	{"deletePrompt", http.MethodDelete, "/prompts/{promptUid}", identity.PermManage, outOfReach, bodyNone},
	{"listMcpServers", http.MethodGet, "/mcp-servers", identity.PermRead, shared, bodyNone},
	{"createMcpServer", http.MethodPost, "/mcp-servers", identity.PermManage, outOfReach, bodySmall},
	{"getMcpServer", http.MethodGet, "/mcp-servers/{serverUid}", identity.PermRead, shared, bodyNone},
	{"updateMcpServer", http.MethodPut, "/mcp-servers/{serverUid}", identity.PermManage, outOfReach, bodySmall},
	{"deleteMcpServer", http.MethodDelete, "/mcp-servers/{serverUid}", identity.PermManage, outOfReach, bodyNone},
	{"getRules", http.MethodGet, "/rules", identity.PermRead, outOfReach, bodyNone},
	{"putRules", http.MethodPut, "/rules", identity.PermManage, outOfReach, bodySmall},
	{"listBaseImages", http.MethodGet, "/base-images", identity.PermRead, shared, bodyNone},
	{"getAppliedConfiguration", http.MethodGet, "/applied-configuration", identity.PermRead, outOfReach, bodyNone},
	{"putAppliedConfiguration", http.MethodPut, "/applied-configuration", identity.PermManage, outOfReach, bodySmall},
	{"listSchedules", http.MethodGet, "/agent/schedules", identity.PermRead, outOfReach, bodyNone},
	{"createSchedule", http.MethodPost, "/agent/schedules", identity.PermCreate, outOfReach, bodySmall},
	{"previewSchedule", http.MethodPost, "/agent/schedules/preview", identity.PermRead, shared, bodySmall},
	{"getSchedule", http.MethodGet, "/agent/schedules/{scheduleId}", identity.PermRead, outOfReach, bodyNone},
	{"updateSchedule", http.MethodPut, "/agent/schedules/{scheduleId}", identity.PermCreate, outOfReach, bodySmall},
	{"deleteSchedule", http.MethodDelete, "/agent/schedules/{scheduleId}", identity.PermCreate, outOfReach, bodyNone},
	{"pauseSchedule", http.MethodPost, "/agent/schedules/{scheduleId}/pause", identity.PermCreate, outOfReach, bodySmall},
	{"resumeSchedule", http.MethodPost, "/agent/schedules/{scheduleId}/resume", identity.PermCreate, outOfReach, bodySmall},
	{"runSchedule", http.MethodPost, "/agent/schedules/{scheduleId}/run", identity.PermCreate, outOfReach, bodySmall},
	{"listScheduleTicks", http.MethodGet, "/agent/schedules/{scheduleId}/history", identity.PermRead, outOfReach, bodyNone},
	{"sendMessage", http.MethodPost, "/agent/messages", identity.PermMessage, shared, bodySmall},
	{"listMessages", http.MethodGet, "/agent/messages/{runId}", identity.PermRead, shared, bodyNone},
	{"readMessage", http.MethodPost, "/agent/messages/{messageId}/read", identity.PermMessage, shared, bodySmall},
	{"markMessageDelivered", http.MethodPost, "/agent/messages/{messageId}/delivered", identity.PermMessage, shared, bodySmall},
	{"listEvents", http.MethodGet, "/agent/events", identity.PermRead, shared, bodyNone},
	{"streamEvents", http.MethodGet, "/agent/events/stream", identity.PermRead, shared, bodyNone},
	{"reportEvent", http.MethodPost, "/agent/events/{runId}", identity.PermMessage, ownRun, bodySmall},
	{"setEventSequence", http.MethodPatch, "/agent/runs/{runId}/event-sequence", identity.PermMessage, ownRun, bodySmall},
	{"reportClientEvent", http.MethodPost, "/agent/runs/{runId}/client-events", identity.PermMessage, ownRun, bodySmall},
	{"listSecrets", http.MethodGet, "/secrets", identity.PermRead, outOfReach, bodyNone},
	{"createSecret", http.MethodPost, "/secrets", identity.PermManage, outOfReach, bodySmall},
	{"getSecret", http.MethodGet, "/secrets/{secretUid}", identity.PermRead, outOfReach, bodyNone},
	{"updateSecret", http.MethodPut, "/secrets/{secretUid}", identity.PermManage, outOfReach, bodySmall},
	{"deleteSecret", http.MethodDelete, "/secrets/{secretUid}", identity.PermManage, outOfReach, bodyNone},
	{"listSecretUses", http.MethodGet, "/secrets/{secretUid}/uses", identity.PermRead, outOfReach, bodyNone},
	{"getMasterKey", http.MethodGet, "/master-key", identity.PermOperate, outOfReach, bodyNone},
	{"rotateMasterKey", http.MethodPost, "/master-key/rotate", identity.PermOperate, outOfReach, bodySmall},
	{"listWorkers", http.MethodGet, "/agent/connected-self-hosted-workers", identity.PermRead, outOfReach, bodyNone},
	{"whoami", http.MethodGet, "/whoami", identity.PermSelf, shared, bodyNone},

	{"updateMe", http.MethodPut, "/me", identity.PermAccount, outOfReach, bodySmall},
	{"setPassword", http.MethodPut, "/me/password", identity.PermAccount, outOfReach, bodySmall},
	{"chooseTeam", http.MethodPut, "/me/team", identity.PermAccount, outOfReach, bodySmall},
	{"leaveTeam", http.MethodDelete, "/me/teams/{teamUid}", identity.PermAccount, outOfReach, bodyNone},
	{"listSignIns", http.MethodGet, "/me/sign-ins", identity.PermAccount, outOfReach, bodyNone},
	{"endSignIn", http.MethodDelete, "/me/sign-ins/{signInUid}", identity.PermAccount, outOfReach, bodyNone},
	{"listApiKeys", http.MethodGet, "/api-keys", identity.PermAccount, outOfReach, bodyNone},
	{"createApiKey", http.MethodPost, "/api-keys", identity.PermAccount, outOfReach, bodySmall},
	{"renameApiKey", http.MethodPut, "/api-keys/{keyUid}", identity.PermAccount, outOfReach, bodySmall},
	{"revokeApiKey", http.MethodDelete, "/api-keys/{keyUid}", identity.PermAccount, outOfReach, bodyNone},
	{"listTeams", http.MethodGet, "/teams", identity.PermSelf, outOfReach, bodyNone},
	{"createTeam", http.MethodPost, "/teams", identity.PermOperate, outOfReach, bodySmall},
	{"getTeam", http.MethodGet, "/teams/{teamUid}", identity.PermRead, outOfReach, bodyNone},
	{"renameTeam", http.MethodPut, "/teams/{teamUid}", identity.PermAdminister, outOfReach, bodySmall},
	{"getTeamDefaults", http.MethodGet, "/teams/{teamUid}/defaults", identity.PermRead, outOfReach, bodyNone},
	{"updateTeamDefaults", http.MethodPut, "/teams/{teamUid}/defaults", identity.PermAdminister, outOfReach, bodySmall},
	{"listMembers", http.MethodGet, "/teams/{teamUid}/members", identity.PermRead, outOfReach, bodyNone},
	{"setMemberRole", http.MethodPut, "/teams/{teamUid}/members/{userUid}", identity.PermAdminister, outOfReach, bodySmall},
	{"removeMember", http.MethodDelete, "/teams/{teamUid}/members/{userUid}", identity.PermAdminister, outOfReach, bodyNone},
	{"listInvitations", http.MethodGet, "/teams/{teamUid}/invitations", identity.PermAdminister, outOfReach, bodyNone},
	{"createInvitation", http.MethodPost, "/teams/{teamUid}/invitations", identity.PermAdminister, outOfReach, bodySmall},
	{"revokeInvitation", http.MethodDelete, "/teams/{teamUid}/invitations/{invitationUid}", identity.PermAdminister, outOfReach, bodyNone},
	{"listUsers", http.MethodGet, "/users", identity.PermOperate, outOfReach, bodyNone},
	{"disableUser", http.MethodPost, "/users/{userUid}/disable", identity.PermOperate, outOfReach, bodySmall},
	{"enableUser", http.MethodPost, "/users/{userUid}/enable", identity.PermOperate, outOfReach, bodySmall},
	{"makeOperator", http.MethodPut, "/users/{userUid}/operator", identity.PermOperate, outOfReach, bodySmall},
	{"unmakeOperator", http.MethodDelete, "/users/{userUid}/operator", identity.PermOperate, outOfReach, bodyNone},
	{"createSignInLink", http.MethodPost, "/users/{userUid}/sign-in-link", identity.PermAccount, outOfReach, bodySmall},

	{"listMemoryStores", http.MethodGet, "/memory_stores", identity.PermRead, shared, bodyNone},
	{"createMemoryStore", http.MethodPost, "/memory_stores", identity.PermManage, outOfReach, bodySmall},
	{"getMemoryStore", http.MethodGet, "/memory_stores/{storeUid}", identity.PermRead, shared, bodyNone},
	{"updateMemoryStore", http.MethodPut, "/memory_stores/{storeUid}", identity.PermManage, outOfReach, bodySmall},
	{"listMemoryStoreAgents", http.MethodGet, "/memory_stores/{storeUid}/agents", identity.PermRead, outOfReach, bodyNone},
	{"listMemories", http.MethodGet, "/memory_stores/{storeUid}/memories", identity.PermRead, shared, bodyNone},
	{"createMemory", http.MethodPost, "/memory_stores/{storeUid}/memories", identity.PermCreate, shared, bodySmall},
	{"updateMemory", http.MethodPut, "/memory_stores/{storeUid}/memories/{memoryUid}", identity.PermCreate, shared, bodySmall},
	{"deleteMemory", http.MethodDelete, "/memory_stores/{storeUid}/memories/{memoryUid}", identity.PermCreate, shared, bodyNone},
	{"listMemoryVersions", http.MethodGet, "/memory_stores/{storeUid}/memories/{memoryUid}/versions", identity.PermRead, shared, bodyNone},

	{"runnerStart", http.MethodPost, "/runner/start", identity.PermRunner, execution, bodySmall},
	{"runnerAppend", http.MethodPost, "/runner/entries", identity.PermRunner, execution, bodyBatch},
	{"runnerDeltas", http.MethodPost, "/runner/deltas", identity.PermRunner, execution, bodySmall},
	{"runnerSecrets", http.MethodPost, "/runner/secrets", identity.PermRunner, execution, bodySmall},
	{"runnerHeartbeat", http.MethodPost, "/runner/heartbeat", identity.PermRunner, execution, bodySmall},
	{"runnerCommands", http.MethodGet, "/runner/commands/stream", identity.PermRunner, execution, bodyNone},
	{"runnerPutBlob", http.MethodPost, "/runner/blobs", identity.PermRunner, execution, bodyStream},
	{"runnerEnd", http.MethodPost, "/runner/end", identity.PermRunner, execution, bodySmall},
}
