package run

import (
	"context"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// The bounds of a page.
const (
	DefaultPage = 20
	MaxPage     = 500
	maxPairs    = 5
)

// Get returns one run the actor may see; any other is not found.
func (s *Service) Get(ctx context.Context, actor identity.Actor, id string) (Run, error) {
	return s.reach(ctx, actor, id, identity.PermRead)
}

// List returns a page of the runs the actor may see. The visibility members of q are set here.
func (s *Service) List(ctx context.Context, actor identity.Actor, q Query) (Page, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return Page{}, err
	}
	if err := checkQuery(&q); err != nil {
		return Page{}, err
	}
	if q.AncestorID == "" && actor.Kind == identity.KindRun {
		q.AncestorID = actor.RunID
	}
	for _, above := range []struct{ field, id string }{{"ancestor_run_id", q.AncestorID}, {"parent_run_id", q.ParentID}} {
		if above.id == "" {
			continue
		}
		if err := CheckID(above.field, above.id); err != nil {
			return Page{}, err
		}
		if _, err := s.reach(ctx, actor, above.id, identity.PermRead); err != nil {
			return Page{}, err
		}
	}
	return s.cfg.Store.List(ctx, visible(actor, q))
}

// visible limits a query to what the actor may see.
func visible(actor identity.Actor, q Query) Query {
	q.TeamUIDs, q.OwnerUID = nil, actor.UID
	if actor.TeamUID != "" {
		q.TeamUIDs = []string{actor.TeamUID}
	}
	return q
}

func checkQuery(q *Query) error {
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	if q.Limit < 1 || q.Limit > MaxPage {
		return api.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	if len(q.Metadata) > maxPairs {
		return api.Invalid("metadata", "may have at most %d pairs", maxPairs)
	}
	for k, v := range q.Metadata {
		if err := checkText("metadata", k+v, 1024); err != nil {
			return err
		}
	}
	for field, word := range map[string]string{
		"name": q.Name, "model_id": q.ModelID, "creator": q.Creator, "executor": q.Executor, "environment_id": q.EnvironmentID,
		"skill": q.Skill, "schedule_id": q.ScheduleID, "q": q.Text, "cursor": q.Cursor,
	} {
		if err := checkText(field, word, 1024); err != nil {
			return err
		}
	}
	return checkEnums(q)
}

func checkEnums(q *Query) error {
	for _, st := range q.States {
		if !st.Valid() {
			return api.Invalid("state", "%q is not a run state", clip(string(st), 64))
		}
	}
	if q.Sort == "" {
		q.Sort = api.RunSortUpdatedAt
	}
	switch {
	case !q.Sort.Valid():
		return api.Invalid("sort_by", "must be updated_at, created_at, title or agent")
	case q.Source != "" && !q.Source.Valid():
		return api.Invalid("source", "%q is not a source", clip(string(q.Source), 64))
	case q.Location != "" && !q.Location.Valid():
		return api.Invalid("execution_location", "must be LOCAL or REMOTE")
	case q.Archived != ArchivedExclude && q.Archived != ArchivedInclude && q.Archived != ArchivedOnly:
		return api.Invalid("archived", "must be exclude, include or only")
	case q.ArtifactType != "" && !q.ArtifactType.Valid():
		return api.Invalid("artifact_type", "%q is not an artifact type", clip(string(q.ArtifactType), 64))
	}
	return nil
}

// activeFor is the time a run has been working, its current stretch included.
func (r Run) activeFor(now time.Time) time.Duration {
	if r.ActiveAt.IsZero() {
		return r.Active
	}
	return r.Active + max(0, now.Sub(r.ActiveAt))
}
