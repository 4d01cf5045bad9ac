// Package agent owns the named identities of teams (service accounts): who they are, what their runs
// are made from, and what a team's runs default to when neither they nor their agent say. It refuses
// to start runs or to authenticate: run and identity ask it.
package agent

import (
	"cmp"
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Agent is a named identity of a team. Times are UTC with microsecond precision.
type Agent struct {
	UID     string
	TeamUID string
	Name    string // no two of a team have the same
	// Default marks the agent every team has from its first day.
	Default bool
	Definition
	Creator, Editor      api.UserProfile
	CreatedAt, UpdatedAt time.Time
	// Older is how many agents of the team were created before it. The store counts.
	Older int
}

// Definition is what people say of an agent beside its name. It is stored as JSON, so that a new
// member needs no migration.
type Definition struct {
	Description        string                         `json:"description,omitzero"`
	Type               api.AgentType                  `json:"type,omitzero"`
	Prompt             string                         `json:"prompt,omitzero"`
	Secrets            []string                       `json:"secrets,omitzero"` // names
	Skills             []string                       `json:"skills,omitzero"`  // as Normalize makes them
	MCP                map[string]api.MCPServerConfig `json:"mcp,omitzero"`
	Harness            api.Harness                    `json:"harness,omitzero"`
	HarnessAuthSecrets api.HarnessAuthSecrets         `json:"harness_auth_secrets,omitzero"`
	InferenceProviders api.InferenceProviders         `json:"inference_providers,omitzero"`
	Model              string                         `json:"model,omitzero"` // of the built-in harness only
	EnvironmentID      string                         `json:"environment_id,omitzero"`
	WorkerHost         string                         `json:"worker_host,omitzero"`
	RunnerUID          string                         `json:"runner_uid,omitzero"`
	FactoryUID         string                         `json:"factory_uid,omitzero"`
	CredentialStrategy api.CredentialStrategy         `json:"credential_strategy,omitzero"`
	// Stores are memory stores its runs may use beside its own.
	Stores []api.MemoryStoreRef `json:"stores,omitzero"`
	// OwnStore is the store the agent got when it was created; zero when it was to have none.
	OwnStore OwnStore `json:"own_store,omitzero"`
	// OnBehalfOf lets its keys start runs for people of the team.
	OnBehalfOf bool `json:"on_behalf_of,omitzero"`
}

// OwnStore is what an agent itself remembers. Its row is made with the agent.
type OwnStore struct {
	UID         string `json:"uid,omitzero"`
	Description string `json:"description,omitzero"`
}

// ownInstructions say how an agent uses its own store.
const ownInstructions = "What you learned in earlier runs. Look here before you start, and keep what will help later ones."

// Memory lists the memory stores its runs may use, its own first.
func (d Definition) Memory() []api.MemoryStoreRef {
	if d.OwnStore.UID == "" {
		return d.Stores
	}
	own := api.MemoryStoreRef{Uid: d.OwnStore.UID, Access: api.MemoryStoreRefAccessReadWrite, Instructions: ownInstructions}
	return append([]api.MemoryStoreRef{own}, d.Stores...)
}

// Profile is the agent as shown to others.
func (a Agent) Profile() api.UserProfile {
	return api.UserProfile{Type: api.UserProfileTypeServiceAccount, Uid: a.UID, DisplayName: a.Name}
}

// Defaults are what a team's runs get when neither their request nor their agent says; empty members
// leave it to the server.
type Defaults struct {
	Model         string `json:"model,omitzero"`
	EnvironmentID string `json:"environment_id,omitzero"`
	WorkerHost    string `json:"worker_host,omitzero"`
	// MaxConcurrentRuns is how many runs of the team may work at once.
	MaxConcurrentRuns int `json:"max_concurrent_runs,omitzero"`
}

// Store keeps agents and defaults. Every method that changes something is one transaction; a decide
// function is called with the row locked, perhaps more than once, and its error undoes everything.
// An agent that is unknown or deleted is resource_not_found.
type Store interface {
	// Insert stores a new agent, and with it the memory store of its own. It refuses one with a name the team has already, and one more than
	// limit of them.
	Insert(ctx context.Context, a Agent, limit int) error
	Get(ctx context.Context, uid string) (Agent, error)
	// List returns a team's agents, oldest first.
	List(ctx context.Context, teamUID string) ([]Agent, error)
	// Change stores what decide makes of an agent, but for its uid, team and creation.
	Change(ctx context.Context, uid string, decide func(*Agent) error) (Agent, error)
	// Delete hides an agent for good and revokes its API keys with it.
	Delete(ctx context.Context, uid string, decide func(Agent) error, at time.Time) error
	Defaults(ctx context.Context, teamUID string) (Defaults, error)
	ChangeDefaults(ctx context.Context, teamUID string, decide func(*Defaults) error) (Defaults, error)
}

// Wire shows an agent as the API does.
func (s *Service) Wire(a Agent) api.AgentResponse {
	w := api.AgentResponse{
		Uid: a.UID, Name: a.Name, Description: a.Description, Available: s.available(a), IsDefault: a.Default,
		CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, AgentType: a.Type, Prompt: a.Prompt,
		Secrets: make([]api.SecretRef, 0, len(a.Secrets)), Skills: append([]string{}, a.Skills...), McpServers: a.MCP,
		BaseModel: a.Model, Harness: a.Harness, HarnessAuthSecrets: a.HarnessAuthSecrets,
		InferenceProviders: a.InferenceProviders, EnvironmentId: a.EnvironmentID, WorkerHost: a.WorkerHost,
		DefaultRunnerUid: a.RunnerUID, FactoryUid: a.FactoryUID, OnBehalfOfEnabled: a.OnBehalfOf,
		CredentialStrategy: cmp.Or(a.CredentialStrategy, api.CredentialStrategyEXECUTOR),
		Memory: api.AgentMemory{
			AttachedStores: append([]api.MemoryStoreRef{}, a.Stores...), AutoMemory: api.AgentAutoMemory{Enabled: a.OwnStore.UID != ""},
		},
	}
	w.BaseHarness = string(a.Harness.Type) //nolint:staticcheck // deprecated on the wire, but clients that are about read it
	if a.OwnStore.UID != "" {
		w.Memory.AutoMemory.Store = api.AutoMemoryStore{
			Uid: a.OwnStore.UID, Access: api.AutoMemoryStoreAccessReadWrite, Instructions: ownInstructions,
			OwnerType: api.MemoryOwnerTypeServiceAccount, OwnerUid: a.UID, Description: a.OwnStore.Description,
		}
	}
	for _, name := range a.Secrets {
		w.Secrets = append(w.Secrets, api.SecretRef{Name: name})
	}
	return w
}

// Wire is the defaults as the API shows them.
func (d Defaults) Wire() api.TeamDefaults {
	return api.TeamDefaults{
		ModelId: d.Model, EnvironmentId: d.EnvironmentID, WorkerHost: d.WorkerHost, MaxConcurrentRuns: d.MaxConcurrentRuns,
	}
}
