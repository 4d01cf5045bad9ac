package memory

import (
	"context"
	"fmt"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog"
	"github.com/cadrehq/cadre/internal/identity"
)

// want is what somebody is about to do with a store.
type want int

const (
	toRead want = iota
	toWrite
)

// reach returns a store that the actor may do something with. What is out of sight is not found:
// a person's own store for everybody else, another team's, and for a run every store it was not given.
func (s *Service) reach(ctx context.Context, actor identity.Actor, uid string, w want) (Store, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return Store{}, err
	}
	store, err := s.cfg.Keep.Store(ctx, uid)
	if err != nil {
		return Store{}, err
	}
	access, err := s.access(ctx, actor, store)
	switch {
	case err != nil:
		return Store{}, err
	case access == "":
		return Store{}, api.NotFound("memory store", uid)
	case w == toWrite && access != api.MemoryStoreRefAccessReadWrite:
		return Store{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "the memory store may be read here, not written")
	}
	return store, nil
}

// access is how far the actor gets with a store; empty is not at all.
func (s *Service) access(ctx context.Context, actor identity.Actor, store Store) (api.MemoryStoreRefAccess, error) {
	switch {
	case actor.TeamUID == "" || store.TeamUID != actor.TeamUID:
		return "", nil
	case actor.Kind == identity.KindRun:
		return s.granted(ctx, actor.RunID, store.UID)
	case store.OwnerType == api.MemoryOwnerTypeUser && (actor.Kind != identity.KindUser || actor.UID != store.OwnerUID):
		return "", nil
	case actor.Kind == identity.KindAgent && store.OwnerUID != actor.UID:
		return api.MemoryStoreRefAccessReadOnly, nil
	case !actor.May(identity.PermCreate):
		return api.MemoryStoreRefAccessReadOnly, nil
	}
	return api.MemoryStoreRefAccessReadWrite, nil
}

// granted is what a run was given of a store when it was made.
func (s *Service) granted(ctx context.Context, runID, storeUID string) (api.MemoryStoreRefAccess, error) {
	refs, err := s.cfg.Granted(ctx, runID)
	if err != nil {
		return "", err
	}
	for _, r := range refs {
		if r.Uid == storeUID {
			return r.Access, nil
		}
	}
	return "", nil
}

// CheckRefs refuses stores that the actor may not give to runs: those it cannot see, and those to be
// written that it may only read. A store of a person is for that person's own runs. A team's runs are
// everybody's, so it is refused for them.
func (s *Service) CheckRefs(ctx context.Context, actor identity.Actor, owner identity.Owner, field string, refs []api.MemoryStoreRef) error {
	if err := catalog.CheckMemory(field, refs); err != nil {
		return err
	}
	for i, r := range refs {
		w := toRead
		if r.Access == api.MemoryStoreRefAccessReadWrite {
			w = toWrite
		}
		store, err := s.reach(ctx, actor, r.Uid, w)
		if err != nil {
			return err
		}
		if store.OwnerType == api.MemoryOwnerTypeUser && owner.Type == api.ScopeTypeTeam {
			return api.Invalid(fmt.Sprintf("%s[%d].uid", field, i), "a person's own store cannot be given to what is the team's")
		}
	}
	return nil
}
