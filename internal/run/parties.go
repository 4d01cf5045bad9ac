package run

import (
	"context"
	"slices"
	"strings"

	"github.com/cadrehq/cadre/api"
	"github.com/cadrehq/cadre/internal/catalog/agent"
	"github.com/cadrehq/cadre/internal/identity"
)

// Agents knows the named identities of teams, and what a team's runs default to.
type Agents interface {
	// Principal returns an agent of a team that can be used; every refusal is an api.Failure.
	Principal(ctx context.Context, teamUID, uid string) (agent.Agent, error)
	TeamDefaults(ctx context.Context, teamUID string) (agent.Defaults, error)
}

// People finds who is in which team.
type People interface {
	User(ctx context.Context, uid string) (identity.User, []identity.Membership, error)
	UserByEmail(ctx context.Context, email string) (identity.User, error)
}

// parties are those of a run: who asked for it, whom it runs as, and what is known of that if it is
// an agent.
type parties struct {
	creator, executor api.UserProfile
	agent             *agent.Agent
}

// parties decides who the parties of a run with this owner are. A person or a team may have any agent
// of the team run for them; an agent, and a run that runs as one, are themselves and nobody else.
func (s *Service) parties(ctx context.Context, actor identity.Actor, owner identity.Owner, req api.RunAgentRequest) (parties, error) {
	p := parties{creator: actor.Profile(), executor: actor.Profile()}
	if actor.Kind == identity.KindRun {
		own, err := s.cfg.Store.Get(ctx, actor.RunID)
		if err != nil {
			return parties{}, err
		}
		p.creator, p.executor = own.Creator, own.Executor
	}
	uid := req.AgentIdentityUid
	if actor.Kind == identity.KindAgent || actor.Kind == identity.KindRun {
		own := ""
		if p.executor.Type == api.UserProfileTypeServiceAccount && p.executor.Uid != actor.TeamUID {
			own = p.executor.Uid
		}
		if uid != "" && uid != own {
			return parties{}, api.Fail(api.PlatformErrorCodeNotAuthorized, "agent_identity_uid: only people and their team may choose an agent")
		}
		uid = own
	}
	switch {
	case uid != "" && owner.Type != api.ScopeTypeTeam:
		return parties{}, api.Invalid("team", "only a run of the team can run as an agent")
	case uid != "":
		a, err := s.agent(ctx, actor.TeamUID, uid)
		if err != nil {
			return parties{}, err
		}
		p.agent, p.executor = &a, a.Profile()
	}
	return p, s.speakFor(ctx, actor, &p, req.OnBehalfOf)
}

func (s *Service) agent(ctx context.Context, teamUID, uid string) (agent.Agent, error) {
	if s.cfg.Agents == nil || len(uid) > maxName {
		return agent.Agent{}, api.NotFound("agent", clip(uid, 128))
	}
	return s.cfg.Agents.Principal(ctx, teamUID, uid)
}

// speakFor makes the person whom an agent names the creator of its run.
func (s *Service) speakFor(ctx context.Context, actor identity.Actor, p *parties, who string) error {
	if who == "" {
		return nil
	}
	if actor.Kind != identity.KindAgent || p.agent == nil || !p.agent.OnBehalfOf {
		return api.Fail(api.PlatformErrorCodeNotAuthorized, "on_behalf_of: only the key of an agent with on_behalf_of_enabled may name another person")
	}
	u, err := s.member(ctx, actor.TeamUID, who)
	if err != nil {
		if api.CodeOf(err) == api.PlatformErrorCodeResourceNotFound {
			return api.Invalid("on_behalf_of", "names no active member of the team")
		}
		return err
	}
	p.creator = u.Profile()
	return nil
}

// member finds an active member of a team by e-mail or uid; anybody else is not found.
func (s *Service) member(ctx context.Context, teamUID, who string) (identity.User, error) {
	gone := api.NotFound("user", clip(who, 128))
	if s.cfg.People == nil {
		return identity.User{}, gone
	}
	if strings.Contains(who, "@") {
		email, err := identity.CheckEmail("on_behalf_of", who)
		if err != nil {
			return identity.User{}, err
		}
		u, err := s.cfg.People.UserByEmail(ctx, email)
		if err != nil {
			return identity.User{}, err
		}
		who = u.UID
	}
	u, teams, err := s.cfg.People.User(ctx, who)
	if err != nil {
		return identity.User{}, err
	}
	in := slices.ContainsFunc(teams, func(m identity.Membership) bool { return m.TeamUID == teamUID })
	if !in || !u.DisabledAt.IsZero() {
		return identity.User{}, gone
	}
	return u, nil
}
