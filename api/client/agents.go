package client

import (
	"context"

	"github.com/cadrehq/cadre/api"
)

// Agents lists the agents of the caller's team, oldest first.
func (c *Client) Agents(ctx context.Context) ([]api.AgentResponse, error) {
	v, err := Read[api.ListAgentIdentitiesResponse](c.raw.ListAgentIdentities(ctx, nil))
	return v.Agents, err
}

// Agent returns one agent.
func (c *Client) Agent(ctx context.Context, uid string) (api.AgentResponse, error) {
	return Read[api.AgentResponse](c.raw.GetAgentIdentity(ctx, uid))
}

// CreateAgent creates an agent of the caller's team.
func (c *Client) CreateAgent(ctx context.Context, req api.CreateAgentRequest) (api.AgentResponse, error) {
	return Read[api.AgentResponse](c.raw.CreateAgentIdentity(ctx, req))
}

// UpdateAgent changes what a request says of an agent: nil members stay as they are.
func (c *Client) UpdateAgent(ctx context.Context, uid string, req api.UpdateAgentRequest) (api.AgentResponse, error) {
	return Read[api.AgentResponse](c.raw.UpdateAgentIdentity(ctx, uid, req))
}

// DeleteAgent deletes an agent, and its API keys with it.
func (c *Client) DeleteAgent(ctx context.Context, uid string) error {
	return none(c.raw.DeleteAgentIdentity(ctx, uid))
}

// TeamDefaults are what a team's runs get when neither they nor their agent say.
func (c *Client) TeamDefaults(ctx context.Context, teamUID string) (api.TeamDefaults, error) {
	return Read[api.TeamDefaults](c.raw.GetTeamDefaults(ctx, teamUID))
}

// UpdateTeamDefaults changes what a request says of a team's defaults.
func (c *Client) UpdateTeamDefaults(ctx context.Context, teamUID string, req api.UpdateTeamDefaultsRequest) (api.TeamDefaults, error) {
	return Read[api.TeamDefaults](c.raw.UpdateTeamDefaults(ctx, teamUID, req))
}
