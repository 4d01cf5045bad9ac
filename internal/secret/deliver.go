package secret

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxPaid bounds the remembered uses for model calls.
const maxPaid = 10_000

func zero(v api.SecretValue) bool { return reflect.ValueOf(v).IsZero() }

// Reach is a run as far as it decides which secrets the run may get.
type Reach struct {
	RunID     string
	Execution int
	// Owner is the run's. A team's secrets go into the team's runs, whoever started them.
	Owner identity.Owner
	// Person is who triggered the run, by a call of their own: their personal secrets go into it. Empty
	// for schedules and for keys of teams and agents.
	Person string
}

// Lists narrow what a run gets. A nil list says nothing; an empty one says none.
type Lists struct {
	Run         *[]api.SecretRef
	Environment *[]api.SecretRef
	Agent       *[]api.SecretRef
}

// wanted is the list that counts: the run's, else those of environment and agent together. All is true
// when nobody has one.
func (l Lists) wanted() (refs []api.SecretRef, all bool) {
	if l.Run != nil {
		return *l.Run, false
	}
	all = true
	for _, list := range []*[]api.SecretRef{l.Environment, l.Agent} {
		if list != nil {
			refs, all = append(refs, *list...), false
		}
	}
	return refs, all
}

// orBoth is the phases that a reference names; all of them when it names none.
func orBoth(phases []api.SecretPhase) []api.SecretPhase {
	if len(phases) == 0 {
		return []api.SecretPhase{api.SecretPhaseSetup, api.SecretPhaseAgent}
	}
	return phases
}

// inReach indexes secrets by name. A person's own goes before the team's of the same name.
func inReach(list []Secret) map[string]Secret {
	byName := map[string]Secret{}
	for _, c := range list {
		if _, taken := byName[c.Name]; !taken || c.Owner.Type == api.ScopeTypeUser {
			byName[c.Name] = c
		}
	}
	return byName
}

// resolve picks what a run gets in a phase of what is in its reach, and the names that were asked for in
// vain. Both are sorted by name.
func resolve(reach map[string]Secret, l Lists, phase api.SecretPhase) (picked []Secret, unresolved []string) {
	refs, all := l.wanted()
	if all {
		for name := range reach {
			refs = append(refs, api.SecretRef{Name: name})
		}
	}
	take := map[string]bool{} // by name, whether this phase gets it
	for _, ref := range refs {
		take[ref.Name] = take[ref.Name] || slices.Contains(orBoth(ref.Phases), phase)
	}
	for _, name := range slices.Sorted(maps.Keys(take)) {
		c, ok := reach[name]
		switch {
		case !ok:
			unresolved = append(unresolved, name)
		case take[name] && c.delivered():
			picked = append(picked, c)
		}
	}
	return picked, unresolved
}

// inReach returns what may go into a run.
func (s *Service) inReach(ctx context.Context, r Reach) (map[string]Secret, error) {
	team := ""
	if r.Owner.Type == api.ScopeTypeTeam {
		team = r.Owner.UID
	}
	of := owners(team, r.Person)
	if len(of) == 0 {
		return nil, nil
	}
	list, err := s.cfg.Store.List(ctx, of...)
	return inReach(list), err
}

// Deliver returns the values that a run gets in a phase, having noted that it did. The caller has made
// sure that it is the run's live execution that asks.
func (s *Service) Deliver(ctx context.Context, r Reach, l Lists, phase api.SecretPhase) (api.RunnerSecretsResponse, error) {
	reach, err := s.inReach(ctx, r)
	if err != nil {
		return api.RunnerSecretsResponse{}, err
	}
	picked, unresolved := resolve(reach, l, phase)
	if len(reach)+len(unresolved) == 0 {
		return api.RunnerSecretsResponse{Secrets: []api.RunnerSecret{}}, nil // as for most runs: nothing to note
	}
	out := api.RunnerSecretsResponse{Secrets: make([]api.RunnerSecret, 0, len(picked)), Unresolved: unresolved}
	for _, c := range picked {
		v, err := s.open(ctx, c)
		if err != nil {
			return api.RunnerSecretsResponse{}, err
		}
		out.Secrets = append(out.Secrets, api.RunnerSecret{Name: c.Name, Value: v.Value, FileName: c.FileName, Data: v.Data})
	}
	return out, s.record(ctx, r, picked, unresolved, phase)
}

// record notes what was picked for a phase. Who has begun with its agent gets nothing for set-up any more:
// the agent holds the token that asks.
func (s *Service) record(ctx context.Context, r Reach, picked []Secret, unresolved []string, phase api.SecretPhase) error {
	now := s.now()
	uses := make([]Use, 0, len(picked))
	for _, c := range picked {
		uses = append(uses, Use{SecretUID: c.UID, RunID: r.RunID, Execution: r.Execution, Phase: api.SecretUsePhase(phase), At: now})
	}
	return s.cfg.Uses.Record(ctx, r.RunID, uses, func(had *Received) error {
		if phase == api.SecretPhaseSetup && had.Agent == r.Execution {
			return api.Fail(api.PlatformErrorCodeOperationNotSupported, "the agent of this execution has begun: what is for set-up commands is not handed out any more")
		}
		if phase == api.SecretPhaseAgent {
			had.Agent = r.Execution
		}
		for _, c := range picked {
			had.add(c)
		}
		had.Unresolved = unresolved
		return nil
	})
}

// add notes a secret unless it is there.
func (r *Received) add(c Secret) {
	one := api.RunSecret{Name: c.Name, Scope: api.Scope{Type: c.Owner.Type, Uid: c.Owner.UID}}
	if !slices.Contains(r.Secrets, one) {
		r.Secrets = append(r.Secrets, one)
	}
}

// Received returns what a run got. The caller has checked access to it.
func (s *Service) Received(ctx context.Context, runID string) (Received, error) {
	return s.cfg.Uses.Received(ctx, runID)
}

// CheckModelKey refuses a name that is not a secret of the type within a run's reach.
func (s *Service) CheckModelKey(ctx context.Context, r Reach, field, name string, t api.SecretType) error {
	_, err := s.modelKey(ctx, r, field, name, t)
	return err
}

func (s *Service) modelKey(ctx context.Context, r Reach, field, name string, t api.SecretType) (Secret, error) {
	reach, err := s.inReach(ctx, r)
	if err != nil {
		return Secret{}, err
	}
	c, ok := reach[name]
	if !ok {
		return Secret{}, api.Invalid(field, "no secret %.64q is in the run's reach", name)
	}
	if c.Type != t {
		return Secret{}, api.Invalid(field, "the secret %s is %s; %s is needed", name, c.Type, t)
	}
	return c, nil
}

// ModelKey returns the value of a key that a run's model calls are paid with, having noted that it did.
// It stays within the server.
func (s *Service) ModelKey(ctx context.Context, r Reach, field, name string, t api.SecretType) (api.SecretValue, error) {
	c, err := s.modelKey(ctx, r, field, name, t)
	if err != nil {
		return api.SecretValue{}, err
	}
	v, err := s.open(ctx, c)
	if err != nil {
		return api.SecretValue{}, err
	}
	use := Use{SecretUID: c.UID, RunID: r.RunID, Execution: r.Execution, Phase: api.SecretUsePhaseModel}
	s.mu.Lock()
	known := s.paid[use]
	s.mu.Unlock()
	if known {
		return v, nil
	}
	noted := use
	noted.At = s.now()
	if err := s.cfg.Uses.Record(ctx, r.RunID, []Use{noted}, func(had *Received) error { had.add(c); return nil }); err != nil {
		return api.SecretValue{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.paid) >= maxPaid {
		clear(s.paid) // they are recorded again, which changes nothing
	}
	s.paid[use] = true
	return v, nil
}
