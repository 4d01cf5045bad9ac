package api

import (
	"encoding/json"
	"time"
)

// WorkerPath is where workers connect by WebSocket (contract worker-protocol section 1).
const WorkerPath = BasePath + "/selfhosted/worker/ws"

// WorkerMessageType names a message between server and worker.
type WorkerMessageType string

// The messages of the worker protocol. WorkerHello and WorkerHeartbeat are Cadre's additions; a
// worker that never sends them is served all the same.
const (
	WorkerAssignment   WorkerMessageType = "task_assignment"   // server to worker
	WorkerCancellation WorkerMessageType = "task_cancellation" // server to worker
	WorkerClaimed      WorkerMessageType = "task_claimed"      // worker to server
	WorkerRejected     WorkerMessageType = "task_rejected"     // worker to server
	WorkerCompleted    WorkerMessageType = "task_completed"    // worker to server
	WorkerFailed       WorkerMessageType = "task_failed"       // worker to server
	WorkerHello        WorkerMessageType = "worker_hello"      // worker to server, once per connection
	WorkerHeartbeat    WorkerMessageType = "heartbeat"         // worker to server
)

// WorkerEnvelope frames every message: one JSON object per WebSocket text frame.
type WorkerEnvelope struct {
	Type WorkerMessageType `json:"type"`
	Data json.RawMessage   `json:"data,omitempty"`
}

// TaskAssignment hands an execution to a worker (contract worker-protocol section 3).
type TaskAssignment struct {
	TaskID             string            `json:"task_id"`
	ExecutionID        string            `json:"execution_id,omitempty"`
	Task               *WorkerTask       `json:"task"`
	DockerImage        string            `json:"docker_image,omitempty"`
	SidecarImage       string            `json:"sidecar_image,omitempty"`
	EnvVars            map[string]string `json:"env_vars,omitempty"`
	AdditionalSidecars []Sidecar         `json:"additional_sidecars,omitempty"`
	AdditionalOzArgs   []string          `json:"additional_oz_args,omitempty"`
	InstanceShape      *InstanceShape    `json:"instance_shape,omitempty"`
}

// WorkerTask is the run as a worker sees it. The prompt's text is for information: the runner
// fetches what it needs by run id.
type WorkerTask struct {
	ID                  string           `json:"id"`
	Title               string           `json:"title"`
	TaskDefinition      TaskDefinition   `json:"task_definition"`
	CreatedAt           time.Time        `json:"created_at"`
	UpdatedAt           time.Time        `json:"updated_at"`
	Owner               TaskOwner        `json:"owner"`
	AgentConfigSnapshot *json.RawMessage `json:"agent_config_snapshot,omitempty"`
	AgentConversationID string           `json:"agent_conversation_id,omitempty"`
}

// TaskDefinition holds the prompt.
type TaskDefinition struct {
	Prompt string `json:"prompt"`
}

// TaskOwner is the owner of a task; the contract capitalises its keys.
type TaskOwner struct {
	Type string `json:"Type"`
	ID   int64  `json:"Id"`
}

// Sidecar is an image whose file system is mounted into the sandbox.
type Sidecar struct {
	Image     string `json:"image"`
	MountPath string `json:"mount_path"`
	ReadWrite bool   `json:"read_write,omitempty"`
}

// InstanceShape is the size of the sandbox; values that are not positive are unset.
type InstanceShape struct {
	VCPUs    int `json:"vcpus,omitempty"`
	MemoryGB int `json:"memory_gb,omitempty"`
}

// TaskReport is the data of every message a worker sends about a task. Which members are set
// depends on the message (contract worker-protocol section 2). ExecutionID is Cadre's addition; a
// report without it is matched to the execution assigned to the connection.
type TaskReport struct {
	TaskID        string `json:"task_id"`
	ExecutionID   string `json:"execution_id,omitempty"`
	WorkerID      string `json:"worker_id,omitempty"`
	Reason        string `json:"reason,omitempty"`
	Message       string `json:"message,omitempty"`
	FailureReason string `json:"failure_reason,omitempty"`
	ExitCode      int    `json:"exit_code,omitempty"`
	TaskState     string `json:"task_state,omitempty"`
}

// TaskCancellation asks a worker to stop a task. TaskID is empty when a worker named an execution that
// the server does not know; ExecutionID says which then. Without ExecutionID it means whatever the
// worker runs of the task.
type TaskCancellation struct {
	TaskID      string `json:"task_id"`
	ExecutionID string `json:"execution_id,omitempty"`
}

// Hello tells the server about a worker. Capacity 0 is without bound. Running lists the executions
// the worker still carries out, so that a reconnecting worker keeps their leases.
type Hello struct {
	Version  string   `json:"version"`
	Backend  string   `json:"backend"`
	Capacity int      `json:"capacity"`
	Running  []string `json:"running,omitempty"`
}

// Heartbeat renews the leases of the executions a worker carries out.
type Heartbeat struct {
	Running []string `json:"running"`
}
