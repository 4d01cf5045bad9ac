package run

import (
	"context"

	"github.com/google/uuid"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxAncestors bounds the walk from a run to the root of its tree, whatever the data say.
const maxAncestors = 64

// CheckID refuses what cannot be a run's id.
func CheckID(field, id string) error {
	if err := uuid.Validate(id); err != nil || len(id) != 36 {
		return api.Invalid(field, "must be a UUID")
	}
	return nil
}

// reach returns a run the actor may see and holds the permission for. A run that may not be seen is
// not found.
func (s *Service) reach(ctx context.Context, actor identity.Actor, id string, p identity.Permission) (Run, error) {
	if err := CheckID("run id", id); err != nil {
		return Run{}, err
	}
	r, err := s.cfg.Store.Get(ctx, id)
	if err != nil {
		return Run{}, err
	}
	ok, err := s.sees(ctx, actor, r)
	if err != nil {
		return Run{}, err
	}
	if !ok {
		return Run{}, api.NotFound("run", id)
	}
	return r, actor.Check(p)
}

// sees reports whether a run is within the actor's reach: runs of their team and their own; for a
// run token its own run and that run's descendants.
func (s *Service) sees(ctx context.Context, actor identity.Actor, r Run) (bool, error) {
	if actor.Kind != identity.KindRun {
		return actor.Sees(r.Owner), nil
	}
	for range maxAncestors {
		if r.ID == actor.RunID || r.ParentID == actor.RunID {
			return true, nil
		}
		if r.ParentID == "" {
			return false, nil
		}
		var err error
		if r, err = s.cfg.Store.Get(ctx, r.ParentID); err != nil {
			return false, err
		}
	}
	return false, nil
}

// runner refuses whoever is not the runner of an execution.
func runner(actor identity.Actor) error {
	if actor.Kind != identity.KindRun {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "only a run token may do this")
	}
	return actor.Check(identity.PermRunner)
}
