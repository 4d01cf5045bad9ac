package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// Definition is a named thing that a team or a person owns; C is what it says. Times are UTC with
// microsecond precision.
type Definition[C any] struct {
	UID       string
	Owner     identity.Owner
	Config    C
	Creator   api.UserProfile
	Editor    api.UserProfile
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Store keeps the definitions of one kind. What was deleted is not there any more for any method.
type Store[C any] interface {
	// Insert stores a new definition. It is operation_not_supported when the owner has limit of them.
	Insert(ctx context.Context, d Definition[C], limit int) error
	// Get returns api.NotFound for an unknown one.
	Get(ctx context.Context, uid string) (Definition[C], error)
	// List returns those of the given teams and of the user, newest change first.
	List(ctx context.Context, teamUIDs []string, userUID string) ([]Definition[C], error)
	// Change stores what decide makes of a definition, all or nothing. decide must be pure and quick.
	Change(ctx context.Context, uid string, decide func(*Definition[C])) (Definition[C], error)
	Delete(ctx context.Context, uid string) error
}

// NamedStore keeps definitions of a kind whose names are unique per owner: Insert and Change are a
// conflict where the owner has another of that name.
type NamedStore[C any] interface {
	Store[C]
	// Named returns those of the given teams and of the user that have the name.
	Named(ctx context.Context, teamUIDs []string, userUID, name string) ([]Definition[C], error)
}

// Request is what a definition is made from.
type Request[C any] struct {
	Config C
	// Team says whose a new one is; nil leaves it to what the actor may change.
	Team *bool
	// DryRun checks everything and stores nothing.
	DryRun bool
}

// Shelf keeps the definitions of one kind. It is safe for concurrent use.
type Shelf[C any] struct {
	kind  kind[C]
	store Store[C]
	cfg   Config
}

// kind is what sets the definitions of one kind apart.
type kind[C any] struct {
	noun   string // in errors
	newUID func() string
	name   func(C) string
	// check names the first member that is wrong, as a member of the request.
	check func(C) error
	// refer, if set, checks what the definition refers to, which the owner must be able to use, and
	// puts uids in the place of names.
	refer func(ctx context.Context, actor identity.Actor, owner identity.Owner, c *C) error
}

// Create defines something: for the team or, if the request says so or the actor may not change what is
// the team's, for the actor alone.
func (s *Shelf[C]) Create(ctx context.Context, actor identity.Actor, req Request[C]) (Definition[C], error) {
	var none Definition[C]
	if err := actor.Check(identity.PermManage); err != nil {
		return none, err
	}
	if err := s.kind.check(req.Config); err != nil {
		return none, err
	}
	owner := ownerOf(actor, req.Team)
	if err := actor.CheckChange(owner); err != nil {
		return none, err
	}
	if err := s.refer(ctx, actor, owner, &req.Config); err != nil {
		return none, err
	}
	now := s.cfg.now()
	d := Definition[C]{
		UID: s.kind.newUID(), Owner: owner, Config: req.Config,
		Creator: actor.Profile(), Editor: actor.Profile(), CreatedAt: now, UpdatedAt: now,
	}
	if req.DryRun {
		return d, nil
	}
	if err := s.store.Insert(ctx, d, s.cfg.MaxPerOwner); err != nil {
		return none, fmt.Errorf("store %s: %w", s.kind.noun, err)
	}
	return d, nil
}

func (s *Shelf[C]) refer(ctx context.Context, actor identity.Actor, owner identity.Owner, c *C) error {
	if s.kind.refer == nil {
		return nil
	}
	return s.kind.refer(ctx, actor, owner, c)
}

// ownerOf decides whose a new thing is.
func ownerOf(actor identity.Actor, team *bool) identity.Owner {
	shared := actor.May(identity.PermAdminister)
	if team != nil {
		shared = *team
	}
	if actor.TeamUID == "" || !shared {
		return identity.Owner{Type: api.ScopeTypeUser, UID: actor.UID}
	}
	return identity.Owner{Type: api.ScopeTypeTeam, UID: actor.TeamUID}
}

// Get returns one definition; one that the actor may not see is not found.
func (s *Shelf[C]) Get(ctx context.Context, actor identity.Actor, uid string) (Definition[C], error) {
	var none Definition[C]
	if err := actor.Check(identity.PermRead); err != nil {
		return none, err
	}
	d, err := s.store.Get(ctx, uid)
	if err != nil {
		return none, err
	}
	if !actor.Sees(d.Owner) {
		return none, api.NotFound(s.kind.noun, uid)
	}
	return d, nil
}

// Update replaces what a definition says. Its owner stays.
func (s *Shelf[C]) Update(ctx context.Context, actor identity.Actor, uid string, req Request[C]) (Definition[C], error) {
	var none Definition[C]
	if err := actor.Check(identity.PermManage); err != nil {
		return none, err
	}
	if err := s.kind.check(req.Config); err != nil {
		return none, err
	}
	d, err := s.changeable(ctx, actor, uid)
	if err != nil {
		return none, err
	}
	if err := s.refer(ctx, actor, d.Owner, &req.Config); err != nil {
		return none, err
	}
	change := func(d *Definition[C]) {
		d.Config, d.Editor, d.UpdatedAt = req.Config, actor.Profile(), s.cfg.now()
	}
	if req.DryRun {
		change(&d)
		return d, nil
	}
	if d, err = s.store.Change(ctx, uid, change); err != nil {
		return none, fmt.Errorf("store %s: %w", s.kind.noun, err)
	}
	return d, nil
}

// changeable is Get for who wants to change it.
func (s *Shelf[C]) changeable(ctx context.Context, actor identity.Actor, uid string) (Definition[C], error) {
	d, err := s.Get(ctx, actor, uid)
	if err != nil {
		return d, err
	}
	return d, actor.CheckChange(d.Owner)
}

// Delete removes a definition. Runs that were given it keep it.
func (s *Shelf[C]) Delete(ctx context.Context, actor identity.Actor, uid string) error {
	if err := actor.Check(identity.PermManage); err != nil {
		return err
	}
	if _, err := s.changeable(ctx, actor, uid); err != nil {
		return err
	}
	return s.store.Delete(ctx, uid)
}

// List returns the definitions the actor may use, latest change first or by name.
func (s *Shelf[C]) List(ctx context.Context, actor identity.Actor, byName bool) ([]Definition[C], error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, err
	}
	list, err := s.store.List(ctx, teamsOf(actor), actor.UID)
	if err == nil && byName {
		slices.SortStableFunc(list, func(x, y Definition[C]) int {
			return cmp.Compare(strings.ToLower(s.kind.name(x.Config)), strings.ToLower(s.kind.name(y.Config)))
		})
	}
	return list, err
}

// teamsOf are the teams whose things an actor sees.
func teamsOf(actor identity.Actor) []string {
	if actor.TeamUID == "" {
		return nil
	}
	return []string{actor.TeamUID}
}

// Lookup returns a definition whoever owns it; api.NotFound when it is gone. The caller has checked
// that it may be used.
func (s *Shelf[C]) Lookup(ctx context.Context, uid string) (Definition[C], error) {
	return s.store.Get(ctx, uid)
}

// NamedShelf keeps definitions that are referred to by uid or name.
type NamedShelf[C any] struct {
	Shelf[C]
	named NamedStore[C]
}

func newNamedShelf[C any](k kind[C], store NamedStore[C], cfg Config) *NamedShelf[C] {
	return &NamedShelf[C]{Shelf[C]{kind: k, store: store, cfg: cfg}, store}
}

// Find returns the definition that a uid or a name means for something that owner has: one that the
// actor sees and, if the owner is a team, the team's. Of a personal and a team's one of the same name
// the personal one is meant. member is what refers to it, for errors; one that is not there is
// invalid_request.
func (s *NamedShelf[C]) Find(ctx context.Context, actor identity.Actor, owner identity.Owner, member, ref string) (Definition[C], error) {
	usable := func(o identity.Owner) bool {
		return owner.Type != api.ScopeTypeTeam || o.Type == api.ScopeTypeTeam
	}
	d, err := s.store.Get(ctx, ref)
	switch {
	case err == nil && actor.Sees(d.Owner) && usable(d.Owner):
		return d, nil
	case err == nil && actor.Sees(d.Owner):
		return d, api.Invalid(member, "what is the team's cannot use a personal %s", s.kind.noun)
	case err != nil && !errors.Is(err, api.NotFound(s.kind.noun, ref)):
		return d, err
	}
	list, err := s.named.Named(ctx, teamsOf(actor), actor.UID, ref)
	if err != nil {
		return d, err
	}
	list = slices.DeleteFunc(list, func(d Definition[C]) bool { return !usable(d.Owner) })
	if len(list) == 0 {
		return d, api.Invalid(member, "names no %s you can see here", s.kind.noun)
	}
	if i := slices.IndexFunc(list, func(d Definition[C]) bool { return d.Owner.Type == api.ScopeTypeUser }); i > 0 {
		return list[i], nil
	}
	return list[0], nil
}
