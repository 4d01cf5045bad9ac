package httpapi

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/identity"
)

// Agents keeps the named identities of teams: agent.Service. It checks what the actor may reach.
type Agents interface {
	Create(ctx context.Context, actor identity.Actor, req api.CreateAgentRequest) (agent.Agent, error)
	Get(ctx context.Context, actor identity.Actor, uid string) (agent.Agent, error)
	List(ctx context.Context, actor identity.Actor, factoryUID string) ([]agent.Agent, error)
	Update(ctx context.Context, actor identity.Actor, uid string, req api.UpdateAgentRequest) (agent.Agent, error)
	Delete(ctx context.Context, actor identity.Actor, uid string) error
	// Wire shows an agent as the API does.
	Wire(a agent.Agent) api.AgentResponse
	Defaults(ctx context.Context, actor identity.Actor, teamUID string) (agent.Defaults, error)
	UpdateDefaults(ctx context.Context, actor identity.Actor, teamUID string, req api.UpdateTeamDefaultsRequest) (agent.Defaults, error)
}

// ListAgentIdentities serves GET /agent/identities.
func (a *API) ListAgentIdentities(ctx context.Context, req api.ListAgentIdentitiesRequestObject) (api.ListAgentIdentitiesResponseObject, error) {
	list, err := a.cfg.Agents.List(ctx, actorOf(ctx), req.Params.FactoryUid)
	if err != nil {
		return nil, err
	}
	items := make([]api.AgentResponse, 0, len(list))
	for _, one := range list {
		items = append(items, a.cfg.Agents.Wire(one))
	}
	return api.ListAgentIdentities200JSONResponse{Agents: items}, nil
}

// CreateAgentIdentity serves POST /agent/identities.
func (a *API) CreateAgentIdentity(ctx context.Context, req api.CreateAgentIdentityRequestObject) (api.CreateAgentIdentityResponseObject, error) {
	item, err := a.agentItem(a.cfg.Agents.Create(ctx, actorOf(ctx), *req.Body))
	return api.CreateAgentIdentity201JSONResponse{AgentJSONResponse: item}, err
}

// GetAgentIdentity serves GET /agent/identities/{agentUid}.
func (a *API) GetAgentIdentity(ctx context.Context, req api.GetAgentIdentityRequestObject) (api.GetAgentIdentityResponseObject, error) {
	item, err := a.agentItem(a.cfg.Agents.Get(ctx, actorOf(ctx), req.AgentUid))
	return api.GetAgentIdentity200JSONResponse{AgentJSONResponse: item}, err
}

// UpdateAgentIdentity serves PUT /agent/identities/{agentUid}.
func (a *API) UpdateAgentIdentity(ctx context.Context, req api.UpdateAgentIdentityRequestObject) (api.UpdateAgentIdentityResponseObject, error) {
	item, err := a.agentItem(a.cfg.Agents.Update(ctx, actorOf(ctx), req.AgentUid, *req.Body))
	return api.UpdateAgentIdentity200JSONResponse{AgentJSONResponse: item}, err
}

// DeleteAgentIdentity serves DELETE /agent/identities/{agentUid}.
func (a *API) DeleteAgentIdentity(ctx context.Context, req api.DeleteAgentIdentityRequestObject) (api.DeleteAgentIdentityResponseObject, error) {
	return api.DeleteAgentIdentity204Response{}, a.cfg.Agents.Delete(ctx, actorOf(ctx), req.AgentUid)
}

// agentItem shows the agent that a call of the service returned.
func (a *API) agentItem(one agent.Agent, err error) (api.AgentJSONResponse, error) {
	if err != nil {
		return api.AgentJSONResponse{}, err
	}
	return api.AgentJSONResponse(a.cfg.Agents.Wire(one)), nil
}

// GetTeamDefaults serves GET /teams/{teamUid}/defaults.
func (a *API) GetTeamDefaults(ctx context.Context, req api.GetTeamDefaultsRequestObject) (api.GetTeamDefaultsResponseObject, error) {
	d, err := a.cfg.Agents.Defaults(ctx, actorOf(ctx), req.TeamUid)
	return api.GetTeamDefaults200JSONResponse{TeamDefaultsJSONResponse: api.TeamDefaultsJSONResponse(d.Wire())}, err
}

// UpdateTeamDefaults serves PUT /teams/{teamUid}/defaults.
func (a *API) UpdateTeamDefaults(ctx context.Context, req api.UpdateTeamDefaultsRequestObject) (api.UpdateTeamDefaultsResponseObject, error) {
	d, err := a.cfg.Agents.UpdateDefaults(ctx, actorOf(ctx), req.TeamUid, *req.Body)
	return api.UpdateTeamDefaults200JSONResponse{TeamDefaultsJSONResponse: api.TeamDefaultsJSONResponse(d.Wire())}, err
}
