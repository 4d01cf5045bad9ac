package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/cadrehq/cadre/api"
)

// DryRun makes a request that defines something check it and store nothing. The answer is what would have
// been stored.
func DryRun(ctx context.Context, req *http.Request) error {
	return Query(url.Values{"dry_run": {"true"}})(ctx, req)
}

// Runners lists the runners the caller may use, latest change first.
func (c *Client) Runners(ctx context.Context) ([]api.ComputeRunner, error) {
	v, err := Read[api.ListComputeRunnersResponse](c.raw.ListRunners(ctx, nil, Query(nil)))
	return v.Runners, err
}

// Runner returns one runner.
func (c *Client) Runner(ctx context.Context, uid string) (api.ComputeRunner, error) {
	return Read[api.ComputeRunner](c.raw.GetRunner(ctx, uid))
}

// CreateRunner defines a runner.
func (c *Client) CreateRunner(ctx context.Context, req api.ComputeRunnerRequest, opts ...api.RequestEditorFn) (api.ComputeRunner, error) {
	return Read[api.ComputeRunner](c.raw.CreateRunner(ctx, nil, req, opts...))
}

// UpdateRunner replaces the definition of a runner.
func (c *Client) UpdateRunner(ctx context.Context, uid string, req api.ComputeRunnerRequest, opts ...api.RequestEditorFn) (api.ComputeRunner, error) {
	return Read[api.ComputeRunner](c.raw.UpdateRunner(ctx, uid, nil, req, opts...))
}

// DeleteRunner deletes a runner.
func (c *Client) DeleteRunner(ctx context.Context, uid string) error {
	return none(c.raw.DeleteRunner(ctx, uid))
}

// Prompts lists the saved prompts the caller may use, latest change first.
func (c *Client) Prompts(ctx context.Context) ([]api.SavedPrompt, error) {
	v, err := Read[api.ListSavedPromptsResponse](c.raw.ListPrompts(ctx, nil, Query(nil)))
	return v.Prompts, err
}

// Prompt returns one saved prompt.
func (c *Client) Prompt(ctx context.Context, uid string) (api.SavedPrompt, error) {
	return Read[api.SavedPrompt](c.raw.GetPrompt(ctx, uid))
}

// CreatePrompt defines a saved prompt.
func (c *Client) CreatePrompt(ctx context.Context, req api.SavedPromptRequest, opts ...api.RequestEditorFn) (api.SavedPrompt, error) {
	return Read[api.SavedPrompt](c.raw.CreatePrompt(ctx, nil, req, opts...))
}

// UpdatePrompt replaces the definition of a saved prompt.
func (c *Client) UpdatePrompt(ctx context.Context, uid string, req api.SavedPromptRequest, opts ...api.RequestEditorFn) (api.SavedPrompt, error) {
	return Read[api.SavedPrompt](c.raw.UpdatePrompt(ctx, uid, nil, req, opts...))
}

// DeletePrompt deletes a saved prompt.
func (c *Client) DeletePrompt(ctx context.Context, uid string) error {
	return none(c.raw.DeletePrompt(ctx, uid))
}

// MCPServers lists the shared MCP servers the caller may use, latest change first.
func (c *Client) MCPServers(ctx context.Context) ([]api.SharedMcpServer, error) {
	v, err := Read[api.ListSharedMcpServersResponse](c.raw.ListMcpServers(ctx, nil, Query(nil)))
	return v.McpServers, err
}

// MCPServer returns one shared MCP server.
func (c *Client) MCPServer(ctx context.Context, uid string) (api.SharedMcpServer, error) {
	return Read[api.SharedMcpServer](c.raw.GetMcpServer(ctx, uid))
}

// CreateMCPServer defines a shared MCP server.
func (c *Client) CreateMCPServer(ctx context.Context, req api.SharedMcpServerRequest, opts ...api.RequestEditorFn) (api.SharedMcpServer, error) {
	return Read[api.SharedMcpServer](c.raw.CreateMcpServer(ctx, nil, req, opts...))
}

// UpdateMCPServer replaces the definition of a shared MCP server.
func (c *Client) UpdateMCPServer(ctx context.Context, uid string, req api.SharedMcpServerRequest, opts ...api.RequestEditorFn) (api.SharedMcpServer, error) {
	return Read[api.SharedMcpServer](c.raw.UpdateMcpServer(ctx, uid, nil, req, opts...))
}

// DeleteMCPServer deletes a shared MCP server.
func (c *Client) DeleteMCPServer(ctx context.Context, uid string) error {
	return none(c.raw.DeleteMcpServer(ctx, uid))
}

// Rules lists the rules of the caller's team and their own, those there are.
func (c *Client) Rules(ctx context.Context) ([]api.Rules, error) {
	v, err := Read[api.ListRulesResponse](c.raw.GetRules(ctx))
	return v.Rules, err
}

// PutRules replaces rules; an empty text takes them away.
func (c *Client) PutRules(ctx context.Context, req api.RulesRequest, opts ...api.RequestEditorFn) (api.Rules, error) {
	return Read[api.Rules](c.raw.PutRules(ctx, nil, req, opts...))
}

// BaseImages lists the images the server suggests.
func (c *Client) BaseImages(ctx context.Context) ([]api.BaseImage, error) {
	v, err := Read[api.ListBaseImagesResponse](c.raw.ListBaseImages(ctx))
	return v.Images, err
}

// Applied returns the record of what apply made of a set of files for the team, or for the caller.
func (c *Client) Applied(ctx context.Context, set string, team bool) (api.AppliedConfiguration, error) {
	q := url.Values{"set": {set}, "team": {strconv.FormatBool(team)}}
	return Read[api.AppliedConfiguration](c.raw.GetAppliedConfiguration(ctx, &api.GetAppliedConfigurationParams{}, Query(q)))
}

// PutApplied replaces the record of what apply made.
func (c *Client) PutApplied(ctx context.Context, req api.AppliedConfigurationRequest) (api.AppliedConfiguration, error) {
	return Read[api.AppliedConfiguration](c.raw.PutAppliedConfiguration(ctx, req))
}
