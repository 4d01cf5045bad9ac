// Package catalog owns the shared definitions that runs are made from: environments, and the skills
// found in their repositories. It refuses to know how they are carried out.
package catalog

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Environment is a named definition of repositories, image and set-up commands. UID is 22 characters
// of [A-Za-z0-9] (contract http-api section 1).
type Environment struct {
	UID       string
	Owner     identity.Owner
	Config    api.CloudEnvironmentConfig
	Creator   api.UserProfile
	Editor    api.UserProfile
	CreatedAt time.Time
	UpdatedAt time.Time
}

// EnvironmentStore keeps environments. Get returns api.NotFound for an unknown or deleted one.
type EnvironmentStore interface {
	Put(ctx context.Context, e Environment) error
	Get(ctx context.Context, uid string) (Environment, error)
	Delete(ctx context.Context, uid string) error
	// List returns the environments of the given teams and of the user, newest change first.
	List(ctx context.Context, teamUIDs []string, userUID string) ([]Environment, error)
	// LastRuns returns the most recent run of each environment that has one.
	LastRuns(ctx context.Context, uids []string) (map[string]api.EnvironmentLastTask, error)
}
