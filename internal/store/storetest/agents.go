package storetest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/identity"
)

// somebody is an agent with every member set.
func somebody(teamUID, name string, at time.Time) agent.Agent {
	return agent.Agent{
		UID: newID(), TeamUID: teamUID, Name: name, Creator: api.UserProfile{Uid: "c"}, Editor: api.UserProfile{Uid: "e"},
		CreatedAt: at, UpdatedAt: at.Add(time.Second),
		Definition: agent.Definition{
			Description: "d", Type: api.AgentTypeREVIEW, Prompt: "p", Secrets: []string{"A"}, Skills: []string{"s"},
			MCP:     map[string]api.MCPServerConfig{"m": {Command: "c", Args: []string{"a"}}},
			Harness: api.Harness{Type: api.HarnessTypeClaude, ModelId: "x"}, HarnessAuthSecrets: api.HarnessAuthSecrets{ClaudeAuthSecretName: "n"},
			InferenceProviders: api.InferenceProviders{Aws: api.AwsInferenceProvider{Region: "r"}}, Model: "m", EnvironmentID: "env",
			WorkerHost: "h", RunnerUID: "r", FactoryUID: "f", CredentialStrategy: api.CredentialStrategyCREATOR, OnBehalfOf: true,
		},
	}
}

func testAgents(b *bundle) {
	first, second, foreign := somebody(red.UID, "one", noon), somebody(red.UID, "two", noon.Add(time.Second)), somebody(blue.UID, "one", noon)
	for _, a := range []agent.Agent{second, first, foreign} {
		b.ok(b.agents.Insert(b.ctx, a, 2))
	}
	second.Older = 1
	b.code(b.agents.Insert(b.ctx, somebody(red.UID, "three", noon), 2), api.PlatformErrorCodeOperationNotSupported)
	b.code(b.agents.Insert(b.ctx, somebody(red.UID, "two", noon), 9), api.PlatformErrorCodeInvalidRequest)
	list, err := b.agents.List(b.ctx, red.UID)
	b.ok(err)
	same(b, "list", list, []agent.Agent{first, second})
	got, err := b.agents.Get(b.ctx, second.UID)
	b.ok(err)
	same(b, "agent", got, second)

	_, err = b.agents.Change(b.ctx, second.UID, func(a *agent.Agent) error { a.Name = "one"; return nil })
	b.code(err, api.PlatformErrorCodeInvalidRequest)
	changed, err := b.agents.Change(b.ctx, second.UID, func(a *agent.Agent) error { a.Name, a.Definition = "2", agent.Definition{Prompt: "q"}; return nil })
	b.ok(err)
	second.Name, second.Definition = "2", agent.Definition{Prompt: "q"}
	same(b, "changed", changed, second)
	refused := errors.New("refused")
	if _, err := b.agents.Change(b.ctx, second.UID, func(*agent.Agent) error { return refused }); !errors.Is(err, refused) {
		b.Errorf("refused change: %v", err)
	}
	got, err = b.agents.Get(b.ctx, second.UID)
	b.ok(err)
	same(b, "still", got, second)
}

// testAgentDelete: an agent goes with its keys or, if anything refuses, with none of them.
func testAgentDelete(b *bundle) {
	a, other := somebody(red.UID, "one", noon), somebody(red.UID, "two", noon)
	var keys []identity.Key
	for i, owner := range []string{a.UID, a.UID, other.UID} {
		keys = append(keys, identity.Key{UID: newID(), Name: "k", Hash: []byte{byte(i)}, OwnerType: identity.OwnerAgent, OwnerUID: owner,
			TeamUID: red.UID, Role: identity.RoleMember, Scopes: identity.Scopes{identity.ScopeFull}, CreatedAt: noon})
		b.ok(b.identity.PutKey(b.ctx, keys[i]))
	}
	for _, one := range []agent.Agent{a, other} {
		b.ok(b.agents.Insert(b.ctx, one, 9))
	}
	revoked := func(i int) bool {
		k, err := b.identity.KeyByHash(b.ctx, keys[i].Hash)
		b.ok(err)
		return !k.RevokedAt.IsZero()
	}
	refused := errors.New("refused")
	if err := b.agents.Delete(b.ctx, a.UID, func(agent.Agent) error { return refused }, noon); !errors.Is(err, refused) || revoked(0) {
		b.Errorf("refused deletion: %v, keys revoked %v", err, revoked(0))
	}
	b.ok(b.agents.Delete(b.ctx, a.UID, func(agent.Agent) error { return nil }, noon))
	same(b, "revoked", []bool{revoked(0), revoked(1), revoked(2)}, []bool{true, true, false})
	b.code(b.agents.Delete(b.ctx, a.UID, func(agent.Agent) error { return nil }, noon), api.PlatformErrorCodeResourceNotFound)
	_, err := b.agents.Get(b.ctx, a.UID)
	b.code(err, api.PlatformErrorCodeResourceNotFound)
	b.ok(b.agents.Insert(b.ctx, somebody(red.UID, "one", noon), 9)) // its name is free again
}

// testAgentNames: of many that take a name at once one has it.
func testAgentNames(b *bundle) {
	var took atomic.Int32
	each(clients, func(int) {
		switch err := b.agents.Insert(b.ctx, somebody(red.UID, "one", noon), 99); {
		case err == nil:
			took.Add(1)
		case api.CodeOf(err) != api.PlatformErrorCodeInvalidRequest:
			b.Error(err)
		}
	})
	same(b, "agents of the name", took.Load(), 1)
}

// testDefaultAgent: a team has its agent from the first.
func testDefaultAgent(b *bundle) {
	team := identity.Team{UID: "t-new", Name: "New", CreatedAt: noon}
	created, err := b.identity.Bootstrap(b.ctx, team, identity.User{UID: "u", Name: "U", Email: "u@x", CreatedAt: noon}, identity.Key{UID: "k", Hash: []byte{1}, CreatedAt: noon})
	if b.ok(err); !created {
		b.Fatal("not created")
	}
	list, err := b.agents.List(b.ctx, team.UID)
	b.ok(err)
	if len(list) != 1 || !list[0].Default || list[0].Name != "Default" || !list[0].CreatedAt.Equal(noon) {
		b.Errorf("agents of a new team: %+v", list)
	}
}

func testTeamDefaults(b *bundle) {
	d, err := b.agents.Defaults(b.ctx, red.UID)
	b.ok(err)
	same(b, "none", d, agent.Defaults{})
	want := agent.Defaults{Model: "m", EnvironmentID: "e", WorkerHost: "h", MaxConcurrentRuns: 3}
	_, err = b.agents.ChangeDefaults(b.ctx, red.UID, func(d *agent.Defaults) error { *d = want; return nil })
	b.ok(err)
	refused := errors.New("refused")
	if _, err := b.agents.ChangeDefaults(b.ctx, red.UID, func(d *agent.Defaults) error { d.Model = "x"; return refused }); !errors.Is(err, refused) {
		b.Errorf("refused change: %v", err)
	}
	d, err = b.agents.Defaults(b.ctx, red.UID)
	b.ok(err)
	same(b, "defaults", d, want)
	d, err = b.agents.Defaults(b.ctx, blue.UID)
	b.ok(err)
	same(b, "another team's", d, agent.Defaults{})
}
