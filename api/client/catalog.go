package client

import (
	"context"
	"net/url"

	"github.com/cadrehq/cadre/api"
)

// Whoami says who the key belongs to.
func (c *Client) Whoami(ctx context.Context) (api.WhoamiResponse, error) {
	return Read[api.WhoamiResponse](c.raw.Whoami(ctx))
}

// Models lists the models a run may use and the default among them.
func (c *Client) Models(ctx context.Context) (api.ListModelsResponse, error) {
	return Read[api.ListModelsResponse](c.raw.ListModels(ctx))
}

// Workers lists the workers connected now, by host.
func (c *Client) Workers(ctx context.Context) ([]api.ConnectedWorker, error) {
	v, err := Read[api.ConnectedWorkersResponse](c.raw.ListWorkers(ctx))
	return v.Workers, err
}

// SkillQuery says which skills to list. The zero value is all of them.
type SkillQuery struct {
	Repo      string // only this owner/repo
	Refresh   bool   // read the repositories again
	ByLastRun bool   // what ran last first, not by name
	Malformed bool   // files that are no skills too, with the reason
}

// Skills lists the skills that can be run as agents, and how it stands with the repositories that were
// looked at.
func (c *Client) Skills(ctx context.Context, q SkillQuery) (api.ListAgentsResponse, error) {
	v := url.Values{}
	if q.Repo != "" {
		v.Set("repo", q.Repo)
	}
	if q.Refresh {
		v.Set("refresh", "true")
	}
	if q.ByLastRun {
		v.Set("sort_by", "last_run")
	}
	if q.Malformed {
		v.Set("include_malformed_skills", "true")
	}
	return Read[api.ListAgentsResponse](c.raw.ListSkills(ctx, nil, Query(v)))
}

// Environments lists the environments the caller may use, latest change first.
func (c *Client) Environments(ctx context.Context) ([]api.CloudEnvironment, error) {
	v, err := Read[api.ListEnvironmentsResponse](c.raw.ListEnvironments(ctx, nil, Query(nil)))
	return v.Environments, err
}

// Environment returns one environment.
func (c *Client) Environment(ctx context.Context, uid string) (api.CloudEnvironment, error) {
	return Read[api.CloudEnvironment](c.raw.GetEnvironment(ctx, uid))
}

// CreateEnvironment defines an environment.
func (c *Client) CreateEnvironment(ctx context.Context, req api.EnvironmentRequest, opts ...api.RequestEditorFn) (api.CloudEnvironment, error) {
	return Read[api.CloudEnvironment](c.raw.CreateEnvironment(ctx, nil, req, opts...))
}

// UpdateEnvironment replaces the definition of an environment.
func (c *Client) UpdateEnvironment(ctx context.Context, uid string, req api.EnvironmentRequest, opts ...api.RequestEditorFn) (api.CloudEnvironment, error) {
	return Read[api.CloudEnvironment](c.raw.UpdateEnvironment(ctx, uid, nil, req, opts...))
}

// DeleteEnvironment deletes an environment.
func (c *Client) DeleteEnvironment(ctx context.Context, uid string) error {
	return none(c.raw.DeleteEnvironment(ctx, uid))
}
