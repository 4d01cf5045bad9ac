package catalog

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const maxApplied = 5000

// Applied is the record of what `cadre apply` created for an owner from a set of files. A thing is in it
// before it is created, then without a uid, so that no death of the program leaves a creation unrecorded.
type Applied struct {
	Owner     identity.Owner
	Set       string
	Revision  int64
	Things    []api.AppliedThing
	Editor    api.UserProfile
	UpdatedAt time.Time
}

// AppliedStore keeps the records.
type AppliedStore interface {
	// Get returns an empty record of revision 0 when there is none.
	Get(ctx context.Context, owner identity.Owner, set string) (Applied, error)
	// Put replaces the record of the revision before; a conflict when there is another.
	Put(ctx context.Context, a Applied) error
}

// Record keeps what was applied.
type Record struct{ cfg Config }

var setName = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

// Get returns the record of a set of files.
func (r *Record) Get(ctx context.Context, actor identity.Actor, set string, team *bool) (Applied, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return Applied{}, err
	}
	if !setName.MatchString(set) {
		return Applied{}, api.Invalid("set", "must be 1 to 64 letters, digits, '-', '_' and '.'")
	}
	return r.cfg.Applied.Get(ctx, ownerOf(actor, team), set)
}

// Put replaces a record. Things keep the time they were announced at.
func (r *Record) Put(ctx context.Context, actor identity.Actor, req api.AppliedConfigurationRequest) (Applied, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Applied{}, err
	}
	owner := ownerOf(actor, req.Team)
	if err := actor.CheckChange(owner); err != nil {
		return Applied{}, err
	}
	if len(req.Things) > maxApplied {
		return Applied{}, api.Invalid("things", "must have at most %d members", maxApplied)
	}
	old, err := r.Get(ctx, actor, req.Set, req.Team)
	if err != nil {
		return Applied{}, err
	}
	if old.Revision != req.Revision {
		return Applied{}, ErrAppliedMeanwhile
	}
	a := Applied{Owner: owner, Set: req.Set, Revision: req.Revision + 1, Editor: actor.Profile(), UpdatedAt: r.cfg.now()}
	for i, t := range req.Things {
		if err := firstError(checkLine(fmt.Sprintf("things[%d].kind", i), t.Kind, 64), checkLine(fmt.Sprintf("things[%d].name", i), t.Name, 256)); err != nil {
			return Applied{}, err
		}
		t.AnnouncedAt = a.UpdatedAt
		for _, o := range old.Things {
			if o.Kind == t.Kind && o.Name == t.Name {
				t.AnnouncedAt = o.AnnouncedAt
			}
		}
		a.Things = append(a.Things, t)
	}
	slices.SortFunc(a.Things, func(x, y api.AppliedThing) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	if err := r.cfg.Applied.Put(ctx, a); err != nil {
		return Applied{}, fmt.Errorf("store record: %w", err)
	}
	return a, nil
}

// ErrAppliedMeanwhile says that a record is not at the revision it was to replace.
var ErrAppliedMeanwhile error = api.Fail(api.PlatformErrorCodeConflict, "the record was changed meanwhile: somebody else applies the same set of files")

// Wire is the record as the API shows it.
func (a Applied) Wire() api.AppliedConfiguration {
	w := api.AppliedConfiguration{
		Set: a.Set, Revision: a.Revision, Things: a.Things, Scope: api.Scope{Type: a.Owner.Type, Uid: a.Owner.UID},
		LastUpdated: a.UpdatedAt, LastEditor: a.Editor,
	}
	if w.Things == nil {
		w.Things = []api.AppliedThing{}
	}
	return w
}
