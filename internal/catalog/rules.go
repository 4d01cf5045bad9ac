package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/identity"
)

// maxRules bounds a text of rules: what an agent reads of a rules file.
const maxRules = 48 << 10

// Rules are what every agent of a team or person is told before the rules of repositories.
type Rules struct {
	Owner     identity.Owner
	Text      string
	Editor    api.UserProfile
	UpdatedAt time.Time
}

// RuleStore keeps one text per owner.
type RuleStore interface {
	// Put replaces an owner's rules; an empty text removes them.
	Put(ctx context.Context, r Rules) error
	// Of returns the rules of those of the owners that have any, in the order of owners.
	Of(ctx context.Context, owners ...identity.Owner) ([]Rules, error)
}

// RuleBook keeps the rules of teams and people.
type RuleBook struct{ cfg Config }

// List returns the rules of the actor's team and their own, those there are.
func (b *RuleBook) List(ctx context.Context, actor identity.Actor) ([]Rules, error) {
	if err := actor.Check(identity.PermRead); err != nil {
		return nil, err
	}
	return b.Of(ctx, actor.TeamUID, actor.UID)
}

// Of returns the rules of a team and of a person, those there are; "" is nobody.
func (b *RuleBook) Of(ctx context.Context, teamUID, userUID string) ([]Rules, error) {
	var owners []identity.Owner
	if teamUID != "" {
		owners = append(owners, identity.Owner{Type: api.ScopeTypeTeam, UID: teamUID})
	}
	if userUID != "" {
		owners = append(owners, identity.Owner{Type: api.ScopeTypeUser, UID: userUID})
	}
	if len(owners) == 0 {
		return nil, nil
	}
	return b.cfg.Rules.Of(ctx, owners...)
}

// Put replaces the rules of the actor's team, or with team false the actor's own.
func (b *RuleBook) Put(ctx context.Context, actor identity.Actor, req api.RulesRequest, dryRun bool) (Rules, error) {
	if err := actor.Check(identity.PermManage); err != nil {
		return Rules{}, err
	}
	if err := CheckText("text", req.Text, maxRules); err != nil {
		return Rules{}, err
	}
	owner := ownerOf(actor, req.Team)
	if err := actor.CheckChange(owner); err != nil {
		return Rules{}, err
	}
	r := Rules{Owner: owner, Text: req.Text, Editor: actor.Profile(), UpdatedAt: b.cfg.now()}
	if dryRun {
		return r, nil
	}
	if err := b.cfg.Rules.Put(ctx, r); err != nil {
		return Rules{}, fmt.Errorf("store rules: %w", err)
	}
	return r, nil
}

// Wire is the rules as the API shows them.
func (r Rules) Wire() api.Rules {
	return api.Rules{
		Text: r.Text, Scope: api.Scope{Type: r.Owner.Type, Uid: r.Owner.UID}, LastUpdated: r.UpdatedAt, LastEditor: r.Editor,
	}
}
