package run

import (
	"context"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// speaker is who speaks for the agent of a run.
type speaker struct {
	run Run
	// execution is the one that the caller's token is bound to. It is empty for a person, who speaks for
	// whatever execution a local run has.
	execution string
	number    int
}

// speaker finds the run that an actor speaks for. A run token speaks for its own only, whether it names
// it or not. A person speaks for local runs, which are carried out by processes of theirs: for any other
// its sandbox does.
func (s *Service) speaker(ctx context.Context, actor identity.Actor, id string) (speaker, error) {
	if err := actor.Check(identity.PermReport); err != nil {
		return speaker{}, err
	}
	if actor.Kind == identity.KindRun {
		if id != "" && id != actor.RunID {
			return speaker{}, api.NotFound("run", clip(id, 64))
		}
		r, err := s.cfg.Store.Get(ctx, actor.RunID)
		return speaker{r, actor.ExecutionID, actor.Execution}, err
	}
	if id == "" {
		return speaker{}, api.Invalid("X-Warp-Cloud-Agent-ID", "is required: which run is spoken for?")
	}
	r, err := s.reach(ctx, actor, id, identity.PermReport)
	if err != nil {
		return speaker{}, err
	}
	if r.Location != api.RunExecutionLocationLOCAL {
		return speaker{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "only its sandbox speaks for this run: use its run token")
	}
	return speaker{r, "", r.Execution}, nil
}

// changeFor is a decision on the run that is spoken for. Its entries count as the execution's.
func (s *Service) changeFor(ctx context.Context, who speaker, decide func(*turn) error) (Changed, error) {
	return s.change(ctx, who.run.ID, func(t *turn) error {
		if err := t.hear(who); err != nil {
			return err
		}
		return decide(t)
	})
}

// hear refuses who speaks for an execution that may not write.
func (t *turn) hear(who speaker) error {
	id := who.execution
	if id == "" && t.exec != nil {
		id = t.exec.ID
	}
	if err := t.fence(id); err != nil {
		return err
	}
	t.change.By = t.exec.Number
	return nil
}

// room refuses another entry of a run that has stored all it may.
func (c Config) room(t *turn, data api.EntryData) error {
	if t.run.EntryBytes+storedBytes(append(t.change.Entries, api.MakeEntry(t.now, data))...) > c.RunEntries {
		return api.Fail(api.PlatformErrorCodeStorageLimitExceeded, "%s", entriesFull.message(c.RunEntries))
	}
	return nil
}

// atWork makes sure that the agent of a run counts as working: one that no runner drives may speak
// before anything said that it has begun.
func (t *turn) atWork() error {
	if t.run.State == api.RunStatePENDING {
		if err := t.move(api.RunStateCLAIMED, ByRunner, status{}); err != nil {
			return err
		}
	}
	if t.run.State == api.RunStateCLAIMED {
		return t.move(api.RunStateINPROGRESS, ByRunner, status{})
	}
	return nil
}
