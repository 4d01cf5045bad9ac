package run

import (
	"context"
	"errors"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

const (
	// MaxKept is how many runs one request may name or select.
	MaxKept = 500
	// maxCounted bounds what a dry run counts.
	maxCounted = 10_000
)

// KeepRequest selects ended runs, by their ids or like a list does.
type KeepRequest struct {
	IDs    []string
	Query  *Query // with Limit and Cursor of the page to act on; its sort is of no account
	DryRun bool
}

// KeepResult says what became of a KeepRequest, or would in a dry run.
type KeepResult struct {
	// Matched counts the runs selected, Changed those something was or would be done to, with the runs
	// below them.
	Matched, Changed int
	Skipped          []KeptNot
	Next             string // cursor of the rest; empty when there is none
	More             bool   // a dry run stopped counting
}

// KeptNot is a run to which nothing was done, and why.
type KeptNot struct{ RunID, Reason string }

// KeepMany acts on many runs, each as Archive, Unarchive or Delete do. What may not be done to one of
// them is no reason to leave the others.
func (s *Service) KeepMany(ctx context.Context, actor identity.Actor, how Keeping, req KeepRequest) (KeepResult, error) {
	if err := actor.Check(identity.PermSteer); err != nil {
		return KeepResult{}, err
	}
	k := &keeping{s: s, actor: actor, how: how, dry: req.DryRun, seen: map[string]bool{}}
	if len(req.IDs) > 0 {
		if req.Query != nil {
			return KeepResult{}, api.Invalid("filter", "cannot be given with run_ids")
		}
		return k.named(ctx, req.IDs)
	}
	if req.Query == nil {
		return KeepResult{}, api.Invalid("run_ids", "or filter is required")
	}
	return k.selected(ctx, *req.Query)
}

// keeping is a request being carried out.
type keeping struct {
	s      *Service
	actor  identity.Actor
	how    Keeping
	dry    bool
	seen   map[string]bool // counted by a dry run
	result KeepResult
}

func (k *keeping) named(ctx context.Context, ids []string) (KeepResult, error) {
	if len(ids) > MaxKept {
		return k.result, api.Invalid("run_ids", "may name at most %d runs", MaxKept)
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for _, id := range ids {
		if err := CheckID("run_ids", id); err != nil {
			return k.result, err
		}
	}
	for _, id := range ids {
		r, err := k.s.reach(ctx, k.actor, id, identity.PermSteer)
		if err == nil {
			err = k.one(ctx, r)
		} else {
			err = k.skip(id, err)
		}
		if err != nil {
			return k.result, err
		}
	}
	return k.result, nil
}

func (k *keeping) selected(ctx context.Context, q Query) (KeepResult, error) {
	q.Sort, q.Ascending = api.RunSortCreatedAt, false
	switch k.how {
	case KeepArchive:
		q.Archived = ArchivedExclude
	case KeepUnarchive:
		q.Archived = ArchivedOnly
	case KeepDelete:
		q.Archived = ArchivedInclude
	}
	q.States = endedOf(q.States)
	if len(q.States) == 0 {
		return k.result, api.Invalid("filter.state", "names no state in which a run has ended")
	}
	if k.dry {
		q.Limit = MaxPage
	}
	for {
		page, err := k.s.List(ctx, k.actor, q)
		if err != nil {
			return k.result, err
		}
		for _, r := range page.Runs {
			if err := k.one(ctx, r); err != nil {
				return k.result, err
			}
		}
		q.Cursor = page.Next
		if !k.dry {
			k.result.Next = page.Next
			return k.result, nil
		}
		if k.result.More = page.Next != ""; !k.result.More || k.result.Matched >= maxCounted {
			return k.result, nil
		}
	}
}

// endedOf are the states of ended runs among some; all of them if none is named.
func endedOf(states []api.RunState) []api.RunState {
	if len(states) == 0 {
		states = api.AllRunStates
	}
	return slices.DeleteFunc(slices.Clone(states), func(st api.RunState) bool { return !st.Ended() })
}

// one acts on a run. Only what is nobody's fault ends the whole.
func (k *keeping) one(ctx context.Context, r Run) error {
	k.result.Matched++
	err := mayKeep(k.actor, r, k.how)
	n := 0
	if err == nil && k.dry {
		n, err = k.count(ctx, r)
	} else if err == nil {
		n, err = k.s.Keep(ctx, r, k.how, k.actor.UID)
	}
	k.result.Changed += n
	return k.skip(r.ID, err)
}

// count is what a dry run says of a run: those of its tree that would change and were not counted yet.
func (k *keeping) count(ctx context.Context, r Run) (n int, err error) {
	tree, err := k.s.tree(ctx, r)
	if err != nil {
		return 0, err
	}
	for _, one := range tree {
		if !k.seen[one.ID] && (k.how == KeepDelete || one.Archived != (k.how == KeepArchive)) {
			n++
		}
		k.seen[one.ID] = true
	}
	return n, nil
}

// skip notes a run that was left as it is. An error that is not about the run is returned.
func (k *keeping) skip(id string, err error) error {
	var f *api.Failure
	if !errors.As(err, &f) {
		return err
	}
	switch f.Code {
	case api.PlatformErrorCodeConflict, api.PlatformErrorCodeNotAuthorized,
		api.PlatformErrorCodeResourceNotFound, api.PlatformErrorCodeInvalidRequest:
		k.result.Skipped = append(k.result.Skipped, KeptNot{RunID: id, Reason: f.Detail})
		return nil
	}
	return err
}
