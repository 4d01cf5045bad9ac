package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cadrehq/cadre/api"
)

// Credential is what a request presents.
type Credential struct {
	// Bearer is an API key or a run token. It goes before SignIn.
	Bearer string
	// SignIn is the secret of a signed-in browser.
	SignIn string
	// Team is the uid of the team to work for, if another than the credential's own. Only people can
	// choose.
	Team string
}

// principal is who is behind a key or a sign-in, as stored.
type principal struct {
	key    Key    // zero for a sign-in
	signIn SignIn // zero for a key
	user   User   // zero for a team or an agent
	teams  []Membership
	name   string // of a team or an agent
	team   string // name of the key's team, for those
}

// Authenticate returns the caller behind a bearer credential: see Identify.
func (s *Service) Authenticate(ctx context.Context, bearer string) (Actor, error) {
	return s.Identify(ctx, Credential{Bearer: bearer})
}

// Identify returns the caller behind a credential: an API key, a run token or a sign-in. Every refusal
// of it is authentication_required; a team that the caller is not in is resource_not_found; any other
// error is the store's. Run tokens are verified without the store: whether their execution still lives
// is for the caller to check.
func (s *Service) Identify(ctx context.Context, c Credential) (Actor, error) {
	presented := c.Bearer
	if presented == "" {
		presented = c.SignIn
	}
	switch {
	case presented == "":
		return Actor{}, refused("a bearer credential is required")
	case !wellFormed(presented):
		return Actor{}, refused("the credential is malformed")
	case c.Bearer == "":
		return s.known(ctx, hashOf(presented), c.Team, s.readSignIn)
	case isRunToken(presented):
		if a, ok := s.signer.open(presented, s.cfg.Now()); ok {
			return a, nil
		}
		return Actor{}, refused("the run token is invalid or has expired")
	}
	return s.known(ctx, hashOf(presented), c.Team, s.readKey)
}

// known returns the actor with a credential's hash, read unless it is remembered.
func (s *Service) known(ctx context.Context, h hash, team string, read func(context.Context, hash) (principal, error)) (Actor, error) {
	now := s.cfg.Now()
	e, epoch, ok := s.cache.get(h, now)
	if !ok {
		who, err := read(ctx, h)
		if err != nil {
			return Actor{}, err
		}
		e = cached{who: who, readAt: now}
		s.cache.put(h, e, epoch)
		s.note(who.key.UID+who.signIn.UID, now) // one of them is empty
	}
	if err := e.who.check(now, s.cfg.SignInIdle); err != nil {
		return Actor{}, err
	}
	return e.who.actor(team)
}

func (s *Service) readKey(ctx context.Context, h hash) (principal, error) {
	key, err := s.cfg.Store.KeyByHash(ctx, h[:])
	if notFound(err) {
		return principal{}, refused("the key is unknown")
	}
	if err != nil {
		return principal{}, fmt.Errorf("look up key: %w", err)
	}
	p := principal{key: key}
	switch key.OwnerType {
	case OwnerUser:
		p.user, p.teams, err = s.cfg.Store.User(ctx, key.OwnerUID)
	case OwnerAgent:
		p.name, err = s.AgentName(ctx, key.TeamUID, key.OwnerUID)
	}
	if err == nil && key.OwnerType != OwnerUser {
		var team Team
		team, err = s.cfg.Store.Team(ctx, key.TeamUID)
		p.team = team.Name
	}
	if notFound(err) {
		return principal{}, refused("whom the key is for is gone")
	}
	if err != nil {
		return principal{}, fmt.Errorf("look up owner of key: %w", err)
	}
	return p, nil
}

func (s *Service) readSignIn(ctx context.Context, h hash) (principal, error) {
	var p principal
	var err error
	if p.signIn, err = s.cfg.Store.SignInByHash(ctx, h[:]); err == nil {
		p.user, p.teams, err = s.cfg.Store.User(ctx, p.signIn.UserUID)
	}
	if notFound(err) {
		return principal{}, refused("sign in again")
	}
	if err != nil {
		return principal{}, fmt.Errorf("look up sign-in: %w", err)
	}
	return p, nil
}

// AgentName returns the name of a team's agent; resource_not_found when there is none.
func (s *Service) AgentName(ctx context.Context, teamUID, uid string) (string, error) {
	if s.cfg.Agents == nil {
		return "", api.NotFound("agent", uid)
	}
	return s.cfg.Agents(ctx, teamUID, uid)
}

// check refuses what has ended.
func (p principal) check(now time.Time, idle time.Duration) error {
	switch k := p.key; {
	case !p.user.DisabledAt.IsZero():
		return refused("the person was disabled")
	case !k.RevokedAt.IsZero():
		return refused("the key was revoked")
	case k.UID != "" && !k.usable(now):
		return refused("the key has expired")
	case k.UID == "" && p.signIn.ended(now, idle):
		return refused("sign in again")
	}
	return nil
}

// actor is the principal at work for a team, its own unless another is asked for.
func (p principal) actor(team string) (Actor, error) {
	a := Actor{KeyUID: p.key.UID, SignInUID: p.signIn.UID, Scopes: p.key.Scopes}
	switch p.key.OwnerType {
	case OwnerTeam, OwnerAgent:
		if team != "" && team != p.key.TeamUID {
			return Actor{}, api.NotFound("team", team)
		}
		a.Kind, a.UID, a.Name = KindAgent, p.key.OwnerUID, p.name
		if p.key.OwnerType == OwnerTeam {
			a.Kind, a.Name = KindTeam, p.team
		}
		a.TeamUID, a.TeamName, a.Role = p.key.TeamUID, p.team, p.key.Role
		return a, nil
	}
	a.Kind, a.UID, a.Name, a.Email, a.Operator, a.Teams = KindUser, p.user.UID, p.user.Name, p.user.Email, p.user.Operator, p.teams
	own := p.key.TeamUID + p.signIn.TeamUID // one of them is empty
	i := slices.IndexFunc(p.teams, func(m Membership) bool { return m.TeamUID == firstOf(team, own) })
	switch {
	case i < 0 && team != "":
		return Actor{}, api.NotFound("team", team)
	case i < 0 && p.key.UID != "":
		// A key goes with its team. Removing a member revokes it; this is for a member who never was.
		return Actor{}, refused("the person is not in the key's team")
	case i < 0 && len(p.teams) > 0:
		i = 0
	case i < 0:
		return a, nil
	}
	m := p.teams[i]
	a.TeamUID, a.TeamName, a.Role = m.TeamUID, m.TeamName, m.Role
	if p.key.UID != "" {
		a.Role, a.narrowed = weaker(m.Role, p.key.Role), p.key.Role != RoleAdmin
	}
	return a, nil
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func notFound(err error) bool {
	var failure *api.Failure
	return errors.As(err, &failure) && failure.Code == api.PlatformErrorCodeResourceNotFound
}
