package run

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Keeping is what may become of a run after it ended.
type Keeping string

// The ways of keeping.
const (
	KeepArchive   Keeping = "archive"   // out of the lists, unless they are asked for it
	KeepUnarchive Keeping = "unarchive" // back into them
	KeepDelete    Keeping = "delete"    // gone for good
)

// maxTree bounds the runs below one that share its fate.
const maxTree = 2000

// Archive hides an ended run and all runs below it from lists, and returns how many runs changed. It is
// a conflict, and nothing is done, unless those have ended too; the same goes for Unarchive and Delete.
// Whoever may steer may archive; deleting takes who started the run, or an admin of its team.
func (s *Service) Archive(ctx context.Context, actor identity.Actor, id string) (int, error) {
	return s.keep(ctx, actor, id, KeepArchive)
}

// Unarchive is the opposite of Archive.
func (s *Service) Unarchive(ctx context.Context, actor identity.Actor, id string) (int, error) {
	return s.keep(ctx, actor, id, KeepUnarchive)
}

// Delete makes the runs be there for nobody at once. What they left is taken away behind it.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id string) (int, error) {
	return s.keep(ctx, actor, id, KeepDelete)
}

func (s *Service) keep(ctx context.Context, actor identity.Actor, id string, how Keeping) (int, error) {
	r, err := s.reach(ctx, actor, id, identity.PermSteer)
	if err != nil {
		return 0, err
	}
	if err := mayKeep(actor, r, how); err != nil {
		return 0, err
	}
	return s.Keep(ctx, r, how, actor.UID)
}

// mayKeep refuses an actor who sees the run and may steer it, but not this.
func mayKeep(actor identity.Actor, r Run, how Keeping) error {
	if how != KeepDelete || r.Creator.Uid == actor.UID || r.Owner.Type != api.ScopeTypeTeam {
		return nil
	}
	if !actor.May(identity.PermAdminister) {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "only who started a run, or an admin of its team, may delete it")
	}
	return nil
}

// Keep acts on a run and those below it, whoever asks: by is noted. It returns how many changed.
func (s *Service) Keep(ctx context.Context, r Run, how Keeping, by string) (int, error) {
	tree, err := s.tree(ctx, r)
	if err != nil {
		return 0, err
	}
	changed := 0
	// From the leaves up: what is interrupted leaves no run below one that is gone.
	for _, one := range slices.Backward(tree) {
		did := false
		_, err := s.change(ctx, one.ID, func(t *turn) (err error) {
			did, err = decideKeep(t, how, by)
			return err
		})
		switch {
		case api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound && err != nil && one.ID != r.ID:
			continue // somebody else deleted it
		case err != nil:
			return changed, err
		}
		if did {
			changed++
		}
	}
	return changed, nil
}

// errGoesOn refuses to keep what has not ended.
var errGoesOn = errors.New("a run has not ended")

// tree is a run and all below it, each after the one it is directly below. All have ended.
func (s *Service) tree(ctx context.Context, r Run) ([]Run, error) {
	tree := []Run{r}
	for level := tree; len(level) > 0; {
		ids := make([]string, len(level))
		for i, one := range level {
			if ids[i] = one.ID; !one.State.Ended() {
				return nil, goesOn(r.ID, one)
			}
		}
		below, err := s.cfg.History.Children(ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("find runs below: %w", err)
		}
		level = nil
		for _, id := range ids {
			for _, child := range below[id] {
				c, err := s.cfg.Store.Get(ctx, child)
				if err != nil && api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
					continue
				}
				if err != nil {
					return nil, err
				}
				level = append(level, c)
			}
		}
		if tree = append(tree, level...); len(tree) > maxTree {
			return nil, api.Invalid("run id", "has more than %d runs below it: take these first", maxTree)
		}
	}
	return tree, nil
}

func goesOn(root string, r Run) error {
	if r.ID == root {
		return final(errGoesOn, fmt.Sprintf("the run has not ended (%s): cancel it first", r.State))
	}
	return final(errGoesOn, fmt.Sprintf("run %s below it has not ended (%s): cancel it first", r.ID, r.State))
}

// decideKeep reports whether there was anything to do.
func decideKeep(t *turn, how Keeping, by string) (bool, error) {
	if !t.run.State.Ended() {
		return false, goesOn(t.run.ID, t.run)
	}
	switch how {
	case KeepArchive, KeepUnarchive:
		return t.shelve(how == KeepArchive, by), nil
	case KeepDelete:
		t.consume(func(Command) bool { return true })
		if t.run.Live { // its sandbox waits for somebody to go on
			t.endExecution("deleted")
			t.command(Command{Kind: api.CommandKindCancel})
		}
		t.event(EventDeleted, "")
		t.sign(by)
		t.change.Deleted = true
	}
	return true, nil
}

// shelve puts the run away or fetches it back, and reports whether it was elsewhere.
func (t *turn) shelve(away bool, by string) bool {
	if t.run.Archived == away {
		return false
	}
	t.run.Archived = away
	kind := EventUnarchived
	if away {
		kind = EventArchived
	}
	t.event(kind, "")
	t.sign(by)
	return true
}

// sign notes who made the last event happen.
func (t *turn) sign(by string) { t.change.Events[len(t.change.Events)-1].RefID = by }
